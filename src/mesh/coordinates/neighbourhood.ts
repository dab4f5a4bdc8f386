/**
 * Whom to measure next. A position needs peers far and wide to be right in the whole, and near ones
 * to be right about neighbours (Dabek et al., section 4.3: a mix of both beats either). New peers
 * come first, until enough are kept; then those whose coordinate is the stalest, and now and then
 * a new one, so that paths that have changed are found.
 */
import type { Random } from '../../base/index.ts'
import type { NodeId } from '../../protocol/index.ts'
import { type Coordinate, predictMs } from './coordinate.ts'
import { type KeptSamples, keptLimits } from './kept-samples.ts'

export interface ProbeChoice {
  readonly own: Coordinate
  readonly kept: KeptSamples
  /** A member drawn at random, where one is known. */
  readonly stranger: NodeId | undefined
}

export const neighbourhoodLimits = Object.freeze({
  /** Those heard of last; the nearest of so many are near enough. */
  heardMax: 128,
})

/** Of new peers, those chosen for being near. */
const nearShare = 0.35
/** Before, one's own position says little of who is near. */
const keptBeforeNear = 8
/** Once enough are kept, one probe in so many goes to a new peer. */
const probesPerNewPeer = 8

export class Neighbourhood {
  readonly #random: Random
  readonly #heard = new Map<NodeId, Coordinate>()

  constructor(random: Random) {
    this.#random = random
  }

  heard(id: NodeId, coordinate: Coordinate): void {
    this.#heard.delete(id)
    this.#heard.set(id, coordinate)
    if (this.#heard.size <= neighbourhoodLimits.heardMax) return
    for (const oldest of this.#heard.keys()) {
      this.#heard.delete(oldest)
      return
    }
  }

  forget(id: NodeId): void {
    this.#heard.delete(id)
  }

  next(choice: ProbeChoice): NodeId | undefined {
    const { kept, stranger } = choice
    const isFull = kept.size >= keptLimits.peersMax
    if (isFull && this.#random.below(probesPerNewPeer) > 0) return kept.stalest
    const isNear = kept.size >= keptBeforeNear && this.#random.float() < nearShare
    const near = isNear ? this.#nearest(choice) : undefined
    if (near !== undefined) return near
    const isNew = stranger !== undefined && !kept.has(stranger)
    return isNew ? stranger : (this.#nearest(choice) ?? kept.stalest)
  }

  #nearest({ own, kept }: ProbeChoice): NodeId | undefined {
    let nearest: NodeId | undefined
    let nearestMs = Number.POSITIVE_INFINITY
    for (const [id, coordinate] of this.#heard) {
      if (kept.has(id)) continue
      const ms = predictMs(own, coordinate)
      if (ms >= nearestMs) continue
      nearest = id
      nearestMs = ms
    }
    return nearest
  }
}
