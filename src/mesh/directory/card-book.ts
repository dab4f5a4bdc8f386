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

/** Why a card is held: for any of these. */
const near = 1
const random = 2
const witness = 4

export class CardBook {
  readonly #self: NodeId
  readonly #random: Random
  /** Cards have slots without gaps; what is known of each lies by slot. */
  #slotOf = new Map<NodeId, number>()
  readonly #cards: Card[] = []
  readonly #outlooks: Outlook[] = []
  readonly #packed = new PackedCards()
  /** Slots, nearest first. */
  readonly #near: number[] = []
  /** Slots of the random ones, in the order in which they came. */
  readonly #sample: number[] = []
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
    return this.#cards.length
  }

  get witnesses(): Witnesses {
    return this.#witnesses
  }

  near(): readonly Neighbour[] {
    return this.#near.map((slot) => ({ card: this.#cardAt(slot), apartMs: this.#apartMs(slot) }))
  }

  card(id: NodeId): Card | undefined {
    const slot = this.#slotOf.get(id)
    return slot === undefined ? undefined : this.#cards[slot]
  }

  /** The one of this version, if it is held. */
  marked(mark: number): Card | undefined {
    const slot = this.#packed.slotOf(mark, this.#cards.length)
    return slot === undefined ? undefined : this.#cards[slot]
  }

  /** What is held, and how near others must be to be taken as near ones. */
  holdings(nowMs: number): Holdings {
    const { heardAtMs } = this.#packed
    const marks = this.#packed.marks(this.#cards.length, (slot) => {
      return nowMs - (heardAtMs[slot] as number) < handedOnMs
    })
    const reachMs = this.#isNearFull ? this.#reachMs : 0
    return Holdings.of(marks, { reachMs, random: this.#random })
  }

  *cards(): Iterable<Card> {
    for (const slot of this.#slotOf.values()) yield this.#cardAt(slot)
  }

  /** Whether the card is worth verifying: newer than what is held, and not known to be lost. */
  isNews(card: Card): boolean {
    if (card.id === this.#self) return false
    const held = this.card(card.id) ?? this.#lost.get(card.id)
    return held === undefined || isNewer(card, held)
  }

  /** Whether a card that is news would be kept: others need not be verified. */
  wants(card: Card): boolean {
    if (this.#slotOf.has(card.id) || !this.#isNearFull) return true
    if (outlooksApartMs(this.#outlook, outlookOf(card)) < this.#reachMs) return true
    return this.#witnesses.wouldKeep(card.id)
  }

  /** Whether there is a place among the random ones, or the one handed to the other leaves one. */
  hasRandomPlace(given: NodeId | undefined): boolean {
    if (this.#sample.length < directoryLimits.randomMax) return true
    return given !== undefined && this.#isHeld(given, random)
  }

  /** What oneself sees has changed. */
  look(own: Viewpoint): void {
    if (own.sketch === this.#own.sketch) return
    this.#own = own
    this.#outlook = outlookOf(own)
    const { apartMs, reasons } = this.#packed
    for (const [slot, outlook] of this.#outlooks.entries()) {
      apartMs[slot] = outlooksApartMs(this.#outlook, outlook)
    }
    this.#near.sort((a, b) => this.#apartMs(a) - this.#apartMs(b))
    for (const slot of this.#slotOf.values()) {
      if (((reasons[slot] as number) & near) === 0) this.#offerNear(slot)
    }
  }

  /** A verified card that is news. */
  put(card: Card, nowMs: number): void {
    const held = this.#slotOf.get(card.id)
    if (held === undefined) this.#enter(card, 0, nowMs)
    else this.#renew(held, card, nowMs)
  }

  /**
   * The card, held or verified, came as one of a random few: it takes a free place of the random
   * ones, or that of one which was handed to the other.
   */
  putRandom(card: Card, given: NodeId | undefined, nowMs: number): void {
    if (this.#isHeld(card.id, random)) return
    if (this.#sample.length >= directoryLimits.randomMax) {
      if (given === undefined || !this.#isHeld(given, random)) return
      takeOut(this.#sample, this.#slotOf.get(given))
      this.#release(given, random)
    }
    const slot = this.#slotOf.get(card.id)
    if (slot === undefined) this.#enter(card, random, nowMs)
    else this.#hold(slot, random)
  }

  /** Whether it is held for more than being one of the random ones. */
  isOfUse(id: NodeId): boolean {
    return this.#isHeld(id, near | witness)
  }

  /** @param count at most; each another one */
  someRandom(count: number): Card[] {
    const start = this.#random.below(Math.max(1, this.#sample.length))
    const taken: Card[] = []
    for (let i = 0; i < Math.min(count, this.#sample.length); i += 1) {
      taken.push(this.#cardAt(this.#sample[(start + i) % this.#sample.length] as number))
    }
    return taken
  }

  /** Of those known, who are nearest to the other and news for it. */
  nearestTo(other: Card, count: number, theirs: Holdings): Card[] {
    const found = new Nearest(count, theirs.reachMs)
    const outlook = outlookOf(other)
    const packed = this.#packed
    for (let slot = 0; slot < this.#cards.length; slot += 1) {
      if (theirs.has(packed.markAt(slot))) continue
      const ms =
        packed.apartFrom(slot, outlook) ?? outlooksApartMs(outlook, this.#outlooks[slot] as Outlook)
      if (ms >= found.withinMs) continue
      const card = this.#cardAt(slot)
      if (card.id !== other.id) found.offer(card, ms)
    }
    return found.cards
  }

  witnessCards(): Card[] {
    const cards = this.#witnesses.kept().map((id) => this.card(id))
    return cards.filter((card) => card !== undefined)
  }

  /** One of the nearest few: they know best who else is near. */
  nearPartner(): Card | undefined {
    // Without a view of one's own, all are equally near.
    const few = this.#own.sketch.length === 0 ? this.#near.length : nearPartners
    const slot = this.#near[this.#random.below(Math.min(few, this.#near.length) || 1)]
    return slot === undefined ? undefined : this.#cards[slot]
  }

  /** Of the near ones, whose card is the oldest: it may be gone. */
  stalest(): Card | undefined {
    const { heardAtMs } = this.#packed
    let stalest: number | undefined
    for (const slot of this.#near) {
      const heardLater =
        stalest !== undefined && (heardAtMs[slot] as number) >= (heardAtMs[stalest] as number)
      if (!heardLater) stalest = slot
    }
    return stalest === undefined ? undefined : this.#cards[stalest]
  }

  /**
   * The one that has been among the random ones for longest. It leaves them: in exchange for it
   * comes one of those that it knows, and one's own card comes to it (Cyclon).
   */
  takeOldest(): Card | undefined {
    const slot = this.#sample.shift()
    if (slot === undefined) return undefined
    const card = this.#cardAt(slot)
    this.#release(card.id, random)
    return card
  }

  answered(id: NodeId): void {
    const slot = this.#slotOf.get(id)
    if (slot !== undefined) this.#packed.misses[slot] = 0
  }

  missed(id: NodeId, nowMs: number): void {
    const slot = this.#slotOf.get(id)
    if (slot === undefined) return
    const { misses } = this.#packed
    misses[slot] = (misses[slot] as number) + 1
    if ((misses[slot] as number) >= directoryTimes.missesMax) this.lose(id, nowMs)
  }

  /** It is gone: only a newer card brings it back. */
  lose(id: NodeId, nowMs: number): void {
    const card = this.card(id)
    if (card === undefined) return
    this.#remove(id, nowMs)
    const first = this.#lost.keys().next().value
    if (first !== undefined && this.#lost.size >= directoryLimits.lostMax) this.#lost.delete(first)
    this.#lost.set(id, card)
  }

  /** Cards that nobody has renewed for their whole life are dropped. */
  sweep(nowMs: number): void {
    for (const id of [...this.#slotOf.keys()]) {
      const heardAtMs = this.#packed.heardAtMs[this.#slotOf.get(id) as number] as number
      if (nowMs - heardAtMs > directoryTimes.cardLifeMs) this.#remove(id, nowMs)
    }
    // A map in which many come and go has room for twice as many.
    this.#slotOf = new Map(this.#slotOf)
  }

  get #isNearFull(): boolean {
    return this.#near.length >= directoryLimits.nearMax
  }

  /** How far the last of the near ones is. */
  get #reachMs(): number {
    return this.#apartMs(this.#near[this.#near.length - 1] as number)
  }

  #cardAt(slot: number): Card {
    return this.#cards[slot] as Card
  }

  #apartMs(slot: number): number {
    return this.#packed.apartMs[slot] as number
  }

  #isHeld(id: NodeId, reason: number): boolean {
    const slot = this.#slotOf.get(id)
    return slot !== undefined && ((this.#packed.reasons[slot] as number) & reason) !== 0
  }

  #hold(slot: number, reason: number): void {
    const { reasons } = this.#packed
    reasons[slot] = (reasons[slot] as number) | reason
    if (reason === random) this.#sample.push(slot)
  }

  /** Into all places that it is for; it may move to another slot by that. */
  #enter(card: Card, reason: number, nowMs: number): void {
    const { id } = card
    const slot = this.#add(card, nowMs)
    this.#hold(slot, reason)
    this.#offerNear(slot)
    this.#offerWitness(id, nowMs)
    this.#letGo(id)
  }

  /** It is not held for this any more, and let go if for nothing else. */
  #release(id: NodeId, reason: number): void {
    const slot = this.#slotOf.get(id)
    if (slot === undefined) return
    const { reasons } = this.#packed
    reasons[slot] = (reasons[slot] as number) & ~reason
    this.#letGo(id)
  }

  #add(card: Card, nowMs: number): number {
    const slot = this.#cards.length
    const outlook = outlookOf(card)
    this.#lost.delete(card.id)
    this.#slotOf.set(card.id, slot)
    this.#cards.push(card)
    this.#outlooks.push(outlook)
    this.#packed.put(slot, markOf(card), outlook)
    this.#packed.apartMs[slot] = outlooksApartMs(this.#outlook, outlook)
    this.#packed.heardAtMs[slot] = nowMs
    return slot
  }

  /** The last one moves to its slot. */
  #drop(id: NodeId): void {
    const slot = this.#slotOf.get(id) as number
    const card = this.#cards.pop()
    const outlook = this.#outlooks.pop()
    this.#slotOf.delete(id)
    const last = this.#cards.length
    if (card === undefined || outlook === undefined || last === slot) return
    this.#packed.move(last, slot)
    this.#cards[slot] = card
    this.#outlooks[slot] = outlook
    this.#slotOf.set(card.id, slot)
    for (const slots of [this.#near, this.#sample]) {
      const place = slots.indexOf(last)
      if (place >= 0) slots[place] = slot
    }
  }

  #renew(slot: number, card: Card, nowMs: number): void {
    const outlook = outlookOf(card)
    this.#cards[slot] = card
    this.#outlooks[slot] = outlook
    this.#packed.heardAtMs[slot] = nowMs
    this.#packed.renew(slot, markOf(card), outlook)
    const apartMs = outlooksApartMs(this.#outlook, outlook)
    if (apartMs === this.#apartMs(slot)) return
    this.#packed.apartMs[slot] = apartMs
    takeOut(this.#near, slot)
    const { reasons } = this.#packed
    reasons[slot] = (reasons[slot] as number) & ~near
    this.#offerNear(slot)
    this.#letGo(card.id)
  }

  /** Where it is near, it takes its place; others may move to other slots by that. */
  #offerNear(offered: number): void {
    const slots = this.#near
    const apartMs = this.#apartMs(offered)
    let slot = offered
    if (this.#isNearFull) {
      if (apartMs >= this.#reachMs) return
      const { id } = this.#cardAt(slot)
      this.#release(this.#cardAt(slots.pop() as number).id, near)
      slot = this.#slotOf.get(id) as number
    }
    let [low, high] = [0, slots.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.#apartMs(slots[middle] as number) <= apartMs) low = middle + 1
      else high = middle
    }
    slots.splice(low, 0, slot)
    this.#hold(slot, near)
  }

  #offerWitness(id: NodeId, nowMs: number): void {
    const dropped = this.#witnesses.offer(id, nowMs)
    if (dropped === id) return
    this.#hold(this.#slotOf.get(id) as number, witness)
    if (dropped !== undefined) this.#release(dropped, witness)
  }

  #letGo(id: NodeId): void {
    if (!this.#isHeld(id, near | random | witness)) this.#drop(id)
  }

  #remove(id: NodeId, nowMs: number): void {
    const slot = this.#slotOf.get(id)
    takeOut(this.#near, slot)
    takeOut(this.#sample, slot)
    this.#witnesses.remove(id, nowMs)
    this.#drop(id)
  }
}

function takeOut(slots: number[], slot: number | undefined): void {
  const place = slot === undefined ? -1 : slots.indexOf(slot)
  if (place >= 0) slots.splice(place, 1)
}

/** Most who hold the card have the new version by then: a round or two where nothing is new. */
const handedOnMs = 60_000
/** T-Man talks to the nearer part of its view. */
const nearPartners = 16
