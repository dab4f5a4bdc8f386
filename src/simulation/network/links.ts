/**
 * What happens to a message on its way: half the round trip, jitter, or loss. Each sender draws
 * from a sequence of its own (its how-manieth message it is), so that what one host meets does not
 * depend on how many messages others have sent meanwhile.
 */
import type { Placement } from './placement.ts'

export interface LinkOptions {
  readonly seed: number
  /** Share of messages lost. */
  readonly loss: number
  /** Mean of the exponential jitter as a share of the way, besides `jitterFloorMs`. */
  readonly jitterShare: number
}

/** Queues of the last mile and a scheduler's turn: also the nearest have this much, on average. */
const jitterFloorMs = 0.05
/** Longer than a minute under way is lost. */
const travelMsMax = 60_000

export class Links {
  readonly #options: LinkOptions
  readonly #placement: Placement
  readonly #seed: number

  constructor(options: LinkOptions, placement: Placement) {
    this.#options = options
    this.#placement = placement
    this.#seed = mix(options.seed >>> 0)
  }

  /** Ms under way; infinity: lost. @param count of messages that `from` has sent before */
  travelMs(from: number, to: number, count: number): number {
    const { loss, jitterShare } = this.#options
    const draw = mix(this.#seed ^ mix(Math.imul(from + 1, 0x9e3779b1) ^ mix(count)))
    if (draw / 2 ** 32 < loss) return Number.POSITIVE_INFINITY
    const wayMs = this.#placement.oneWayMs(from, to)
    const uniform = (mix(draw ^ 0x5bd1e995) + 0.5) / 2 ** 32
    const jitterMs = -(jitterFloorMs + wayMs * jitterShare) * Math.log(uniform)
    return Math.min(travelMsMax, wayMs + jitterMs)
  }
}

/** The finaliser of MurmurHash3 (Appleby): each bit of the input moves half the bits. */
function mix(value: number): number {
  let x = value
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b)
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35)
  return (x ^ (x >>> 16)) >>> 0
}
