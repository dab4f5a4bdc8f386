/** `isochrone nodes`: the network as its gateway sees it. */
import { type CommandContext, exitCode } from '../options/command.ts'
import { renderTable } from '../terminal/table.ts'
import type { Style, Terminal } from '../terminal/terminal.ts'
import { type ClientOptions, openGatewayClient, shownJson } from './gateway-client.ts'

/** What the table shows of `GET /v1/nodes`. */
interface NodeView {
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

export function renderNodes(nodes: readonly NodeView[], { style, width }: Screen): string {
  const columns = [
    { title: 'NODE' },
    { title: 'REGION' },
    { title: 'STATE' },
    { title: 'ROUND TRIP', align: 'right' },
    { title: 'BUSY', align: 'right' },
    { title: 'TOKENS/S', align: 'right' },
    { title: 'SEEN', align: 'right' },
    { title: 'RELIABILITY', align: 'right' },
    { title: 'MODELS' },
  ] as const
  return renderTable(
    columns,
    nodes.map((node) => rowOf(node, style)),
    { paintTitle: style.bold, width },
  )
}

function rowOf(node: NodeView, style: Style): readonly string[] {
  const slots = Math.max(0, ...node.models.map((model) => model.slots))
  const speed = Math.max(0, ...node.models.map((model) => model.decode_tokens_per_second))
  const samples = node.evidence.reduce((sum, { completion }) => sum + completion.samples, 0)
  const [evidence] = node.evidence
  const names = node.models.map((model) => model.name)
  return [
    node.kind === 'node' ? node.id.slice(0, 8) : node.id,
    node.region === '' ? '–' : node.region,
    stateOf(node, style),
    node.round_trip_ms === null ? '–' : `${node.round_trip_ms.toFixed(1)} ms`,
    // What a node that is gone said last of its load is no longer so.
    node.connected ? `${node.load.running} of ${slots}` : '–',
    speed === 0 ? '–' : speed.toFixed(0),
    samples.toFixed(0),
    evidence === undefined || samples === 0
      ? '–'
      : `${(evidence.completion.mean * 100).toFixed(1)} %`,
    names.length > 3
      ? `${names.slice(0, 3).join(', ')} and ${names.length - 3} more`
      : names.join(', '),
  ]
}

function stateOf(node: NodeView, style: Style): string {
  if (!node.connected) return style.red('gone')
  if (node.standing) return style.red(node.standing.state)
  return node.load.draining ? style.yellow('leaving') : style.green('up')
}
