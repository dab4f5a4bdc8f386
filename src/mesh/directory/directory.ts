/**
 * Who exists, and roughly where: gossip that gives every node some others at random (Cyclon:
 * Voulgaris, Gavidia, van Steen, 2005), those nearest to it (T-Man: Jelasity, Montresor, Babaoglu,
 * 2009), and the witnesses that make nearness comparable. What is handed on are cards, each signed
 * by the node that it speaks of.
 *
 * A state machine: `step(input, now)`, as membership is. Messages come from authenticated peers.
 */
import type { Random } from '../../base/index.ts'
import type { NodeId } from '../../protocol/index.ts'
import { type Card, isWellFormed, type VerifyCard } from './card.ts'
import { CardBook, type Neighbour } from './card-book.ts'
import { directoryLimits, directoryTimes } from './limits.ts'

export interface DirectoryMessage {
  /** A shuffle is answered by one. */
  readonly kind: 'shuffle' | 'shuffle-reply'
  /** The sender's own. */
  readonly card: Card
  /** Some at random. */
  readonly random: readonly Card[]
  /** Those nearest to the recipient; and witnesses, where the two disagree on them. */
  readonly near: readonly Card[]
  /** Which witnesses the sender has. */
  readonly witnesses: number
}

export type DirectoryInput =
  | { readonly kind: 'tick' }
  | { readonly kind: 'message'; readonly from: NodeId; readonly message: DirectoryMessage }
  /** Who may know more; asked while few are known. */
  | { readonly kind: 'seeds'; readonly seeds: readonly NodeId[] }
  /** Cards from an earlier life. */
  | { readonly kind: 'restore'; readonly cards: readonly Card[] }

export type DirectoryFault = 'forged' | 'expired' | 'malformed' | 'oversized'

export interface DirectoryEvent {
  readonly kind: 'rejected'
  readonly from: NodeId
  readonly fault: DirectoryFault
}

export interface DirectoryOutputs {
  readonly sends: readonly { readonly to: NodeId; readonly message: DirectoryMessage }[]
  readonly events: readonly DirectoryEvent[]
  /** Never infinite: the directory always goes on. */
  readonly wakeAtMs: number
}

export interface DirectoryModules {
  readonly random: Random
  readonly verify: VerifyCard
}

interface Exchange {
  readonly partner: NodeId
  readonly given: readonly Card[]
  readonly untilMs: number
}

/** Below this many known, seeds are asked first. */
const knownMin = 4
/** Seeds are asked again now and then: through them, parts that lost each other meet. */
const seedEveryQuickRounds = 5
const seedEveryRounds = 21
/** Now and then the one that was not heard of for longest is asked, in case it is gone. */
const stalestEveryRounds = 6

export class Directory {
  readonly #modules: DirectoryModules
  readonly #book: CardBook
  #own: Card
  #seeds: readonly NodeId[] = []
  #exchange: Exchange | undefined
  #round = 0
  #nextAtMs: number
  #quickUntilMs: number
  #sweepAtMs: number
  #sends: { to: NodeId; message: DirectoryMessage }[] = []
  #events: DirectoryEvent[] = []

  constructor(own: Card, modules: DirectoryModules, nowMs: number) {
    this.#own = own
    this.#modules = modules
    this.#book = new CardBook(own, modules.random, nowMs)
    this.#nextAtMs = nowMs + modules.random.below(directoryTimes.quickIntervalMs)
    this.#quickUntilMs = nowMs + directoryTimes.quickMs
    this.#sweepAtMs = nowMs + directoryTimes.sweepIntervalMs
  }

  get size(): number {
    return this.#book.size
  }

  /** Nearest first. */
  neighbours(): readonly Neighbour[] {
    return this.#book.near()
  }

  card(id: NodeId): Card | undefined {
    return this.#book.card(id)
  }

  /** All that is held, to be kept on disk. */
  cards(): Iterable<Card> {
    return this.#book.cards()
  }

