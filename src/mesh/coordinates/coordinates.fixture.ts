/** Nodes that probe each other once a second over round trips that the test gives. */
import { type Random, seededRandom } from '../../base/index.ts'
import { type NodeId, nodeIdOf } from '../../protocol/index.ts'
import { type Coordinate, predictMs } from './coordinate.ts'
import { Coordinates } from './coordinates.ts'

export type RoundTrip = (one: number, other: number) => number

export class CoordinateNetwork {
  readonly ids: readonly NodeId[]
  readonly nodes: Coordinates[]
  /** What a node says of itself, where it is not the truth. */
  readonly lies = new Map<number, Coordinate>()
  readonly #random: Random
  readonly #roundTripMs: RoundTrip
  #nowMs = 0

  constructor(
    count: number,
    roundTripMs: RoundTrip,
    { seed = 1, restored }: { readonly seed?: number; readonly restored?: Coordinate } = {},
  ) {
    this.#random = seededRandom(seed)
    this.#roundTripMs = roundTripMs
    this.ids = Array.from({ length: count }, () => nodeIdOf(this.#random.bytes(32)))
    this.nodes = this.ids.map((self) => {
      const options = restored === undefined ? { self } : { self, restored }
      return new Coordinates(options, { random: this.#random }, 0)
    })
  }

  /** Everyone among `probing` probes once a second. */
  run(seconds: number, probing: (index: number) => boolean = () => true): void {
    for (let second = 0; second < seconds; second += 1) {
      this.#nowMs += 1_000
      for (const index of this.nodes.keys()) if (probing(index)) this.#probe(index)
    }
  }

  /** Of all pairs' predictions among `counted`, sorted. */
  errors(counted: (index: number) => boolean = () => true): readonly number[] {
    const indices = [...this.nodes.keys()].filter(counted)
    return indices
      .flatMap((one) =>
        indices.filter((other) => other > one).map((other) => this.error(one, other)),
      )
      .sort((a, b) => a - b)
  }

  error(one: number, other: number): number {
    const [first, second] = [this.nodes[one] as Coordinates, this.nodes[other] as Coordinates]
    const actualMs = this.#roundTripMs(one, other)
    return Math.abs(predictMs(first.own, second.own) - actualMs) / actualMs
  }

  coordinateOf(index: number): Coordinate {
    return this.lies.get(index) ?? (this.nodes[index] as Coordinates).own
  }

  #probe(index: number): void {
    const { ids, nodes } = this
    const node = nodes[index] as Coordinates
    const peer = node.probeTarget(ids[this.#random.below(ids.length)])
    if (peer === undefined) return
    const other = ids.indexOf(peer)
    const coordinate = this.coordinateOf(other)
    nodes[other]?.hear(ids[index] as NodeId, this.coordinateOf(index), this.#nowMs)
    node.hear(peer, coordinate, this.#nowMs)
    const roundTripMs = this.#roundTripMs(index, other)
    node.observe({ peer, roundTripMs, coordinate }, this.#nowMs)
  }
}

/** Places in a plane, up to 100 ms apart, each with a height: what coordinates can fit exactly. */
export function planeWithHeights(count: number, seed: number): RoundTrip {
  const random = seededRandom(seed)
  const places = Array.from({ length: count }, () => ({
    x: random.float() * 70,
    y: random.float() * 70,
    height: 1 + random.float() * 9,
  }))
  return (one, other) => {
    const [a, b] = [places[one], places[other]]
    if (a === undefined || b === undefined) throw new Error(`no place ${one} or ${other}`)
    return Math.hypot(a.x - b.x, a.y - b.y) + a.height + b.height
  }
}

export function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.floor((sorted.length - 1) * share)] ?? Number.NaN
}
