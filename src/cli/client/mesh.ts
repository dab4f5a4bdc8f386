/** `isochrone mesh`: the tree of regions, clusters and members, once or again and again. */
import { sleep, systemClock } from '../../base/index.ts'
import { type CommandContext, exitCode } from '../options/command.ts'
import { watchLifetime } from '../process/lifetime.ts'
import { renderTable } from '../terminal/table.ts'
import type { Style, Terminal } from '../terminal/terminal.ts'
import { type ClientOptions, type GatewayClient, openGatewayClient } from './gateway-client.ts'

export interface MeshOptions extends ClientOptions {
  readonly watch: boolean
}

interface MemberView {
  readonly id: string
  readonly role: string
  readonly state: 'alive' | 'late' | 'suspect' | 'dead' | 'left'
  readonly health: string | null
  readonly round_trip_ms: number | null
  readonly round_trip_source: 'measured' | 'predicted' | null
  readonly load: { readonly running: number; readonly waiting: number } | null
  readonly slots: number | null
  readonly tokens_per_second: number | null
  readonly age_ms: number | null
}

/** What the tree shows of `GET /v1/mesh`. */
export interface MeshView {
  readonly gateway: string
  readonly members: number
  readonly omitted: number
  readonly regions: readonly {
    readonly name: string
    readonly clusters: readonly {
      readonly id: string | null
      readonly coordinators: readonly string[]
      readonly members: readonly MemberView[]
    }[]
  }[]
}

/** As often as a view changes visibly. */
const watchIntervalMs = 2_000
/** What a screen can still be scrolled through. */
const membersShownMax = 1_000

export async function runMesh(options: MeshOptions, context: CommandContext): Promise<number> {
  const client = openGatewayClient(options, context.folder)
  if (!options.watch) {
    show(await meshOf(client, options), options, context.terminal)
    return exitCode.ok
  }
  const lifetime = watchLifetime()
  try {
    while (!lifetime.stopping.aborted) {
      const mesh = await meshOf(client, options)
      if (context.terminal.interactive && !options.json) context.terminal.out(clearScreen)
      show(mesh, options, context.terminal)
      await sleep(systemClock, watchIntervalMs, lifetime.stopping).catch(() => {})
    }
  } finally {
    lifetime.release()
  }
  return exitCode.ok
}

/** Cursor home, and away with what was there. */
const clearScreen = '\u001b[H\u001b[2J'

async function meshOf(client: GatewayClient, { json }: MeshOptions): Promise<MeshView> {
  // For programs as many as the gateway tells.
  const limit = json ? 9_999 : membersShownMax
  return (await (await client.get(`/v1/mesh?limit=${limit}`)).json()) as MeshView
}

function show(mesh: MeshView, { json }: MeshOptions, terminal: Terminal): void {
  if (json) terminal.out(`${JSON.stringify(mesh)}\n`)
  else if (mesh.members === 0) terminal.note('Nobody is in the mesh yet.\n')
  else terminal.out(renderMesh(mesh, terminal))
}

type Screen = Pick<Terminal, 'style' | 'width'>

export function renderMesh(mesh: MeshView, { style, width }: Screen): string {
  const columns = [
    { title: 'MEMBER' },
    { title: 'STATE' },
    { title: 'ROUND TRIP', align: 'right' },
    { title: 'BUSY', align: 'right' },
    { title: 'WAITING', align: 'right' },
    { title: 'TOKENS/S', align: 'right' },
    { title: 'AGE', align: 'right' },
  ] as const
  const rows: string[][] = []
  for (const { name, clusters } of mesh.regions) {
    rows.push([style.bold(name === '' ? '(no region)' : name)])
    for (const { coordinators, id, members } of clusters) {
      rows.push([`  ${style.cyan(id ?? '(no cluster)')}`])
      for (const member of members) rows.push(rowOf(member, coordinators, style))
    }
  }
  const table = renderTable(columns, rows, { paintTitle: style.bold, width })
  const more = mesh.omitted === 0 ? '' : `… and ${mesh.omitted} more; --json has them\n`
  return `${table}${more}`
}

function rowOf(member: MemberView, coordinators: readonly string[], style: Style): string[] {
  const { age_ms, id, load, role, round_trip_ms, slots, tokens_per_second } = member
  const marks = [
    ...(coordinators.includes(id) ? ['coordinator'] : []),
    ...(role === 'gateway' ? ['gateway'] : []),
  ]
  const isPredicted = member.round_trip_source === 'predicted'
  return [
    `    ${id.slice(0, 8)}${marks.length === 0 ? '' : style.dim(` ${marks.join(', ')}`)}`,
    stateOf(member, style),
    round_trip_ms === null ? '–' : `${isPredicted ? '~' : ''}${round_trip_ms.toFixed(1)} ms`,
    load === null ? '–' : `${load.running} of ${slots ?? '?'}`,
    load === null ? '–' : load.waiting.toFixed(0),
    tokens_per_second === null || tokens_per_second === 0 ? '–' : tokens_per_second.toFixed(0),
    age_ms === null ? '–' : `${(age_ms / 1_000).toFixed(1)} s`,
  ]
}

function stateOf({ health, state }: MemberView, style: Style): string {
  switch (state) {
    case 'alive':
      if (health === 'draining') return style.yellow('leaving')
      return health === 'degraded' ? style.yellow('degraded') : style.green('alive')
    case 'late':
    case 'suspect':
      return style.yellow(state)
    case 'dead':
      return style.red(state)
    case 'left':
      return style.dim(state)
  }
}
