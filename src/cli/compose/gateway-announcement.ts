/** What `gateway` says when it is ready. Pure: facts go in, text comes out. */
import { commandLine, dataFlag } from '../options/command-line.ts'
import type { Style } from '../terminal/terminal.ts'

export interface ReadyGateway {
  /** `http://127.0.0.1:8080` */
  readonly url: string
  readonly meshAddress: string
  /** `GATEWAY_ID@HOST:PORT`, as nodes of other machines find it. */
  readonly joinAddress: string
  readonly token: string
  /** Whether there is one; undefined: none is asked for. */
  readonly hasKeys: boolean | undefined
  /** As given: the folder that a command has to name too. */
  readonly data: string
}

export function renderReadyGateway(ready: ReadyGateway, style: Style): string {
  const { joinAddress, meshAddress, token, url } = ready
  return [
    `${style.green('Ready')}  for clients at ${style.cyan(`${url}/v1`)}`,
    `       for nodes at   ${style.cyan(meshAddress)}`,
    '',
    style.bold('A node joins with'),
    `  ISOCHRONE_TOKEN=${token} ${commandLine('node')} \\`,
    `    --join ${joinAddress}`,
    '',
    ...keyLines(ready, style),
    'Stop with Ctrl-C.',
    '',
  ].join('\n')
}

function keyLines({ data, hasKeys }: ReadyGateway, style: Style): readonly string[] {
  if (hasKeys === undefined) return []
  const none = hasKeys ? '' : ` ${style.dim('(there is none yet)')}`
  const command = commandLine(`keys create --name my-app${dataFlag(data)}`)
  return [`${style.bold('A key for a client')}${none}`, `  ${command}`, '']
}
