/**
 * The cards that a node holds: those of the nodes nearest to it (T-Man), of some at random
 * (Cyclon), and of the witnesses. A card in none of the three is let go.
 */
import type { Random } from '../../base/index.ts'
import type { NodeId } from '../../protocol/index.ts'
import { apartMs, type Card, isNewer, type Viewpoint } from './card.ts'
import { directoryLimits, directoryTimes } from './limits.ts'
import { Witnesses } from './witnesses.ts'

export interface Neighbour {
  readonly card: Card
  /** How differently it sees the witnesses. */
  readonly apartMs: number
}

interface Entry {
  card: Card
  apartMs: number
  heardAtMs: number
  misses: number
  isNear: boolean
  isRandom: boolean
  isWitness: boolean
}

export class CardBook {
  readonly #self: NodeId
  readonly #random: Random
  readonly #entries = new Map<NodeId, Entry>()
  /** Nearest first. */
  readonly #near: Entry[] = []
  readonly #sample: Entry[] = []
  readonly #witnesses: Witnesses
  /** Who did not answer: only a newer card brings it back. The earliest lost makes room. */
  readonly #lost = new Map<NodeId, Card>()
  #own: Viewpoint

  constructor(own: Card, random: Random, nowMs: number) {
    const { witnesses, witnessesSpare } = directoryLimits
    this.#self = own.id
    this.#own = own
    this.#random = random
    const counts = { count: witnesses, kept: witnesses + witnessesSpare }
    this.#witnesses = new Witnesses(counts, nowMs)
    this.#witnesses.offer(own.id, nowMs)
  }

  get size(): number {
    return this.#entries.size
  }

  get witnesses(): Witnesses {
    return this.#witnesses
  }

  near(): readonly Neighbour[] {
    return this.#near
  }

  card(id: NodeId): Card | undefined {
    return this.#entries.get(id)?.card
  }

