/**
 * Who exists, and roughly where: gossip that gives every node some others at random (Cyclon:
 * Voulgaris, Gavidia, van Steen, 2005), those nearest to it (T-Man: Jelasity, Montresor, Babaoglu,
 * 2009), and the witnesses that make nearness comparable. What is handed on are cards, each signed
 * by the node that it speaks of.
 *
 * A state machine: `step(input, now)`, as membership is. Messages come from authenticated peers.
 */
import type { Random } from '../../base/index.ts'
import type { NodeId, SaidHoldings } from '../../protocol/index.ts'
import { type Card, isWellFormed, type VerifyCard } from './card.ts'
import { CardBook, type Neighbour } from './card-book.ts'
import { Holdings, markOf } from './holdings.ts'
import { directoryLimits, directoryTimes } from './limits.ts'

/**
 * A shuffle says what its sender holds. The answer brings what that one lacks, and says what the
 * answerer holds; the rest brings that one what it lacks, if there is any.
 */
export type DirectoryMessage = Shuffle | ShuffleRest

export interface Shuffle {
  readonly kind: 'shuffle' | 'shuffle-reply'
  /** The sender's own; undefined: the recipient holds it. */
  readonly card: Card | undefined
  /** Some at random. */
  readonly random: readonly Card[]
  /** Further ones at random, which the recipient holds. */
  readonly marks: readonly number[]
  /** Those nearest to the recipient; and witnesses, where the two disagree on them. */
  readonly near: readonly Card[]
  /** Which witnesses the sender has. */
  readonly witnesses: number
  readonly holdings: SaidHoldings
}

interface ShuffleRest {
  readonly kind: 'shuffle-rest'
  readonly near: readonly Card[]
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
    const given = this.#book.someRandom(directoryLimits.randomCardsPerMessage - 1)
    this.#send(partner, { kind: 'shuffle', card: this.#own, random: given, marks: [], near: [] })
    this.#exchange = { partner, given, untilMs: nowMs + directoryTimes.replyTimeoutMs }
  }

  #partner(nowMs: number): NodeId | undefined {
    const { random } = this.#modules
    const everyRounds = nowMs < this.#quickUntilMs ? seedEveryQuickRounds : seedEveryRounds
    const isSeedsTurn = this.#book.size < knownMin || this.#round % everyRounds === 0
    if (this.#seeds.length > 0 && isSeedsTurn) {
      const seed = this.#seeds[random.below(this.#seeds.length)]
      if (seed !== undefined && seed !== this.#own.id) return seed
    }
    return (this.#roundsPartner() ?? this.#book.nearPartner())?.id
  }

  #roundsPartner(): Card | undefined {
    if (this.#round % 2 === 1) return this.#book.takeOldest()
    return this.#round % stalestEveryRounds === 0 ? this.#book.stalest() : this.#book.nearPartner()
  }

  #hear(from: NodeId, message: DirectoryMessage, nowMs: number): void {
    const random =
      message.kind === 'shuffle-rest' ? 0 : message.random.length + message.marks.length
    if (random + message.near.length > directoryLimits.cardsPerMessageMax) {
      this.#events.push({ kind: 'rejected', from, fault: 'oversized' })
      return
    }
    if (message.kind !== 'shuffle-rest') this.#shuffle(from, message, nowMs)
    else this.#takeNear(from, message.near, nowMs)
  }

  #shuffle(from: NodeId, message: Shuffle, nowMs: number): void {
    const { kind, card, random, marks, near } = message
    if (card !== undefined && card.id !== from) {
      this.#events.push({ kind: 'rejected', from, fault: 'forged' })
      return
    }
    const isReply = kind === 'shuffle-reply'
    if (isReply && this.#exchange?.partner !== from) return // late, or never asked for
    const given = isReply ? (this.#exchange?.given ?? []) : this.#answer(from, message)
    if (isReply) this.#exchange = undefined
    const isNew = card !== undefined && this.#learn(card, from, nowMs)
    const sender = this.#book.card(from) ?? (isNew ? card : undefined)
    this.#book.answered(from)
    const known = marks.map((mark) => this.#book.marked(mark)).filter((one) => one !== undefined)
    // Who asks takes the place of one that was handed to it; who answers has just left a place.
    const offered = isReply || sender === undefined ? random : [sender, ...random]
    for (const [place, one] of [...offered, ...known].entries()) {
      const leaving = given[place]?.id
      const isWanted = this.#book.hasRandomPlace(leaving) || this.#book.wants(one)
      if (!isWanted) continue
      const isHeld = this.#learn(one, from, nowMs) || this.#book.card(one.id) !== undefined
      if (isHeld) this.#book.putRandom(this.#book.card(one.id) ?? one, leaving, nowMs)
    }
    this.#takeNear(from, near, nowMs)
    if (isReply) this.#sendRest(from, message)
  }

  #takeNear(from: NodeId, near: readonly Card[], nowMs: number): void {
    for (const one of near) if (this.#book.wants(one)) this.#learn(one, from, nowMs)
  }

  #answer(from: NodeId, message: Shuffle): readonly Card[] {
    const theirs = new Holdings(message.holdings)
    const given = this.#book.someRandom(directoryLimits.randomCardsPerMessage)
    const isNews = (card: Card) => !theirs.has(markOf(card))
    const random = given.filter(isNews)
    const known = given.filter((card) => !isNews(card))
    this.#send(from, {
      kind: 'shuffle-reply',
      card: isNews(this.#own) ? this.#own : undefined,
      random,
      marks: known.map(markOf),
      near: this.#newsFor(from, message, theirs),
    })
    return [...random, ...known]
  }

  #sendRest(to: NodeId, message: Shuffle): void {
    const near = this.#newsFor(to, message, new Holdings(message.holdings))
    if (near.length > 0) this.#sends.push({ to, message: { kind: 'shuffle-rest', near } })
  }

  /** Those near it that it lacks, and the witnesses that it lacks. */
  #newsFor(to: NodeId, { card: shown, witnesses }: Shuffle, theirs: Holdings): Card[] {
    const card = shown ?? this.#book.card(to)
    const { nearCardsPerMessage } = directoryLimits
    const near = card === undefined ? [] : this.#book.nearestTo(card, nearCardsPerMessage, theirs)
    if (witnesses === this.#book.witnesses.digest) return near
    for (const one of this.#book.witnessCards()) {
      if (!theirs.has(markOf(one)) && one.id !== to && !near.includes(one)) near.push(one)
    }
    return near
  }

  #send(to: NodeId, parts: Omit<Shuffle, 'witnesses' | 'holdings'>): void {
    const witnesses = this.#book.witnesses.digest
    const holdings = this.#book.holdings().said
    this.#sends.push({ to, message: { ...parts, witnesses, holdings } })
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
