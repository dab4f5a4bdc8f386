/** The mesh as a tree: regions, their clusters, and the members in columns. Pure. */
import { type Column, renderTable } from '../terminal/table.ts'
import type { Style, Terminal } from '../terminal/terminal.ts'
import { widthOf } from '../terminal/width.ts'
import { wrap } from '../terminal/wrap.ts'

interface MemberView {
  readonly id: string
  readonly role: string
  readonly state: 'alive' | 'late' | 'suspect' | 'dead' | 'left'
  readonly region: string
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

const columns: readonly Column[] = [
  { title: 'MEMBER' },
  { title: 'STATE' },
  { title: 'ROUND TRIP', align: 'right' },
  { title: 'BUSY', align: 'right' },
  { title: 'WAITING', align: 'right' },
  { title: 'TOKENS/S', align: 'right' },
  { title: 'AGE', align: 'right' },
]
/** Who and in what state: without these it is no tree. */
const columnsMin = 2
/** Sentences on wider screens are hard to read. */
const textWidthMax = 90

type Screen = Pick<Terminal, 'style' | 'width'>

export function renderMesh(mesh: MeshView, { style, width }: Screen): string {
  const rows: string[][] = []
  /** Above which of the rows. */
  const headings = new Map<number, string[]>()
  for (const { clusters, name } of mesh.regions) {
    const above = [style.bold(name === '' ? '(no region)' : name)]
    for (const { coordinators, id, members } of clusters) {
      above.push(...clusterLines(id, { coordinators, style, width }))
      headings.set(rows.length, [...(headings.get(rows.length) ?? []), ...above.splice(0)])
      for (const member of members) rows.push(rowOf(member, name, style))
    }
  }
  const { lines, shown } = fittingTable(rows, { style, width })
  const [titles = '', ...memberLines] = lines
  const tree = [titles]
  for (const [i, line] of [...memberLines, undefined].entries()) {
    tree.push(...(headings.get(i) ?? []))
    if (line !== undefined) tree.push(line)
  }
  if (mesh.omitted > 0) tree.push(`… and ${mesh.omitted} more; --json has them`)
  const legend = wrap(legendOf(mesh.gateway, shown), Math.min(width, textWidthMax))
  return `${[...tree, '', ...legend.map(style.dim)].join('\n')}\n`
}

function clusterLines(
  id: string | null,
  of: { readonly coordinators: readonly string[] } & Screen,
): readonly string[] {
  const { coordinators, style, width } = of
  const name = `  ${style.cyan(id ?? '(no cluster)')}`
  if (coordinators.length === 0) return [name]
  const title = coordinators.length === 1 ? 'coordinator' : 'coordinators'
  const who = style.dim(`${title} ${coordinators.map(shortened).join(', ')}`)
  const line = `${name}  ${who}`
  return widthOf(line) <= width ? [line] : [name, `  ${who}`]
}

interface FittingTable {
  readonly lines: readonly string[]
  readonly shown: readonly Column[]
}

/** A tree does not survive broken lines: on a narrow screen the last columns are left out. */
function fittingTable(rows: readonly (readonly string[])[], look: Screen): FittingTable {
  const { style, width } = look
  for (let count = columns.length; ; count -= 1) {
    const shown = columns.slice(0, count)
    const cells = rows.map((row) => row.slice(0, count))
    const table = { paintTitle: style.bold, width: Number.POSITIVE_INFINITY }
    const lines = renderTable(shown, cells, table).trimEnd().split('\n')
    if (count === columnsMin || lines.every((line) => widthOf(line) <= width)) {
      return { lines, shown }
    }
  }
}

function legendOf(gateway: string, shown: readonly Column[]): string {
  const has = (title: string) => shown.some((column) => column.title === title)
  const missing = columns.filter((column) => !shown.includes(column)).map(({ title }) => title)
  return [
    ...(has('ROUND TRIP')
      ? [`Round trips are those of gateway ${shortened(gateway)}, ~ where predicted.`]
      : []),
    ...(has('TOKENS/S') ? ['Tokens/s: as each node measured itself.'] : []),
    ...(has('AGE')
      ? ['Age: how old the load is that others told; – where it is told to the gateway itself.']
      : []),
    ...(missing.length > 0 ? [`No room for ${missing.join(', ')}; --json has all.`] : []),
  ].join(' ')
}

function rowOf(member: MemberView, regionShown: string, style: Style): string[] {
  const { age_ms, id, load, region, role, round_trip_ms, slots, tokens_per_second } = member
  const marks = [
    ...(role === 'gateway' ? ['gateway'] : []),
    ...(region !== '' && region !== regionShown ? [region] : []),
  ]
  const isPredicted = member.round_trip_source === 'predicted'
  // What one that is gone said last of its load is no longer so.
  const isGone = member.state === 'dead' || member.state === 'left'
  const figures = isGone ? null : load
  return [
    `    ${shortened(id)}${marks.length === 0 ? '' : style.dim(` ${marks.join(', ')}`)}`,
    stateOf(member, style),
    round_trip_ms === null ? '–' : `${isPredicted ? '~' : ''}${round_trip_ms.toFixed(1)} ms`,
    figures === null ? '–' : `${figures.running} of ${slots ?? '?'}`,
    figures === null ? '–' : figures.waiting.toFixed(0),
    isGone || (tokens_per_second ?? 0) === 0 ? '–' : (tokens_per_second ?? 0).toFixed(0),
    age_ms === null ? '–' : ageOf(age_ms),
  ]
}

function shortened(id: string): string {
  return id.slice(0, 8)
}

const minuteMs = 60_000

function ageOf(ageMs: number): string {
  return ageMs < minuteMs
    ? `${(ageMs / 1_000).toFixed(1)} s`
    : `${Math.round(ageMs / minuteMs)} min`
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