  witnesses(): NodeId[] {
    return this.#book.witnesses.ids()
  }

  /** Since when they are the same. */
  get witnessesSinceMs(): number {
    return this.#book.witnesses.changedAtMs
  }

  /** One's own card is another now: it goes out with the next exchange. */
  renew(own: Card, nowMs: number): void {
    const wasComplete = this.#own.sketch.length >= directoryLimits.witnesses
    this.#own = own
    this.#book.look(own)
    if (wasComplete || own.sketch.length < directoryLimits.witnesses) return
    this.#quickUntilMs = nowMs + directoryTimes.quickMs
    this.#nextAtMs = Math.min(this.#nextAtMs, nowMs + directoryTimes.quickIntervalMs)
  }

  /** It was found to be gone. */
  lose(id: NodeId, nowMs: number): void {
    this.#book.lose(id, nowMs)
  }

  step(input: DirectoryInput, nowMs: number): DirectoryOutputs {
    this.#sends = []
    this.#events = []
    this.#take(input, nowMs)
    const dueMs = Math.min(this.#nextAtMs, this.#exchange?.untilMs ?? this.#nextAtMs)
    return { sends: this.#sends, events: this.#events, wakeAtMs: Math.max(nowMs, dueMs) }
  }

  #take(input: DirectoryInput, nowMs: number): void {
    switch (input.kind) {
      case 'tick':
        this.#tick(nowMs)
        return
      case 'message':
        this.#hear(input.from, input.message, nowMs)
        return
      case 'seeds':
        this.#seeds = input.seeds.slice(0, directoryLimits.seedsMax)
        this.#nextAtMs = nowMs
        return
      case 'restore':
        for (const card of input.cards.slice(0, restoredMax)) this.#learn(card, card.id, nowMs)
        return
    }
  }

  #tick(nowMs: number): void {
    if (this.#exchange !== undefined && nowMs >= this.#exchange.untilMs) {
      this.#book.missed(this.#exchange.partner, nowMs)
      this.#exchange = undefined
    }
    if (nowMs >= this.#sweepAtMs) {
      this.#book.sweep(nowMs)
      this.#sweepAtMs = nowMs + directoryTimes.sweepIntervalMs
    }
    if (nowMs < this.#nextAtMs) return
    this.#begin(nowMs)
    const everyMs = this.#everyMs(nowMs)
    this.#nextAtMs = nowMs + everyMs * (0.75 + this.#modules.random.float() / 2)
  }

  #everyMs(nowMs: number): number {
    const { quickIntervalMs, briskIntervalMs, briskMs, intervalMs } = directoryTimes
    if (nowMs < this.#quickUntilMs || this.#book.size < knownMin) return quickIntervalMs
    return nowMs < this.#quickUntilMs + briskMs ? briskIntervalMs : intervalMs
  }

  #begin(nowMs: number): void {
    this.#round += 1
    const partner = this.#partner(nowMs)
    if (partner === undefined) return
    const { id, card } = partner
    const given = this.#book.someRandom(directoryLimits.randomCardsPerMessage - 1)
    this.#send(id, { kind: 'shuffle', given, near: this.#nearFor(card, nowMs) })
    this.#exchange = { partner: id, given, untilMs: nowMs + directoryTimes.replyTimeoutMs }
  }

  #partner(nowMs: number): { id: NodeId; card: Card | undefined } | undefined {
    const { random } = this.#modules
    const everyRounds = nowMs < this.#quickUntilMs ? seedEveryQuickRounds : seedEveryRounds
    const isSeedsTurn = this.#book.size < knownMin || this.#round % everyRounds === 0
    if (this.#seeds.length > 0 && isSeedsTurn) {
      const seed = this.#seeds[random.below(this.#seeds.length)]
      if (seed !== undefined && seed !== this.#own.id) return { id: seed, card: undefined }
    }
    const card = this.#roundsPartner() ?? this.#book.nearPartner()
    return card === undefined ? undefined : { id: card.id, card }
  }

