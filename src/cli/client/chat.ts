/** `isochrone chat`: one question, or a conversation; answers appear as they are made. */
import { createInterface } from 'node:readline/promises'
import { asIsochroneError, hasCode, IsochroneError, isDecisionId } from '../../protocol/index.ts'
import { writeFileAtomically } from '../files/atomic-file.ts'
import { dataFolder } from '../files/data-folder.ts'
import { keepOutOfGit } from '../files/out-of-git.ts'
import { type CommandContext, exitCode } from '../options/command.ts'
import { harmless } from '../terminal/harmless.ts'
import { readEventData } from './event-stream.ts'
import {
  type ClientOptions,
  commandAt,
  faultOfText,
  type GatewayClient,
  openGatewayClient,
} from './gateway-client.ts'

export interface ChatOptions extends ClientOptions {
  readonly question: string
  readonly model: string | undefined
  readonly why: boolean
  readonly system: string | undefined
  readonly 'max-tokens': number
  readonly temperature: number
  readonly region: string | undefined
}

interface Message {
  readonly role: 'system' | 'user' | 'assistant'
  readonly content: string
}

interface Answer {
  readonly text: string
  readonly decision: string | null
  readonly model: string
  readonly finished: boolean
}

export async function runChat(options: ChatOptions, context: CommandContext): Promise<number> {
  const client = openGatewayClient(options, context)
  const model = options.model ?? (await firstModel(client, options))
  const chat: Chat = { options: { ...options, model }, client, context }
  const system: Message[] =
    options.system === undefined ? [] : [{ role: 'system', content: options.system }]
  if (options.question !== '') {
    const stop = new AbortController()
    const onInterrupt = () => stop.abort()
    process.once('SIGINT', onInterrupt)
    const asked: Message = { role: 'user', content: options.question }
    const answer = await ask(chat, [...system, asked], stop.signal)
    process.off('SIGINT', onInterrupt)
    if (options.json) context.terminal.out(`${JSON.stringify(answer)}\n`)
    return answer.finished ? exitCode.ok : exitCode.failed
  }
  await converse(chat, system)
  return exitCode.ok
}

interface Chat {
  readonly options: ChatOptions & { readonly model: string }
  readonly client: GatewayClient
  readonly context: CommandContext
}

async function converse(chat: Chat, system: readonly Message[]): Promise<void> {
  const { terminal } = chat.context
  const { noteStyle } = terminal
  const lines = createInterface({ input: process.stdin, output: process.stderr })
  const hint = 'An empty line or Ctrl-D ends it; Ctrl-C stops an answer.'
  if (terminal.interactive) {
    terminal.note(`${noteStyle.dim(`Talking to ${chat.options.model}. ${hint}`)}\n`)
  }
  const prompt = terminal.interactive ? `${noteStyle.cyan('you')}  ` : ''
  let messages = system
  let running: AbortController | undefined
  lines.on('SIGINT', () => {
    if (running === undefined) lines.close()
    else running.abort()
  })
  let closed = false
  let leftByLine = false
  lines.on('close', () => {
    closed = true
    // The line of the last prompt is not the shell's.
    if (terminal.interactive && running === undefined && !leftByLine) terminal.note('\n')
  })
  lines.setPrompt(prompt)
  lines.prompt()
  for await (const line of lines) {
    leftByLine = line.trim() === ''
    if (leftByLine) break
    running = new AbortController()
    messages = [...messages, { role: 'user', content: line }]
    try {
      const answer = await ask(chat, messages, running.signal)
      if (chat.options.json) terminal.out(`${JSON.stringify(answer)}\n`)
      messages = [...messages, { role: 'assistant', content: answer.text }]
    } catch (error) {
      // The conversation goes on: the next question may fare better.
      terminal.note(`${noteStyle.red('error')}: ${asIsochroneError(error).message}\n`)
      messages = messages.slice(0, -1)
    }
    running = undefined
    // Lines from a pipe may all be there, and their end too, while the first is being answered.
    if (!closed) lines.prompt()
  }
  lines.close()
}

