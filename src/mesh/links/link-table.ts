/**
 * What was measured of the ways to others: round trip, jitter and loss per peer. It is fed by
 * whatever measures anyway, probes and calls alike, and asked before any prediction.
 */
import type { NodeId } from '../../protocol/index.ts'
import { type LinkMeasure, LinkWindow } from './link-window.ts'

export interface LinkEstimate {
  readonly ms: number
  readonly source: 'measured' | 'predicted'
}

export const linkLimits = Object.freeze({
  /** Members of a cluster, those that applied or were left, gateways, and some abroad. */
  peersMax: 256,
  /** As with coordinates: an answer after 10 s says nothing of the path. */
  roundTripMsMax: 10_000,
  /** Paths change within hours, load within minutes; a prediction follows what is newer. */
  measuredAgeMsMax: 600_000,
})

export class LinkTable {
  /** In the order of their latest probe: the first makes room. */
  readonly #links = new Map<NodeId, LinkWindow>()

  get size(): number {
    return this.#links.size
  }

  peers(): IterableIterator<NodeId> {
    return this.#links.keys()
  }

  /** A probe was answered. false: no round trip can be that long, or it is no number. */
  answered(peer: NodeId, roundTripMs: number, nowMs: number): boolean {
    if (!(roundTripMs >= 0 && roundTripMs <= linkLimits.roundTripMsMax)) return false
    this.#touch(peer).answered(roundTripMs, nowMs)
    return true
  }

  /** A probe was given up. */
  unanswered(peer: NodeId): void {
    this.#touch(peer).unanswered()
  }

  forget(peer: NodeId): void {
    this.#links.delete(peer)
  }

  /** undefined: never measured, or longer ago than `measuredAgeMsMax`, or never answered. */
  measure(peer: NodeId, nowMs: number): LinkMeasure | undefined {
    const measure = this.#links.get(peer)?.measure()
    if (measure === undefined || nowMs - measure.atMs > linkLimits.measuredAgeMsMax)
      return undefined
    return measure
  }

  /** What was measured; else `predictedMs`, from coordinates or the map, if there is one. */
  estimate(peer: NodeId, predictedMs: number | undefined, nowMs: number): LinkEstimate | undefined {
    const measure = this.measure(peer, nowMs)
    if (measure !== undefined) return { ms: measure.medianMs, source: 'measured' }
    return predictedMs === undefined ? undefined : { ms: predictedMs, source: 'predicted' }
  }

  #touch(peer: NodeId): LinkWindow {
    const link = this.#links.get(peer) ?? new LinkWindow()
    this.#links.delete(peer)
    this.#links.set(peer, link)
    if (this.#links.size > linkLimits.peersMax) {
      for (const oldest of this.#links.keys()) {
        this.#links.delete(oldest)
        break
      }
    }
    return link
  }
}