  *cards(): Iterable<Card> {
    for (const { card } of this.#entries.values()) yield card
  }

  /** Whether the card is worth verifying: newer than what is held, and not known to be lost. */
  isNews(card: Card): boolean {
    if (card.id === this.#self) return false
    const held = this.#entries.get(card.id)?.card ?? this.#lost.get(card.id)
    return held === undefined || isNewer(card, held)
  }

  /** What oneself sees has changed. */
  look(own: Viewpoint): void {
    if (own.sketch === this.#own.sketch) return
    this.#own = own
    for (const entry of this.#entries.values()) entry.apartMs = apartMs(own, entry.card)
    this.#near.sort((a, b) => a.apartMs - b.apartMs)
    for (const entry of this.#entries.values()) if (!entry.isNear) this.#offerNear(entry)
  }

  /** A verified card that is news. */
  put(card: Card, nowMs: number): void {
    const held = this.#entries.get(card.id)
    if (held !== undefined) {
      this.#renew(held, card, nowMs)
      return
    }
    this.#lost.delete(card.id)
    const entry: Entry = {
      card,
      apartMs: apartMs(this.#own, card),
      heardAtMs: nowMs,
      misses: 0,
      isNear: false,
      isRandom: false,
      isWitness: false,
    }
    this.#entries.set(card.id, entry)
    this.#offerNear(entry)
    this.#offerWitness(entry, nowMs)
    this.#letGo(entry)
  }

  /**
   * The card came as one of a random few: it takes a free place of the random ones, or that of
   * one which was handed to the other.
   */
  putRandom(card: Card, given: NodeId | undefined, nowMs: number): void {
    if (this.#entries.get(card.id)?.isRandom === true) return
    if (this.#sample.length >= directoryLimits.randomMax) {
      const leaving = given === undefined ? undefined : this.#entries.get(given)
      if (leaving?.isRandom !== true) return
      this.#sample.splice(this.#sample.indexOf(leaving), 1)
      leaving.isRandom = false
      this.#letGo(leaving)
    }
    let entry = this.#entries.get(card.id)
    if (entry === undefined) {
      this.put(card, nowMs)
      entry = this.#entries.get(card.id) ?? this.#bare(card, nowMs)
    }
    entry.isRandom = true
    this.#sample.push(entry)
  }

  /** @param count at most; each another one */
  someRandom(count: number): Card[] {
    const start = this.#random.below(Math.max(1, this.#sample.length))
    const taken: Card[] = []
    for (let i = 0; i < Math.min(count, this.#sample.length); i += 1) {
      taken.push((this.#sample[(start + i) % this.#sample.length] as Entry).card)
    }
    return taken
  }

  /** Of those known, who are nearest to the other. */
  nearestTo(other: Card, count: number): Card[] {
    const found: { card: Card; apartMs: number }[] = []
    for (const { card, isNear, isRandom } of this.#entries.values()) {
      if ((!isNear && !isRandom) || card.id === other.id) continue
      const awayMs = apartMs(other, card)
      if (awayMs >= directoryLimits.unknownMs) continue
      if (found.length >= count && awayMs >= (found[found.length - 1]?.apartMs ?? 0)) continue
      let place = found.length
      while (place > 0 && (found[place - 1]?.apartMs ?? 0) > awayMs) place -= 1
      found.splice(place, 0, { card, apartMs: awayMs })
      if (found.length > count) found.pop()
    }
    return found.map(({ card }) => card)
  }

  witnessCards(): Card[] {
    const cards = this.#witnesses.kept().map((id) => this.#entries.get(id)?.card)
    return cards.filter((card) => card !== undefined)
  }

  /** One of the nearest few: they know best who else is near. */
  nearPartner(): Card | undefined {
    // Without a view of one's own, all are equally near.
    const few = this.#own.sketch.length === 0 ? this.#near.length : nearPartners
    return this.#near[this.#random.below(Math.min(few, this.#near.length) || 1)]?.card
  }

  /**
   * The one that has been among the random ones for longest. It leaves them: in exchange for it
   * comes one of those that it knows, and one's own card comes to it (Cyclon).
   */
  takeOldest(): Card | undefined {
    const entry = this.#sample.shift()
    if (entry === undefined) return undefined
    entry.isRandom = false
    this.#letGo(entry)
    return entry.card
  }

  answered(id: NodeId): void {
    const entry = this.#entries.get(id)
    if (entry !== undefined) entry.misses = 0
  }

  missed(id: NodeId, nowMs: number): void {
    const entry = this.#entries.get(id)
    if (entry === undefined) return
    entry.misses += 1
    if (entry.misses >= directoryTimes.missesMax) this.lose(id, nowMs)
  }

  /** It is gone: only a newer card brings it back. */
  lose(id: NodeId, nowMs: number): void {
    const entry = this.#entries.get(id)
    if (entry === undefined) return
    this.#remove(entry, nowMs)
    if (this.#lost.size >= directoryLimits.lostMax) {
      for (const first of this.#lost.keys()) {
        this.#lost.delete(first)
        break
      }
    }
    this.#lost.set(id, entry.card)
  }

  /** Cards that nobody has renewed for their whole life are dropped. */
  sweep(nowMs: number): void {
    for (const entry of [...this.#entries.values()]) {
      if (nowMs - entry.heardAtMs > directoryTimes.cardLifeMs) this.#remove(entry, nowMs)
    }
  }

  #bare(card: Card, nowMs: number): Entry {
    const away = apartMs(this.#own, card)
    const none = { isNear: false, isRandom: false, isWitness: false }
    const entry: Entry = { card, apartMs: away, heardAtMs: nowMs, misses: 0, ...none }
    this.#entries.set(card.id, entry)
    return entry
  }

  #renew(entry: Entry, card: Card, nowMs: number): void {
    entry.card = card
    entry.heardAtMs = nowMs
    const away = apartMs(this.#own, card)
    if (away === entry.apartMs) return
    entry.apartMs = away
    if (entry.isNear) this.#near.splice(this.#near.indexOf(entry), 1)
    entry.isNear = false
    this.#offerNear(entry)
    this.#letGo(entry)
  }

  #offerNear(entry: Entry): void {
    const near = this.#near
    if (near.length >= directoryLimits.nearMax) {
      const last = near[near.length - 1] as Entry
      if (entry.apartMs >= last.apartMs) return
      near.pop()
      last.isNear = false
      this.#letGo(last)
    }
    let [low, high] = [0, near.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if ((near[middle] as Entry).apartMs <= entry.apartMs) low = middle + 1
      else high = middle
    }
    near.splice(low, 0, entry)
    entry.isNear = true
  }

  #offerWitness(entry: Entry, nowMs: number): void {
    const dropped = this.#witnesses.offer(entry.card.id, nowMs)
    if (dropped === entry.card.id) return
    entry.isWitness = true
    const former = dropped === undefined ? undefined : this.#entries.get(dropped)
    if (former === undefined) return
    former.isWitness = false
    this.#letGo(former)
  }

  #letGo(entry: Entry): void {
    if (entry.isNear || entry.isRandom || entry.isWitness) return
    this.#entries.delete(entry.card.id)
  }

  #remove(entry: Entry, nowMs: number): void {
    if (entry.isNear) this.#near.splice(this.#near.indexOf(entry), 1)
    if (entry.isRandom) this.#sample.splice(this.#sample.indexOf(entry), 1)
    this.#witnesses.remove(entry.card.id, nowMs)
    this.#entries.delete(entry.card.id)
  }
}

/** T-Man talks to the nearer part of its view. */
const nearPartners = 16
