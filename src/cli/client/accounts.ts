/** `isochrone accounts`: what nodes have earned at a gateway, what of it is held, what is void. */
import { isNodeId } from '../../protocol/index.ts'
import { type CommandContext, exitCode } from '../options/command.ts'
import { usageError } from '../options/usage-error.ts'
import { renderTable } from '../terminal/table.ts'
import type { Terminal } from '../terminal/terminal.ts'
import { wrap } from '../terminal/wrap.ts'
import {
  type ClientOptions,
  commandAt,
  type GatewayClient,
  openGatewayClient,
  shownJson,
} from './gateway-client.ts'

/** What is shown of `GET /v1/accounts`. */
export interface AccountView {
  readonly worker: string
  readonly is_held: boolean
  readonly owed_nano_dollars: number
  readonly held_nano_dollars: number
  readonly answers: number
  readonly voids: number
  readonly prompt_tokens: number
  readonly completion_tokens: number
  readonly last_at_ms: number
}

export interface WholeAccountView extends AccountView {
  readonly entries: readonly EntryView[]
}

export interface EntryView {
  readonly decision: string
  readonly at_ms: number
  readonly model: string
  readonly prompt_tokens: number
  readonly completion_tokens: number
  readonly billed: { readonly prompt_tokens: number; readonly completion_tokens: number } | null
  readonly amount_nano_dollars: number
  readonly state: string
}

interface Screen extends Pick<Terminal, 'style' | 'width'> {
  /** How the person types a command that asks the same gateway. */
  readonly commandOf: (command: string) => string
}
type Options = ClientOptions & { readonly node: string | undefined }

export async function runAccounts(options: Options, context: CommandContext): Promise<number> {
  const { json, node } = options
  const { terminal } = context
  const client = openGatewayClient(options, context)
  const commandOf = (command: string) => commandAt(options, command)
  const screen = { style: terminal.style, width: terminal.width, commandOf }
  if (node !== undefined) {
    const path = `/v1/accounts/${await idOf(node, client, options)}`
    const account = (await shownJson(await client.get(path), json)) as WholeAccountView
    terminal.out(json ? `${JSON.stringify(account)}\n` : renderAccount(account, screen))
    return exitCode.ok
  }
  const answer = await client.get('/v1/accounts')
  const { data } = (await shownJson(answer, json)) as { readonly data: readonly AccountView[] }
  if (json) terminal.out(`${JSON.stringify(data)}\n`)
  else if (data.length === 0) terminal.note('No node has earned anything here yet.\n')
  else terminal.out(renderAccounts(data, screen))
  return exitCode.ok
}

/** The table shows the beginnings of ids: one that is unique will do. */
async function idOf(
  beginning: string,
  client: GatewayClient,
  options: ClientOptions,
): Promise<string> {
  if (isNodeId(beginning)) return beginning
  const { data } = (await (await client.get('/v1/accounts')).json()) as {
    readonly data: readonly AccountView[]
  }
  const found = data.filter(({ worker }) => worker.startsWith(beginning))
  const [only] = found
  if (only !== undefined && found.length === 1) return only.worker
  const why = found.length === 0 ? 'begins no account’s id' : `begins the ids of ${found.length}`
  throw usageError(`"${beginning}" ${why}; ${commandAt(options, 'accounts')} lists them`)
}

export function renderAccounts(accounts: readonly AccountView[], screen: Screen): string {
  const { commandOf, style, width } = screen
  const columns = [
    { title: 'NODE' },
    { title: 'OWED', align: 'right' },
    { title: 'HELD', align: 'right' },
    { title: 'ANSWERS', align: 'right' },
    { title: 'VOID', align: 'right' },
    { title: 'PROMPT', align: 'right' },
    { title: 'COMPLETION', align: 'right' },
    { title: 'LATEST' },
  ] as const
  const rows = accounts.map((account) => [
    account.worker.slice(0, 8),
    dollars(account.owed_nano_dollars),
    account.is_held ? style.red(dollars(account.held_nano_dollars)) : '–',
    `${account.answers}`,
    account.voids === 0 ? '–' : style.red(`${account.voids}`),
    `${account.prompt_tokens}`,
    `${account.completion_tokens}`,
    dateOf(account.last_at_ms),
  ])
  const table = renderTable(columns, rows, { paintTitle: style.bold, width })
  const note = noteText(
    'Prompt and completion are tokens, void are false bills, latest is UTC. Nobody is paid by ' +
      'this yet. One node, answer by answer:',
    commandOf('accounts NODE'),
    width,
  )
  const isHeld = accounts.some((account) => account.is_held)
  const held = 'Held: the node is quarantined, or works that off. What it did:'
  return `${table}\n${note}${isHeld ? noteText(held, commandOf('incidents'), width) : ''}`
}

/** Sentences on wider screens are hard to read. */
const textWidthMax = 90

/** The command has a line of its own, which is not broken. */
function noteText(text: string, command: string, width: number): string {
  return `${wrap(text, Math.min(width, textWidthMax)).join('\n')}\n  ${command}\n`
}

export function renderAccount(account: WholeAccountView, screen: Screen): string {
  const { commandOf, style, width } = screen
  const columns = [
    { title: 'DECISION' },
    { title: 'WHEN' },
    { title: 'MODEL' },
    { title: 'TOKENS', align: 'right' },
    { title: 'AMOUNT', align: 'right' },
    { title: 'STATE' },
  ] as const
  const rows = account.entries.map((entry) => [
    entry.decision,
    dateOf(entry.at_ms),
    entry.model,
    sumOf(entry),
    dollars(entry.amount_nano_dollars),
    stateOf(entry),
  ])
  const lines = [
    style.bold(`Account of ${account.worker}`),
    ...accountLines(account).map((line) => `  ${line}`),
  ]
  const table = renderTable(columns, rows, { paintTitle: style.bold, width })
  const all = account.answers + account.voids
  const newest = rows.length < all ? `The newest ${rows.length} of ${all}. ` : ''
  const note = noteText(
    `${newest}Tokens: prompt + completion, as counted. Times are UTC. Tier, class and prices: ` +
      '--json. Why a request went to this node:',
    commandOf('explain DECISION'),
    width,
  )
  return `${lines.join('\n')}\n\n${table}\n${note}`
}

/** In lines, for whoever reads of its incident as well. */
export function accountLines(account: AccountView): string[] {
  const { answers, is_held: isHeld, voids } = account
  const amount = isHeld ? account.held_nano_dollars : account.owed_nano_dollars
  const state = isHeld ? 'held, until its incident is over' : 'owed'
  const of = `for ${answers} answer${answers === 1 ? '' : 's'}`
  return [
    `${dollars(amount)} ${of}: ${state}`,
    ...(voids === 0 ? [] : [`${voids} false bill${voids === 1 ? '' : 's'}: void`]),
  ]
}

function sumOf(tokens: NonNullable<EntryView['billed']>): string {
  return `${tokens.prompt_tokens} + ${tokens.completion_tokens}`
}

/** A bill that is not what is counted is what an operator looks for. */
function stateOf({ billed, state, ...counted }: EntryView): string {
  if (billed === null) return `${state}, no bill came`
  return sumOf(billed) === sumOf(counted) ? state : `${state}, billed ${sumOf(billed)}`
}

/** Answers cost millionths: as many digits as say something. */
export function dollars(nano: number): string {
  const whole = nano / 1e9
  return `$${whole === 0 || whole >= 1 ? whole.toFixed(2) : whole.toFixed(9).replace(/0+$/, '')}`
}

function dateOf(ms: number): string {
  return new Date(ms).toISOString().replace('T', ' ').slice(0, 19)
}
