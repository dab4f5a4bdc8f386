/**
 * What this member measured of the ways to others, and where it is by that: probes that membership
 * sends anyway are the samples, and each packet says where its sender holds itself to be.
 */
import type { Random } from '../../base/index.ts'
import type { NodeId } from '../../protocol/index.ts'
import { type Coordinate, decodeCoordinate, encodeCoordinate } from '../coordinates/coordinate.ts'
import { Coordinates } from '../coordinates/coordinates.ts'
import { type LinkEstimate, LinkTable } from '../links/link-table.ts'
import type { LinkMeasure } from '../links/link-window.ts'

/** Relative, as each end sees its own: beyond it a prediction says little. */
const reliableErrorMax = 0.5

/** What is measured meanwhile counts all the same; a settlement costs some µs for each peer. */
const settleIntervalMs = 1_000

export class Measurements {
  readonly #self: NodeId
  readonly #random: Random
  #coordinates: Coordinates
  readonly #links = new LinkTable()
  /** As each last said. */
  readonly #heard = new Map<NodeId, Coordinate>()
  readonly #peersMax: number

  constructor(
    { self, peersMax }: { readonly self: NodeId; readonly peersMax: number },
    random: Random,
    nowMs: number,
  ) {
    this.#peersMax = peersMax
    this.#self = self
    this.#random = random
    this.#coordinates = new Coordinates({ self, settleIntervalMs }, { random }, nowMs)
  }

  /** This member's own place, for a packet. */
  get encoded(): Uint8Array {
    return encodeCoordinate(this.#coordinates.own)
  }

  get own(): Coordinate {
    return this.#coordinates.own
  }

  /** Begins where it was in an earlier life. */
  restore(restored: Coordinate | undefined, nowMs: number): void {
    if (restored === undefined) return
    const options = { self: this.#self, settleIntervalMs, restored }
    this.#coordinates = new Coordinates(options, { random: this.#random }, nowMs)
  }

  /** Where a peer says that it is. false: nobody can be there. */
  hear(peer: NodeId, bytes: Uint8Array, nowMs: number): boolean {
    const coordinate = decodeCoordinate(bytes)
    if (coordinate === undefined) return false
    this.#coordinates.hear(peer, coordinate, nowMs)
    this.#heard.delete(peer)
    this.#heard.set(peer, coordinate)
    const oldest = this.#heard.keys().next().value
    if (this.#heard.size > this.#peersMax && oldest !== undefined) this.#heard.delete(oldest)
    return true
  }

  answered(peer: NodeId, roundTripMs: number, nowMs: number): void {
    this.#links.answered(peer, roundTripMs, nowMs)
    const coordinate = this.#heard.get(peer)
    if (coordinate !== undefined)
      this.#coordinates.observe({ peer, roundTripMs, coordinate }, nowMs)
  }

  unanswered(peer: NodeId): void {
    this.#links.unanswered(peer)
  }

  /** It is dead or has left. */
  forget(peer: NodeId): void {
    this.#heard.delete(peer)
    this.#coordinates.forget(peer)
  }

  measure(peer: NodeId, nowMs: number): LinkMeasure | undefined {
    return this.#links.measure(peer, nowMs)
  }

  /** Those of whom nothing is known last. */
  nearestFirst(peers: readonly NodeId[], nowMs: number): NodeId[] {
    const ways = peers.map((id) => {
      return { id, ms: this.estimate(id, nowMs)?.ms ?? Number.POSITIVE_INFINITY }
    })
    // Among equals by name: two infinities have no difference.
    ways.sort((a, b) => (a.ms === b.ms ? (a.id < b.id ? -1 : 1) : a.ms - b.ms))
    return ways.map(({ id }) => id)
  }

  /**
   * The same, with what the peer's card says where the peer itself said nothing; coordinates that
   * are guesses are left out.
   */
  reliableEstimate(
    peer: NodeId,
    carded: Coordinate | undefined,
    nowMs: number,
  ): LinkEstimate | undefined {
    const coordinate = this.#heard.get(peer) ?? carded
    const isSure = Math.max(this.own.error, coordinate?.error ?? 1) <= reliableErrorMax
    const predictedMs =
      coordinate === undefined || !isSure ? undefined : this.#coordinates.predictMs(coordinate)
    return this.#links.estimate(peer, predictedMs, nowMs)
  }

  /** Measured, where it was; else by the two coordinates. */
  estimate(peer: NodeId, nowMs: number): LinkEstimate | undefined {
    const coordinate = this.#heard.get(peer)
    const predictedMs =
      coordinate === undefined ? undefined : this.#coordinates.predictMs(coordinate)
    return this.#links.estimate(peer, predictedMs, nowMs)
  }
}
