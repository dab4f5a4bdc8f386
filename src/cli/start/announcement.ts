/** What `start` says when the network is ready. Pure: facts go in, text comes out. */
import { commandLine, dataFlag, shellWord } from '../options/command-line.ts'
import type { Style } from '../terminal/terminal.ts'

export interface RunningNode {
  readonly name: string
  readonly id: string
  readonly region: string
  readonly pid: number | null
}

export interface RunningNetwork {
  /** `http://127.0.0.1:8080` */
  readonly url: string
  readonly apiKey: string
  readonly model: string
  readonly gatewayId: string
  /** Where nodes join: `127.0.0.1:40123` */
  readonly meshAddress: string
  readonly gatewayPid: number | null
  readonly nodes: readonly RunningNode[]
  readonly startedInMs: number
  readonly emulated: boolean
}

const whereTheIdIs = '(the id is in each answer’s header x-isochrone-decision)'
const question = 'What is the capital of Peru?'

export interface Hints {
  /** As given: the folder that a command has to name too. */
  readonly data: string
  readonly joinTokenFile: string
  /** Configuration of a node that is added; undefined: it needs none. */
  readonly addedNode: string | undefined
}

export function renderAnnouncement(network: RunningNetwork, hints: Hints, style: Style): string {
  const data = dataFlag(hints.data)
  const { url, apiKey, model } = network
  const body = JSON.stringify({ model, messages: [{ role: 'user', content: question }] })
  const seconds = (network.startedInMs / 1000).toFixed(1)
  const wan = network.emulated
    ? style.dim('The delay between regions is emulated; --no-wan turns it off.')
    : style.dim('Without emulated delay between regions.')
  return [
    '',
    `${style.green('Ready')} after ${seconds} s. ${wan}`,
    '',
    `${style.bold('Address')}  ${style.cyan(`${url}/v1`)}`,
    `${style.bold('API key')}  ${style.cyan(apiKey)}`,
    '',
    style.bold('Ask with curl'),
    `  curl -i ${url}/v1/chat/completions \\`,
    `    -H 'authorization: Bearer ${apiKey}' \\`,
    `    -H 'content-type: application/json' \\`,
    `    -d '${body}'`,
    '',
    `${style.bold('Or with OpenAI’s client')} ${style.dim('(npm install openai)')}`,
    "  import OpenAI from 'openai'",
    `  const client = new OpenAI({ baseURL: '${url}/v1', apiKey: '${apiKey}' })`,
    '  const answer = await client.chat.completions.create({',
    `    model: '${model}',`,
    `    messages: [{ role: 'user', content: '${question}' }],`,
    '  })',
    '  console.log(answer.choices[0].message.content)',
    '',
    `${style.bold('Or here')}, in another terminal`,
    `  ${commandLine(`chat${data} --why "${question}"`)}`,
    '',
    `${style.bold('Ask why')} ${style.dim(whereTheIdIs)}`,
    `  ${commandLine(`explain${data} DECISION_ID`)}`,
    `  curl -s '${url}/v1/decisions/DECISION_ID?format=text' -H 'authorization: Bearer ${apiKey}'`,
    '',
    `${style.bold('Add a node')}, in another terminal`,
    `  ${commandLine(`node${data} --join ${network.gatewayId}@${network.meshAddress}`)} \\`,
    ...lastLines(hints),
    '',
    style.bold('See the mesh'),
    `  ${commandLine(`mesh${data} --watch`)}`,
    '',
    `${style.bold('Stop')} with Ctrl-C.`,
    '',
  ].join('\n')
}

function lastLines({ addedNode, joinTokenFile }: Hints): readonly string[] {
  const token = `    --token-file ${shellWord(joinTokenFile)}`
  return addedNode === undefined ? [token] : [`${token} \\`, `    --config ${shellWord(addedNode)}`]
}