  #roundsPartner(): Card | undefined {
    if (this.#round % 2 === 1) return this.#book.takeOldest()
    return this.#round % stalestEveryRounds === 0 ? this.#book.stalest() : this.#book.nearPartner()
  }

  #hear(from: NodeId, message: DirectoryMessage, nowMs: number): void {
    const { kind, card, random, near } = message
    if (random.length + near.length > directoryLimits.cardsPerMessageMax) {
      this.#events.push({ kind: 'rejected', from, fault: 'oversized' })
      return
    }
    if (card.id !== from) {
      this.#events.push({ kind: 'rejected', from, fault: 'forged' })
      return
    }
    const isReply = kind === 'shuffle-reply'
    if (isReply && this.#exchange?.partner !== from) return // late, or never asked for
    const given = isReply ? (this.#exchange?.given ?? []) : this.#answer(from, message, nowMs)
    if (isReply) this.#exchange = undefined
    const isKnown = this.#learn(card, from, nowMs) || this.#book.card(from) !== undefined
    this.#book.answered(from)
    // Who asks takes the place of one that was handed to it; who answers has just left a place.
    const offered = isReply || !isKnown ? random : [card, ...random]
    for (const [place, one] of offered.entries()) {
      const leaving = given[place]?.id
      const isWanted = this.#book.hasRandomPlace(leaving) || this.#book.wants(one)
      if (!isWanted) continue
      const isHeld = this.#learn(one, from, nowMs) || this.#book.card(one.id) !== undefined
      if (isHeld) this.#book.putRandom(this.#book.card(one.id) ?? one, leaving, nowMs)
    }
    for (const one of near) if (this.#book.wants(one)) this.#learn(one, from, nowMs)
  }

  #answer(from: NodeId, { card, witnesses }: DirectoryMessage, nowMs: number): readonly Card[] {
    const given = this.#book.someRandom(directoryLimits.randomCardsPerMessage)
    const near = this.#nearFor(card, nowMs)
    if (witnesses !== this.#book.witnesses.digest) near.push(...this.#book.witnessCards())
    this.#send(from, { kind: 'shuffle-reply', given, near })
    return given
  }

  #nearFor(partner: Card | undefined, nowMs: number): Card[] {
    if (partner === undefined) return []
    const { nearCardsPerMessage, nearCardsLater } = directoryLimits
    const isForming = nowMs < this.#quickUntilMs + directoryTimes.briskMs
    return this.#book.nearestTo(partner, isForming ? nearCardsPerMessage : nearCardsLater)
  }

  #send(
    to: NodeId,
    parts: Pick<DirectoryMessage, 'kind' | 'near'> & { readonly given: readonly Card[] },
  ): void {
    const { kind, near, given } = parts
    const witnesses = this.#book.witnesses.digest
    this.#sends.push({ to, message: { kind, card: this.#own, random: given, near, witnesses } })
  }

  /** @returns whether it is a card to be trusted; false also for what is known already */
  #learn(card: Card, from: NodeId, nowMs: number): boolean {
    if (!this.#book.isNews(card)) return false
    if (!isWellFormed(card)) {
      this.#events.push({ kind: 'rejected', from, fault: 'malformed' })
      return false
    }
    const verification = this.#modules.verify(card)
    if (verification !== 'valid') {
      // An old card is no fault of who hands it on: it may have been young when it came there.
      if (verification === 'forged') this.#events.push({ kind: 'rejected', from, fault: 'forged' })
      return false
    }
    this.#book.put(card, nowMs)
    return true
  }
}

/** More are never held. */
const restoredMax =
  directoryLimits.nearMax +
  directoryLimits.randomMax +
  directoryLimits.witnesses +
  directoryLimits.witnessesSpare
