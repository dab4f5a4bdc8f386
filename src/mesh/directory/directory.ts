/**
 * Who exists, and roughly where: gossip that gives every node some others at random (Cyclon:
 * Voulgaris, Gavidia, van Steen, 2005), those nearest to it (T-Man: Jelasity, Montresor, Babaoglu,
 * 2009), and the witnesses that make nearness comparable. What is handed on are cards, each signed
 * by the node that it speaks of.
 *
 * A state machine: `step(input, now)`, as membership is. Messages come from authenticated peers.
 */
import type { Random } from '../../base/index.ts'
import type { NeighbourhoodMessage, NodeId } from '../../protocol/index.ts'
import { Outbox } from '../outbox.ts'
import { type Card, isWellFormed, type VerifyCard } from './card.ts'
import { CardBook, type Neighbour } from './card-book.ts'
import { Holdings, markOf } from './holdings.ts'
import { directoryLimits, directoryTimes } from './limits.ts'

/**
 * A shuffle says what its sender holds. The answer brings what that one lacks, and says what the
 * answerer holds; the rest brings that one what it lacks, and its share of the cards at random.
 */
export type DirectoryMessage = Extract<
  NeighbourhoodMessage,
  { readonly kind: 'shuffle' | 'shuffle-reply' | 'shuffle-rest' }
>
export type Shuffle = Extract<NeighbourhoodMessage, { readonly kind: 'shuffle' | 'shuffle-reply' }>

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
  readonly untilMs: number
}

/** A round that brought less has shown that there is little to be had. */
const newsMin = 2
const briskIdleMs = 10_000
/** Below this many known, seeds are asked first. */
const knownMin = 4
/** Seeds are asked again now and then: through them, parts that lost each other meet. */
const seedEveryQuickRounds = 5
const seedEveryRounds = 21
/** Now and then the one that was not heard of for longest is asked, in case it is gone. */
const stalestEveryRounds = 6

const out = new Outbox<DirectoryOutputs['sends'][number], DirectoryEvent>()

export class Directory {
  readonly #modules: DirectoryModules
  readonly #book: CardBook
  #own: Card
  #seeds: readonly NodeId[] = []
  #exchange: Exchange | undefined
  /** Who held one's card when it was last heard, and which version. */
  readonly #toldOwn = new Map<NodeId, Card>()
  /** What those who asked last were given at random: what they give takes its place. */
  readonly #given = new Map<NodeId, readonly Card[]>()
  #round = 0
  /** Cards that were new since the last round; once settled, of those that are near. */
  #learnt = 0
  /** How many times longer than usual the next round waits. */
  #idleTimes = 1
  #nextAtMs: number
  #quickUntilMs: number
  #sweepAtMs: number

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

  /** Rounds are seldom by now. */
  isSettled(nowMs: number): boolean {
    return nowMs >= this.#quickUntilMs + directoryTimes.briskMs
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
    out.clear()
    this.#take(input, nowMs)
    const dueMs = Math.min(this.#nextAtMs, this.#exchange?.untilMs ?? this.#nextAtMs)
    return out.take(Math.max(nowMs, dueMs))
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
    this.#learnt = 0
    this.#nextAtMs = nowMs + everyMs * (0.75 + this.#modules.random.float() / 2)
  }

  /** Where hardly anything was new in the last round, the next may wait for longer. */
  #everyMs(nowMs: number): number {
    const { quickIntervalMs, quickSeeingIntervalMs, briskIntervalMs, briskMs } = directoryTimes
    const { intervalMs, idleIntervalMs } = directoryTimes
    const isQuick = nowMs < this.#quickUntilMs || this.#book.size < knownMin
    const isBrisk = nowMs < this.#quickUntilMs + briskMs
    const isSeeing = this.#own.sketch.length >= directoryLimits.witnesses
    const quickMs = isSeeing ? quickSeeingIntervalMs : quickIntervalMs
    const leastMs = isQuick ? quickMs : isBrisk ? briskIntervalMs : intervalMs
    const mostMs = isQuick ? briskIntervalMs : isBrisk ? briskIdleMs : idleIntervalMs
    const isIdle = this.#learnt < newsMin && this.#book.size >= knownMin
    this.#idleTimes = isIdle ? 2 * this.#idleTimes : 1
    this.#idleTimes = Math.min(this.#idleTimes, mostMs / leastMs)
    return leastMs * this.#idleTimes
  }

