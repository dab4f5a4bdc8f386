/**
 * A node's own coordinate, kept from the round trips that it measures.
 *
 * It is as good as what others say of theirs, and they may lie: what no coordinate can be is
 * refused, a peer pulls with a bounded force whatever it says (spring.ts), and one sample per peer
 * counts, so that a lie takes a majority of the measured peers. Gravity (serf; Ledlie et al.)
 * keeps the whole federation from drifting away.
 */
import type { Random } from '../../base/index.ts'
import type { NodeId } from '../../protocol/index.ts'
import {
  type Coordinate,
  coordinateLimits,
  isPlausible,
  lengthMs,
  origin,
  predictMs,
} from './coordinate.ts'
import { KeptSamples, keptLimits } from './kept-samples.ts'
import { Neighbourhood } from './neighbourhood.ts'
import { type Body, settle } from './spring.ts'

export interface CoordinatesOptions {
  readonly self: NodeId
  /** From an earlier life, so that a restart does not begin at the origin. */
  readonly restored?: Coordinate
  /** Between two moves; what is measured meanwhile is kept for the next. 0: with each sample. */
  readonly settleIntervalMs?: number
}

export interface CoordinatesModules {
  readonly random: Random
}

export interface RoundTripSample {
  readonly peer: NodeId
  readonly roundTripMs: number
  /** What the peer said of itself, with the answer. */
  readonly coordinate: Coordinate
}

export type SampleFault = 'implausible-round-trip' | 'implausible-coordinate' | 'own'

const { dimensions, distanceMsMax, errorMax } = coordinateLimits
/** What is told must be plausible to others also after it was rounded on the wire. */
const ownDistanceMsMax = 0.99 * distanceMsMax
/** serf: an answer after 10 s says nothing of the path. */
const roundTripMsMax = 10_000
/** A monotonic clock's own steps; 0 would weigh without bound. */
const roundTripMsMin = 0.01
/** A coordinate heard this long ago counts half, while nodes still look for their places; */
const stalenessMsMin = 8_000
/** and one heard this share of the node's uptime ago, later. */
const stalenessShare = 1 / 16
/** A peer that only guesses (error 1) counts two thirds of one that is sure: all guess at first. */
const errorWeight = 0.5
/** Few samples always fit: as if so many more had been entirely wrong. */
const doubtSamples = 2
/** Of the origin's pull, which grows with the square of the distance: 0.1 ms a move at 160 ms. */
const gravityMs = 500
/** A coordinate is told anew when it has moved by this. */
const publishMs = 1

/** How much each kept sample weighs, by slot; weighed anew for each settlement. */
const trust = new Float64Array(keptLimits.peersMax)

export class Coordinates {
  readonly #options: CoordinatesOptions
  readonly #modules: CoordinatesModules
  readonly #kept = new KeptSamples()
  readonly #body: Body
  readonly #neighbourhood: Neighbourhood
  readonly #startedMs: number
  #settledAtMs = Number.NEGATIVE_INFINITY
  #own: Coordinate
  #published: Coordinate

  constructor(options: CoordinatesOptions, modules: CoordinatesModules, nowMs: number) {
    const { restored } = options
    this.#options = options
    this.#modules = modules
    this.#neighbourhood = new Neighbourhood(modules.random)
    this.#startedMs = nowMs
    this.#own = restored !== undefined && isPlausible(restored) ? restored : origin
    this.#published = this.#own
    const { position, heightMs, adjustmentMs, error } = this.#own
    this.#body = { position: Float64Array.from(position), heightMs, adjustmentMs, error }
  }

  /** As it is now: for answers to probes. */
  get own(): Coordinate {
    return this.#own
  }

  /** As others were last told: follows `own` only when that has moved so far that it matters. */
  get published(): Coordinate {
    return this.#published
  }

  predictMs(coordinate: Coordinate): number {
    return predictMs(this.#own, coordinate)
  }

  /** A round trip, and where the peer said it was. undefined: taken. */
  observe(sample: RoundTripSample, nowMs: number): SampleFault | undefined {
    const { peer, roundTripMs, coordinate } = sample
    if (peer === this.#options.self) return 'own'
    if (!(roundTripMs >= 0 && roundTripMs <= roundTripMsMax)) return 'implausible-round-trip'
    if (!isPlausible(coordinate)) return 'implausible-coordinate'
    this.#kept.measured(peer, Math.max(roundTripMsMin, roundTripMs), nowMs)
    this.#kept.heard(peer, coordinate, nowMs)
    if (nowMs - this.#settledAtMs >= (this.#options.settleIntervalMs ?? 0)) this.#settle(nowMs)
    return undefined
  }

  /** A coordinate without a round trip: from a probe that came in, or a card. undefined: taken. */
  hear(peer: NodeId, coordinate: Coordinate, nowMs: number): SampleFault | undefined {
    if (peer === this.#options.self) return 'own'
    if (!isPlausible(coordinate)) return 'implausible-coordinate'
    this.#kept.heard(peer, coordinate, nowMs)
    this.#neighbourhood.heard(peer, coordinate)
    return undefined
  }

  /** It is gone. */
  forget(peer: NodeId): void {
    this.#kept.forget(peer)
    this.#neighbourhood.forget(peer)
  }

  /**
   * Whom measuring would tell most.
   * @param stranger a member drawn at random, where one is known
   */
  probeTarget(stranger: NodeId | undefined): NodeId | undefined {
    const known = stranger === this.#options.self ? undefined : stranger
    return this.#neighbourhood.next({ own: this.#own, kept: this.#kept, stranger: known })
  }

  #settle(nowMs: number): void {
    this.#settledAtMs = nowMs
    this.#weigh(nowMs)
    settle(this.#body, this.#kept, { trust, random: this.#modules.random })
    const body = this.#body
    const distanceMs = lengthMs(body.position)
    const towards = Math.min(ownDistanceMsMax, distanceMs - (distanceMs / gravityMs) ** 2)
    const scale = distanceMs === 0 ? 0 : towards / distanceMs
    for (let axis = 0; axis < dimensions; axis += 1) {
      body.position[axis] = (body.position[axis] as number) * scale
    }
    const { size } = this.#kept
    const error = (body.error * size + doubtSamples) / (size + doubtSamples)
    this.#own = {
      position: Array.from(body.position),
      heightMs: body.heightMs,
      adjustmentMs: body.adjustmentMs,
      error: Math.min(errorMax, error),
    }
    if (isElsewhere(this.#own, this.#published)) this.#published = this.#own
  }

  #weigh(nowMs: number): void {
    const { heardAtMs, errors, size } = this.#kept
    const halfMs = stalenessMsMin + stalenessShare * (nowMs - this.#startedMs)
    for (let slot = 0; slot < size; slot += 1) {
      const age = (nowMs - (heardAtMs[slot] as number)) / halfMs
      trust[slot] = 1 / ((1 + age) * (1 + errorWeight * (errors[slot] as number)))
    }
  }
}

/** Ledlie et al.: an application needs to know of moves that matter, not of each. */
function isElsewhere(one: Coordinate, other: Coordinate): boolean {
  let squares = (one.heightMs - other.heightMs) ** 2
  for (let axis = 0; axis < dimensions; axis += 1) {
    squares += ((one.position[axis] as number) - (other.position[axis] as number)) ** 2
  }
  return squares >= publishMs ** 2
}
