/**
 * The cards that a node holds: those of the nodes nearest to it (T-Man), of some at random
 * (Cyclon), and of the witnesses. A card in none of the three is let go.
 */
import type { Random } from '../../base/index.ts'
import type { NodeId } from '../../protocol/index.ts'
import {
  type Card,
  isNewer,
  type Outlook,
  outlookOf,
  outlooksApartMs,
  type Viewpoint,
} from './card.ts'
import { Holdings, markOf } from './holdings.ts'
import { directoryLimits, directoryTimes } from './limits.ts'
import { Nearest } from './nearest.ts'
import { PackedCards } from './packed-cards.ts'
import { Witnesses } from './witnesses.ts'

export interface Neighbour {
  readonly card: Card
  /** How differently it sees the witnesses. */
  readonly apartMs: number
}

interface Entry {
  card: Card
  /** Where it is packed. */
  slot: number
  outlook: Outlook
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
  /** By slot, both. */
  readonly #packed = new PackedCards()
  readonly #entryAt: Entry[] = []
  /** Nearest first. */
  readonly #near: Entry[] = []
  readonly #sample: Entry[] = []
  readonly #witnesses: Witnesses
  /** Who did not answer: only a newer card brings it back. The earliest lost makes room. */
  readonly #lost = new Map<NodeId, Card>()
  #own: Viewpoint
  #outlook: Outlook

  constructor(own: Card, random: Random, nowMs: number) {
    const { witnesses, witnessesSpare } = directoryLimits
    this.#self = own.id
    this.#own = own
    this.#outlook = outlookOf(own)
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

  /** The one of this version, if it is held. */
  marked(mark: number): Card | undefined {
    const slot = this.#packed.slotOf(mark, this.#entryAt.length)
    return slot === undefined ? undefined : this.#entryAt[slot]?.card
  }

  /** What is held, and how near others must be to be taken as near ones. */
  holdings(nowMs: number): Holdings {
    const isFull = this.#near.length >= directoryLimits.nearMax
    const reachMs = isFull ? (this.#near[this.#near.length - 1] as Entry).apartMs : 0
    const marks = this.#packed.marks(this.#entryAt.length, (slot) => {
      return nowMs - (this.#entryAt[slot] as Entry).heardAtMs < handedOnMs
    })
    return Holdings.of(marks, { reachMs, random: this.#random })
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

  /** Whether a card that is news would be kept: others need not be verified. */
  wants(card: Card): boolean {
    if (this.#entries.has(card.id) || this.#near.length < directoryLimits.nearMax) return true
    const last = this.#near[this.#near.length - 1] as Entry
    if (outlooksApartMs(this.#outlook, outlookOf(card)) < last.apartMs) return true
    return this.#witnesses.wouldKeep(card.id)
  }

  /** Whether there is a place among the random ones, or the one handed to the other leaves one. */
  hasRandomPlace(given: NodeId | undefined): boolean {
    if (this.#sample.length < directoryLimits.randomMax) return true
    return given !== undefined && this.#entries.get(given)?.isRandom === true
  }

  /** What oneself sees has changed. */
  look(own: Viewpoint): void {
    if (own.sketch === this.#own.sketch) return
    this.#own = own
    this.#outlook = outlookOf(own)
    for (const entry of this.#entries.values()) entry.apartMs = this.#apartMs(entry)
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
    const entry = this.#makeEntry(card, nowMs)
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
      entry = this.#entries.get(card.id) ?? this.#makeEntry(card, nowMs)
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

  /** Of those known, who are nearest to the other and news for it. */
  nearestTo(other: Card, count: number, theirs: Holdings): Card[] {
    const found = new Nearest(count, theirs.reachMs)
    const outlook = outlookOf(other)
    const packed = this.#packed
    for (let slot = 0; slot < this.#entryAt.length; slot += 1) {
      if (theirs.has(packed.markAt(slot))) continue
      const ms = packed.apartMs(slot, outlook) ?? this.#apartFrom(slot, outlook)
      if (ms >= found.withinMs) continue
      const { card } = this.#entryAt[slot] as Entry
      if (card.id !== other.id) found.offer(card, ms)
    }
    return found.cards
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

  /** Of the near ones, whose card is the oldest: it may be gone. */
  stalest(): Card | undefined {
    let stalest: Entry | undefined
    for (const entry of this.#near) {
      if (stalest === undefined || entry.heardAtMs < stalest.heardAtMs) stalest = entry
    }
    return stalest?.card
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

  #makeEntry(card: Card, nowMs: number): Entry {
    const outlook = outlookOf(card)
    const entry: Entry = {
      card,
      slot: this.#entryAt.length,
      outlook,
      apartMs: outlooksApartMs(this.#outlook, outlook),
      heardAtMs: nowMs,
      misses: 0,
      isNear: false,
      isRandom: false,
      isWitness: false,
    }
    this.#entries.set(card.id, entry)
    this.#entryAt.push(entry)
    this.#packed.put(entry.slot, markOf(card), outlook)
    return entry
  }

  #drop({ card, slot }: Entry): void {
    this.#entries.delete(card.id)
    const last = this.#entryAt.pop()
    if (last === undefined || last.slot === slot) return
    this.#packed.move(last.slot, slot)
    this.#entryAt[slot] = last
    last.slot = slot
  }

  #apartFrom(slot: number, outlook: Outlook): number {
    return outlooksApartMs(outlook, (this.#entryAt[slot] as Entry).outlook)
  }

  #apartMs({ outlook }: Entry): number {
    return outlooksApartMs(this.#outlook, outlook)
  }

  #renew(entry: Entry, card: Card, nowMs: number): void {
    entry.card = card
    entry.heardAtMs = nowMs
    entry.outlook = outlookOf(card)
    this.#packed.renew(entry.slot, markOf(card), entry.outlook)
    const away = this.#apartMs(entry)
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
    this.#drop(entry)
  }

  #remove(entry: Entry, nowMs: number): void {
    if (entry.isNear) this.#near.splice(this.#near.indexOf(entry), 1)
    if (entry.isRandom) this.#sample.splice(this.#sample.indexOf(entry), 1)
    this.#witnesses.remove(entry.card.id, nowMs)
    this.#drop(entry)
  }
}

/** A new version reaches all who hold the card within a few rounds. */
const handedOnMs = 15_000
/** T-Man talks to the nearer part of its view. */
const nearPartners = 16
