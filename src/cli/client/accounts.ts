/** `isochrone accounts`: what nodes have earned at a gateway, what of it is held, what is void. */
import { isNodeId } from '../../protocol/index.ts'
import { type CommandContext, exitCode } from '../options/command.ts'
import { usageError } from '../options/usage-error.ts'
import { renderTable } from '../terminal/table.ts'
import type { Terminal } from '../terminal/terminal.ts'
import {
  type ClientOptions,
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
  readonly tier: string | null
  readonly hardware_class: string
  readonly prompt_tokens: number
  readonly completion_tokens: number
  readonly billed: { readonly prompt_tokens: number; readonly completion_tokens: number } | null
  readonly amount_nano_dollars: number
  readonly state: string
}

type Screen = Pick<Terminal, 'style' | 'width'>
type Options = ClientOptions & { readonly node: string | undefined }

export async function runAccounts(options: Options, context: CommandContext): Promise<number> {
  const { json, node } = options
  const { terminal } = context
  const client = openGatewayClient(options, context.folder)
  if (node !== undefined) {
    const path = `/v1/accounts/${await idOf(node, client)}`
    const account = (await shownJson(await client.get(path), json)) as WholeAccountView
    terminal.out(json ? `${JSON.stringify(account)}\n` : renderAccount(account, terminal))
    return exitCode.ok
  }
  const answer = await client.get('/v1/accounts')
  const { data } = (await shownJson(answer, json)) as { readonly data: readonly AccountView[] }
  if (json) terminal.out(`${JSON.stringify(data)}\n`)
  else if (data.length === 0) terminal.note('No node has earned anything here yet.\n')
  else terminal.out(renderAccounts(data, terminal))
  return exitCode.ok
}

/** The table shows the beginnings of ids: one that is unique will do. */
async function idOf(beginning: string, client: GatewayClient): Promise<string> {
  if (isNodeId(beginning)) return beginning
  const { data } = (await (await client.get('/v1/accounts')).json()) as {
    readonly data: readonly AccountView[]
  }
  const found = data.filter(({ worker }) => worker.startsWith(beginning))
  const [only] = found
  if (only !== undefined && found.length === 1) return only.worker
  const why = found.length === 0 ? 'begins no account’s id' : `begins the ids of ${found.length}`
  throw usageError(`"${beginning}" ${why}; isochrone accounts lists them`)
}

export function renderAccounts(accounts: readonly AccountView[], { style, width }: Screen): string {
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
  return renderTable(columns, rows, { paintTitle: style.bold, width })
}

export function renderAccount(account: WholeAccountView, screen: Screen): string {
  const { style, width } = screen
  const columns = [
    { title: 'WHEN' },
    { title: 'MODEL' },
    { title: 'TIER' },
    { title: 'CLASS' },
    { title: 'PROMPT', align: 'right' },
    { title: 'COMPLETION', align: 'right' },
    { title: 'BILLED', align: 'right' },
    { title: 'AMOUNT', align: 'right' },
    { title: 'STATE' },
    { title: 'DECISION' },
  ] as const
  const rows = account.entries.map((entry) => [
    dateOf(entry.at_ms),
    entry.model,
    entry.tier ?? '–',
    entry.hardware_class || '–',
    `${entry.prompt_tokens}`,
    `${entry.completion_tokens}`,
    billedOf(entry),
    dollars(entry.amount_nano_dollars),
    entry.state,
    entry.decision,
  ])
  const lines = [
    style.bold(`Account of ${account.worker}`),
    ...accountLines(account).map((line) => `  ${line}`),
  ]
  const table = renderTable(columns, rows, { paintTitle: style.bold, width })
  return `${lines.join('\n')}\n\n${table}`
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

/** What it billed beyond what is counted is what an operator looks for. */
function billedOf({ billed }: EntryView): string {
  return billed === null ? '–' : `${billed.prompt_tokens} + ${billed.completion_tokens}`
}

/** Answers cost millionths: as many digits as say something. */
export function dollars(nano: number): string {
  const whole = nano / 1e9
  return `$${whole === 0 || whole >= 1 ? whole.toFixed(2) : whole.toFixed(9).replace(/0+$/, '')}`
}

function dateOf(ms: number): string {
  return new Date(ms).toISOString().replace('T', ' ').slice(0, 19)
}
