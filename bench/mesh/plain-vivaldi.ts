/**
 * Vivaldi as its paper has it (Dabek et al., 2004, figure 4 and section 5.4): two dimensions and a
 * height, 32 random neighbours, each sample moves the node once. To compare with.
 */
import type { Random } from '../../src/base/index.ts'
import {
  type Coordinate,
  coordinateLimits,
  originCoordinate,
  predictMs,
  type RoundTripSample,
} from '../../src/mesh/index.ts'
import type { NodeId } from '../../src/protocol/index.ts'
import type { CoordinateKeeper } from './prober.ts'

const neighbours = 32
const dimensions = 2
/** Both of the paper's constants. */
const gain = 0.25
const heightMsMin = 0.1

export class PlainVivaldi implements CoordinateKeeper {
  readonly #self: NodeId
  readonly #random: Random
  readonly #neighbours: NodeId[] = []
  own: Coordinate = { ...originCoordinate, heightMs: heightMsMin, error: 1 }

  constructor(self: NodeId, random: Random) {
    this.#self = self
    this.#random = random
  }

  hear(): void {}

  probeTarget(stranger: NodeId | undefined): NodeId | undefined {
    const isNew = stranger !== this.#self && stranger && !this.#neighbours.includes(stranger)
    if (this.#neighbours.length < neighbours && isNew) this.#neighbours.push(stranger)
    return this.#neighbours[this.#random.below(Math.max(1, this.#neighbours.length))]
  }

  observe({ roundTripMs, coordinate }: RoundTripSample): void {
    const { own } = this
    const weight = own.error / Math.max(own.error + coordinate.error, Number.MIN_VALUE)
    const gapMs = roundTripMs - predictMs(own, coordinate)
    const relative = Math.abs(gapMs) / roundTripMs
    const error = relative * gain * weight + own.error * (1 - gain * weight)
    const step = gain * weight * gapMs
    const way = own.position.map((value, axis) => value - (coordinate.position[axis] as number))
    const lengthMs = Math.hypot(...way)
    const heightsMs = own.heightMs + coordinate.heightMs
    const normMs = lengthMs + heightsMs
    const direction =
      lengthMs > 0 ? way.map((value) => value / normMs) : way.map((_, axis) => this.#any(axis))
    this.own = {
      position: own.position.map((value, axis) => value + step * (direction[axis] as number)),
      heightMs: Math.max(heightMsMin, own.heightMs + (step * heightsMs) / normMs),
      adjustmentMs: 0,
      error: Math.min(coordinateLimits.errorMax, error),
    }
  }

  #any(axis: number): number {
    return axis < dimensions ? this.#random.float() - 0.5 : 0
  }
}
