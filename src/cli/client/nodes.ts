/** `isochrone nodes`: the network as its gateway sees it. */
import { type CommandContext, exitCode } from '../options/command.ts'
import { type Column, fitsTable, renderTable } from '../terminal/table.ts'
import type { Style, Terminal } from '../terminal/terminal.ts'
import { wrap } from '../terminal/wrap.ts'
import { type ClientOptions, openGatewayClient, shownJson } from './gateway-client.ts'

/** What the table shows of `GET /v1/nodes`. */
export interface NodeView {
  readonly id: string
  readonly kind: string
  readonly region: string
  readonly connected: boolean
  readonly standing?: { readonly state: string } | null
  readonly round_trip_ms: number | null
  readonly in_flight: number
  readonly load: { readonly running: number; readonly draining: boolean }
  readonly models: readonly {
    readonly name: string
    readonly slots: number
    readonly decode_tokens_per_second: number
  }[]
  readonly evidence: readonly {
    readonly completion: { readonly mean: number; readonly samples: number }
    /** What counts of what other gateways told; it is in the mean, not in the samples. */
    readonly heard?: { readonly successes: number; readonly failures: number } | null
  }[]
}

export async function runNodes(options: ClientOptions, context: CommandContext): Promise<number> {
  const client = openGatewayClient(options, context)
  const body = (await shownJson(await client.get('/v1/nodes'), options.json)) as {
    readonly data?: readonly NodeView[]
  }
  const nodes = body.data ?? []
  const { terminal } = context
  if (options.json) terminal.out(`${JSON.stringify(nodes)}\n`)
  else if (nodes.length === 0) terminal.note('No node has joined yet.\n')
  else terminal.out(renderNodes(nodes, terminal))
  return exitCode.ok
}

type Screen = Pick<Terminal, 'style' | 'width'>

const columns: readonly Column[] = [
  { title: 'NODE' },
  { title: 'REGION' },
  { title: 'STATE' },
  { title: 'ROUND TRIP', align: 'right' },
  { title: 'BUSY', align: 'right' },
  { title: 'TOKENS/S', align: 'right' },
  { title: 'SEEN', align: 'right' },
  { title: 'COMPLETED', align: 'right' },
  { title: 'MODELS' },
]
/** The first that a narrow screen has no room for. */
const leftOut = ['SEEN', 'TOKENS/S', 'ROUND TRIP', 'REGION', 'COMPLETED', 'BUSY']
/** Sentences on wider screens are hard to read. */
const textWidthMax = 90

export function renderNodes(nodes: readonly NodeView[], { style, width }: Screen): string {
  const rows = nodes.map((node) => rowOf(node, style))
  const missing = missingAt(rows, width)
  const shown = shownOf(rows, missing)
  const table = renderTable(shown.columns, shown.rows, { paintTitle: style.bold, width })
  const legend = wrap(legendOf(missing), Math.min(width, textWidthMax))
  return `${table}\n${legend.map(style.dim).join('\n')}\n`
}

type Rows = readonly (readonly string[])[]

/** Where nothing fits, each node has a few lines, which have room for all. */
function missingAt(rows: Rows, width: number): readonly string[] {
  for (let count = 0; count <= leftOut.length; count += 1) {
    const missing = leftOut.slice(0, count)
    const shown = shownOf(rows, missing)
    if (fitsTable(shown.columns, shown.rows, width)) return missing
  }
  return []
}

function shownOf(rows: Rows, missing: readonly string[]) {
  const isShown = columns.map(({ title }) => !missing.includes(title))
  return {
    columns: columns.filter((_, i) => isShown[i]),
    rows: rows.map((row) => row.filter((_, i) => isShown[i])),
  }
}

function legendOf(missing: readonly string[]): string {
  const has = (title: string) => !missing.includes(title)
  return [
    ...(has('TOKENS/S') ? ['Tokens/s: as each node measured itself.'] : []),
    ...(has('SEEN') ? ['Seen: requests that this gateway sent there.'] : []),
    ...(has('COMPLETED')
      ? ['Completed: what came back whole of what was sent there; older requests fade.']
      : []),
    ...(missing.length > 0 ? [`No room for ${missing.join(', ')}.`] : []),
    'What routing makes of it: --json.',
  ].join(' ')
}

function rowOf(node: NodeView, style: Style): readonly string[] {
  const slots = Math.max(0, ...node.models.map((model) => model.slots))
  const speed = Math.max(0, ...node.models.map((model) => model.decode_tokens_per_second))
  const samples = node.evidence.reduce((sum, { completion }) => sum + completion.samples, 0)
  const names = node.models.map((model) => model.name)
  return [
    node.kind === 'node' ? node.id.slice(0, 8) : node.id,
    node.region === '' ? '–' : node.region,
    stateOf(node, style),
    roundTripOf(node),
    // What a node that is gone said last of its load is no longer so.
    node.connected ? `${node.load.running} of ${slots}` : '–',
    speed === 0 ? '–' : speed.toFixed(0),
    samples.toFixed(0),
    completedOf(node, samples),
    names.length > 3
      ? `${names.slice(0, 3).join(', ')} and ${names.length - 3} more`
      : names.join(', '),
  ]
}

/** Of an upstream none is measured: the way to its server is in its times. */
function roundTripOf({ kind, round_trip_ms }: NodeView): string {
  return kind === 'upstream' || round_trip_ms === null ? '–' : `${round_trip_ms.toFixed(1)} ms`
}

/** A share of fewer says more than is known. */
const shareSamplesMin = 20

/** Of the requests that were seen; a share only where there are enough. */
function completedOf({ evidence }: NodeView, samples: number): string {
  const [seen, whole] = [samples, evidence.reduce((sum, one) => sum + successesOf(one), 0)]
  if (Math.round(seen) === 0) return '–'
  return seen < shareSamplesMin
    ? `${whole.toFixed(0)} of ${seen.toFixed(0)}`
    : `${((100 * whole) / seen).toFixed(1)} %`
}

/** The mean is that of Beta(1, 1) with what was seen and heard. */
function successesOf({ completion, heard }: NodeView['evidence'][number]): number {
  const { failures, successes } = heard ?? { failures: 0, successes: 0 }
  const counted = completion.samples + successes + failures
  const whole = completion.mean * (2 + counted) - 1 - successes
  return Math.min(completion.samples, Math.max(0, whole))
}

function stateOf(node: NodeView, style: Style): string {
  if (!node.connected) return style.red('gone')
  if (node.standing) return style.red(node.standing.state)
  return node.load.draining ? style.yellow('leaving') : style.green('up')
}