  #begin(nowMs: number): void {
    this.#round += 1
    const partner = this.#partner(nowMs)
    if (partner === undefined) return
    const nothing = { random: [], marks: [], near: [] }
    const card = this.#toldOwn.get(partner) === this.#own ? undefined : this.#own
    this.#send(partner, { kind: 'shuffle', card, ...nothing }, nowMs)
    this.#exchange = { partner, untilMs: nowMs + directoryTimes.replyTimeoutMs }
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
    const { random, marks, near } = message
    if (random.length + marks.length + near.length > directoryLimits.cardsPerMessageMax) {
      out.note({ kind: 'rejected', from, fault: 'oversized' })
      return
    }
    if (message.kind !== 'shuffle-rest') {
      this.#shuffle(from, message, nowMs)
      return
    }
    const given = this.#given.get(from) ?? []
    this.#given.delete(from)
    this.#takeCards(from, message, { given, nowMs })
  }

  #shuffle(from: NodeId, message: Shuffle, nowMs: number): void {
    const { kind, card } = message
    if (card !== undefined && card.id !== from) {
      out.note({ kind: 'rejected', from, fault: 'forged' })
      return
    }
    const isReply = kind === 'shuffle-reply'
    if (isReply && this.#exchange?.partner !== from) return // late, or never asked for
    if (isReply) this.#exchange = undefined
    this.#noteTold(from, message)
    const given = this.#answer(from, message, nowMs)
    const isNew = card !== undefined && this.#learn(card, from, nowMs)
    const sender = this.#book.card(from) ?? (isNew ? card : undefined)
    this.#book.answered(from)
    if (isReply) {
      this.#takeCards(from, message, { given, nowMs })
      return
    }
    // Who asks takes the place of one that was handed to it; who answers has just left a place.
    if (sender !== undefined) this.#takeRandom(from, sender, { leaving: given[0]?.id, nowMs })
    this.#takeCards(from, message, { given: [], nowMs })
    this.#expectRest(from, given.slice(1))
  }

  /** @param given what the sender got: what it gives takes its place */
  #takeCards(
    from: NodeId,
    { random, marks, near }: Pick<DirectoryMessage, 'random' | 'marks' | 'near'>,
    { given, nowMs }: { readonly given: readonly Card[]; readonly nowMs: number },
  ): void {
    let place = 0
    for (const one of random) this.#takeRandom(from, one, { leaving: given[place++]?.id, nowMs })
    for (const mark of marks) {
      const one = this.#book.marked(mark)
      if (one === undefined) continue
      this.#takeRandom(from, one, { leaving: given[place++]?.id, nowMs })
    }
    for (const one of near) if (this.#book.wants(one)) this.#learn(one, from, nowMs)
  }

  #takeRandom(
    from: NodeId,
    one: Card,
    { leaving, nowMs }: { readonly leaving: NodeId | undefined; readonly nowMs: number },
  ): void {
    const book = this.#book
    const hasPlace = book.hasRandomPlace(leaving)
    if (!hasPlace && !book.wants(one)) return
    const isNews = this.#isTrustedNews(one, from)
    const isHeld = book.card(one.id) !== undefined
    if (isNews && (isHeld || !hasPlace)) book.put(one, nowMs)
    if (hasPlace && (isNews || isHeld)) book.putRandom(book.card(one.id) ?? one, leaving, nowMs)
    // There are always others at random: in the long run no reason to go on asking as often.
    if (isNews && (book.isOfUse(one.id) || !this.isSettled(nowMs))) this.#learnt += 1
  }

  /** Whoever holds one's card now is not sent it with the next question. */
  #noteTold(id: NodeId, { holdings }: Shuffle): void {
    this.#toldOwn.delete(id)
    if (new Holdings(holdings).has(markOf(this.#own))) this.#toldOwn.set(id, this.#own)
    const first = this.#toldOwn.keys().next().value
    if (this.#toldOwn.size > directoryLimits.nearMax && first !== undefined) {
      this.#toldOwn.delete(first)
    }
  }

  #expectRest(from: NodeId, given: readonly Card[]): void {
    this.#given.delete(from)
    this.#given.set(from, given)
    if (this.#given.size <= directoryLimits.askersMax) return
    for (const first of this.#given.keys()) {
      this.#given.delete(first)
      return
    }
  }

  /** A shuffle is answered, an answer by the rest. @returns what was given at random */
  #answer(from: NodeId, message: Shuffle, nowMs: number): readonly Card[] {
    const { randomCardsPerMessage } = directoryLimits
    const theirs = new Holdings(message.holdings)
    const isRest = message.kind === 'shuffle-reply'
    // With the own card, those who ask have given one already.
    const given = this.#book.someRandom(isRest ? randomCardsPerMessage - 1 : randomCardsPerMessage)
    const isNews = (card: Card) => !theirs.has(markOf(card))
    const [random, known]: [Card[], Card[]] = [[], []]
    for (const card of given) (isNews(card) ? random : known).push(card)
    const cards = { random, marks: known.map(markOf), near: this.#newsFor(from, message, theirs) }
    if (!isRest) {
      const card = isNews(this.#own) ? this.#own : undefined
      this.#send(from, { kind: 'shuffle-reply', card, ...cards }, nowMs)
    } else if (given.length + cards.near.length > 0) {
      out.send({ to: from, message: { kind: 'shuffle-rest', ...cards } })
    }
    return [...random, ...known]
  }

  /** Those near it that it lacks, and the witnesses that it lacks. */
  #newsFor(to: NodeId, { card: shown, witnesses }: Shuffle, theirs: Holdings): Card[] {
    const card = shown ?? this.#book.card(to)
    const { nearCardsPerMessage } = directoryLimits
    // Who has not looked at the witnesses yet has nobody near.
    const isNowhere = card === undefined || card.sketch.length === 0
    const near = isNowhere ? [] : this.#book.nearestTo(card, nearCardsPerMessage, theirs)
    if (witnesses === this.#book.witnesses.digest) return near
    for (const one of this.#book.witnessCards()) {
      if (!theirs.has(markOf(one)) && one.id !== to && !near.includes(one)) near.push(one)
    }
    return near
  }

  #send(to: NodeId, parts: Omit<Shuffle, 'witnesses' | 'holdings'>, nowMs: number): void {
    const witnesses = this.#book.witnesses.digest
    const holdings = this.#book.holdings(nowMs).said
    out.send({ to, message: { ...parts, witnesses, holdings } })
  }

  /** @returns whether it is a card to be trusted; false also for what is known already */
  #learn(card: Card, from: NodeId, nowMs: number): boolean {
    if (!this.#isTrustedNews(card, from)) return false
    this.#book.put(card, nowMs)
    this.#learnt += 1
    return true
  }

  #isTrustedNews(card: Card, from: NodeId): boolean {
    if (!this.#book.isNews(card)) return false
    if (!isWellFormed(card)) {
      out.note({ kind: 'rejected', from, fault: 'malformed' })
      return false
    }
    const verification = this.#modules.verify(card)
    if (verification !== 'valid') {
      // An old card is no fault of who hands it on: it may have been young when it came there.
      if (verification === 'forged') out.note({ kind: 'rejected', from, fault: 'forged' })
      return false
    }
    return true
  }
}

/** More are never held. */
const restoredMax =
  directoryLimits.nearMax +
  directoryLimits.randomMax +
  directoryLimits.witnesses +
  directoryLimits.witnessesSpare