async function ask(chat: Chat, messages: readonly Message[], signal: AbortSignal): Promise<Answer> {
  const { client, context, options } = chat
  const { terminal } = context
  const body = {
    model: options.model,
    messages,
    stream: true,
    temperature: options.temperature,
    ...(options['max-tokens'] === 0 ? {} : { max_tokens: options['max-tokens'] }),
    ...(options.region === undefined ? {} : { isochrone: { region: options.region } }),
  }
  let text = ''
  let decision: string | null = null
  let finished = false
  try {
    const response = await client.post('/v1/chat/completions', body, signal)
    decision = response.headers.get('x-isochrone-decision')
    remember(decision, chat)
    for await (const piece of answerPieces(response)) {
      text += piece
      if (!options.json) terminal.out(harmless(piece))
    }
    finished = true
  } catch (error) {
    if (!signal.aborted && !hasCode(error, 'cancelled')) {
      // What is said of the failure begins a line.
      if (text !== '' && !options.json) terminal.out('\n')
      throw hasCode(error, 'model_not_found') ? await noModel(error, chat) : error
    }
    terminal.note(terminal.noteStyle.dim(' [stopped]'))
  }
  if (!options.json) terminal.out('\n')
  if (options.why && decision !== null) await showWhy(chat, decision)
  return { text, decision, model: options.model, finished }
}

interface Chunk {
  readonly error?: unknown
  readonly choices?: readonly { readonly delta?: { readonly content?: unknown } }[]
}

async function* answerPieces(response: Response): AsyncGenerator<string, void, undefined> {
  if (response.body === null) return
  for await (const data of readEventData(response.body)) {
    const chunk = parseChunk(data)
    if (chunk.error !== undefined) throw faultOfText(data, 'the answer was interrupted')
    const content = chunk.choices?.[0]?.delta?.content
    if (typeof content === 'string') yield content
  }
}

function parseChunk(data: string): Chunk {
  try {
    const chunk: unknown = JSON.parse(data)
    if (typeof chunk === 'object' && chunk !== null) return chunk
  } catch {
    // Told below.
  }
  throw new IsochroneError('node_failed', 'the gateway sent an event that is no JSON object')
}

async function showWhy(chat: Chat, decision: string): Promise<void> {
  const { terminal } = chat.context
  const query = `format=text&columns=${terminal.columns}`
  const path = `/v1/decisions/${encodeURIComponent(decision)}?${query}`
  const text = harmless(await (await chat.client.get(path)).text())
  terminal.note(`\n${terminal.noteStyle.dim(text.trimEnd())}\n\n`)
}

/** For `isochrone explain` without an id. */
function remember(decision: string | null, chat: Chat): void {
  if (decision === null || !isDecisionId(decision)) return
  const { lastDecision, root } = dataFolder(chat.options.data, chat.context.folder)
  try {
    keepOutOfGit(root)
    writeFileAtomically(lastDecision, `${decision}\n`, 0o600)
  } catch {
    // A convenience only: the answer matters more than remembering its id.
  }
}

export async function firstModel(client: GatewayClient, options: ClientOptions): Promise<string> {
  const [first] = await modelsOf(client)
  if (first !== undefined) return first
  throw new IsochroneError(
    'model_not_found',
    `the gateway at ${client.url} offers no model yet; are nodes joined? ` +
      `See: ${commandAt(options, 'nodes')}`,
  )
}

async function modelsOf(client: GatewayClient): Promise<readonly string[]> {
  const list = (await (await client.get('/v1/models')).json()) as {
    readonly data?: readonly { readonly id?: unknown }[]
  }
  return (list.data ?? []).flatMap(({ id }) => (typeof id === 'string' ? [id] : []))
}

/** The gateway speaks to programs of its routes; a person is told the names. */
async function noModel(cause: unknown, { client, options }: Chat): Promise<IsochroneError> {
  const offered = (await modelsOf(client).catch(() => [])).slice(0, modelsNamedMax)
  const instead = offered.length === 0 ? '' : `; there is: ${harmless(offered.join(', '))}`
  const message = `no node offers the model ${options.model}${instead}`
  return new IsochroneError('model_not_found', message, { cause })
}

/** In a line that a person reads. */
const modelsNamedMax = 5
