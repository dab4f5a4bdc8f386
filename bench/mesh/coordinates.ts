/**
 * How well coordinates predict round trips that were not measured: all nodes begin at once and
 * know nothing, each sends at most one probe a second, and after a while every pair's prediction
 * is held against the matrix. Beside the product's, plain Vivaldi under the same conditions.
 */
import { type Random, seededRandom } from '../../src/base/index.ts'
import { Coordinates, predictMs } from '../../src/mesh/index.ts'
import { type NodeId, nodeIdOf } from '../../src/protocol/index.ts'
import { type LatencyMatrix, Links, Placement, World } from '../../src/simulation/index.ts'
import { progress } from '../progress.ts'
import { type Check, check, renderTable } from '../report.ts'
import { quantile } from '../statistics.ts'
import { PlainVivaldi } from './plain-vivaldi.ts'
import { type CoordinateKeeper, CoordinateProber, type ProbeMessage } from './prober.ts'

export interface NamedMatrix {
  readonly name: string
  readonly matrix: LatencyMatrix
}

interface Row {
  readonly matrix: string
  readonly keeper: string
  readonly seed: number
  readonly nodes: number
  /** Of |predicted - actual| / actual, over all pairs. */
  readonly medianError: number
  readonly p90Error: number
  readonly probesPerNodeSecond: number
}

export interface CoordinateOptions {
  readonly seeds: readonly number[]
  readonly seconds: number
}

type KeeperName = 'isochrone' | 'plain Vivaldi'

/** Of each message's way, on average; and messages lost. A probe is not sent again. */
const jitterShare = 0.02
const loss = 0.005
const reaches = { median: '<= 8', p90: '<= 35', rate: '<= 1' }

/** @param judged the matrix that the figures are to be reached on, where it is there */
export function coordinateChecks(
  matrices: readonly NamedMatrix[],
  { options, judged }: { options: CoordinateOptions; judged: string | undefined },
  print: (line: string) => void,
): { readonly checks: readonly Check[]; readonly rows: readonly Row[] } {
  const rows = matrices.flatMap((matrix) =>
    options.seeds.flatMap((seed) =>
      (['isochrone', 'plain Vivaldi'] as const).map((keeper) => {
        progress(`coordinates on ${matrix.name}, ${keeper}, seed ${seed}`)
        return runCoordinates(matrix, keeper, { seed, seconds: options.seconds })
      }),
    ),
  )
  print(
    `Coordinates after ${options.seconds} s from nothing, at most one probe per node and second`,
  )
  print(`(jitter ${jitterShare * 100} % of the way, ${loss * 100} % of messages lost)`)
  for (const line of renderTable(rows, columns)) print(line)
  print('')
  const own = rows.filter(({ matrix, keeper }) => matrix === judged && keeper === 'isochrone')
  const worst = (of: (row: Row) => number) => (own.length === 0 ? null : Math.max(...own.map(of)))
  const percent = (value: number | null) => (value === null ? null : value * 100)
  const name = (what: string) => `coordinates on ${judged ?? 'PlanetLab'}, ${what}`
  const worstMedian = percent(worst(({ medianError }) => medianError))
  const worstP90 = percent(worst(({ p90Error }) => p90Error))
  const rate = worst(({ probesPerNodeSecond }) => probesPerNodeSecond)
  const checks = [
    check({
      name: name('median relative error'),
      value: worstMedian,
      unit: '%',
      reach: reaches.median,
    }),
    check({ name: name('90th percentile'), value: worstP90, unit: '%', reach: reaches.p90 }),
    check({ name: name('probes per node and second'), value: rate, unit: '', reach: reaches.rate }),
  ]
  return { checks, rows }
}

const columns = [
  { title: 'matrix', align: 'left' as const, cell: ({ matrix }: Row) => matrix },
  { title: 'coordinates', align: 'left' as const, cell: ({ keeper }: Row) => keeper },
  { title: 'seed', cell: ({ seed }: Row) => String(seed) },
  { title: 'nodes', cell: ({ nodes }: Row) => String(nodes) },
  { title: 'median error', cell: ({ medianError }: Row) => inPercent(medianError) },
  { title: '90th percentile', cell: ({ p90Error }: Row) => inPercent(p90Error) },
  { title: 'probes/s', cell: (row: Row) => row.probesPerNodeSecond.toFixed(3) },
]

function inPercent(share: number): string {
  return `${(share * 100).toFixed(1)} %`
}

function makeKeeper(name: KeeperName, self: NodeId, random: Random): CoordinateKeeper {
  return name === 'isochrone'
    ? new Coordinates({ self }, { random }, 0)
    : new PlainVivaldi(self, random)
}

function runCoordinates(
  { name, matrix }: NamedMatrix,
  keeper: KeeperName,
  { seed, seconds }: { readonly seed: number; readonly seconds: number },
): Row {
  const random = seededRandom(seed)
  const nodes = matrix.sites
  const ids = Array.from({ length: nodes }, () => nodeIdOf(random.bytes(32)))
  const placement = new Placement(matrix, nodes, random)
  const world = new World<ProbeMessage, never>({
    ids,
    links: new Links({ seed, loss, jitterShare }, placement),
    bytesOf: () => 0,
    onEvent: () => {},
  })
  const probers = ids.map((self) => {
    const ownRandom = seededRandom(random.below(2 ** 32))
    const modules = { keeper: makeKeeper(keeper, self, ownRandom), random: ownRandom }
    return new CoordinateProber({ ids }, modules)
  })
  for (const [host, prober] of probers.entries()) world.start(host, prober)
  world.run(seconds * 1_000)
  const errors: number[] = []
  for (const [one, { coordinate }] of probers.entries()) {
    for (let other = one + 1; other < nodes; other += 1) {
      const actualMs = placement.roundTripMs(one, other)
      const predictedMs = predictMs(coordinate, (probers[other] as CoordinateProber).coordinate)
      errors.push(Math.abs(predictedMs - actualMs) / actualMs)
    }
  }
  const probes = probers.reduce((sum, { sent }) => sum + sent, 0)
  return {
    matrix: name,
    keeper,
    seed,
    nodes,
    medianError: quantile(errors, 0.5),
    p90Error: quantile(errors, 0.9),
    probesPerNodeSecond: probes / nodes / seconds,
  }
}
