/**
 * One node in the federation: the directory, the round trips it measures, its cluster and its
 * search for a better one, as one state machine. `step(input, now)` says what to send, what has
 * changed, and when to be woken. It reads no clock and opens no socket; keys are passed in.
 */
import type { NodeId } from '../../protocol/index.ts'
import type { Card } from '../directory/card.ts'
import type { Neighbour } from '../directory/card-book.ts'
import { Directory } from '../directory/directory.ts'
import { PeerAllowance } from '../directory/peer-allowance.ts'
import { Outbox } from '../outbox.ts'
import { type Roster, rosterOfOne, seatOf } from './claims.ts'
import { Cluster } from './cluster.ts'
import type { ClusterContext, ClusterFault } from './context.ts'
import { type ClusterRules, clusterTimes, defaultRules } from './limits.ts'
import {
  clusterOf,
  isDirectoryMessage,
  isOversized,
  type MessageOf,
  type NeighbourhoodMessage,
} from './messages.ts'
import { OwnCard } from './own-card.ts'
import { Pinger } from './pinger.ts'
import { Search } from './search.ts'
import { Sketch } from './sketch.ts'
import type {
  NeighbourhoodEvent,
  NeighbourhoodInput,
  NeighbourhoodModules,
  NeighbourhoodOptions,
  NeighbourhoodOutputs,
  Place,
  PlaceReason,
} from './step.ts'
import { type MeasuredTrip, Trips } from './trips.ts'

export type * from './step.ts'

const tick = { kind: 'tick' } as const

type Restored = Extract<NeighbourhoodInput, { kind: 'restore' }>

const out = new Outbox<NeighbourhoodOutputs['sends'][number], NeighbourhoodEvent>()

export class Neighbourhood {
  readonly #options: NeighbourhoodOptions
  readonly #modules: NeighbourhoodModules
  readonly #rules: ClusterRules
  readonly #context: ClusterContext
  readonly #directory: Directory
  readonly #trips: Trips
  readonly #pinger: Pinger
  readonly #sketch: Sketch
  readonly #search: Search
  readonly #allowance = new PeerAllowance()
  #cluster: Cluster
  readonly #own: OwnCard
  #directoryDueMs = 0
  #hasLeft = false
  #dueMs: number
  #wakeAtMs: number
  #nowMs: number

  constructor(options: NeighbourhoodOptions, modules: NeighbourhoodModules, nowMs: number) {
    const { random, seal } = modules
    this.#options = options
    this.#modules = modules
    this.#rules = options.rules ?? defaultRules
    this.#nowMs = nowMs
    this.#dueMs = nowMs
    this.#wakeAtMs = nowMs
    this.#trips = new Trips(this.#rules.boundMs)
    this.#pinger = new Pinger(
      { random, trips: this.#trips, boundMs: this.#rules.boundMs },
      {
        send: (to, nonce) => this.#send(to, { kind: 'probe', nonce }),
        done: (id, isHeard) => {
          if (!isHeard) this.#directory.lose(id, this.#nowMs)
          this.#search.measured(id, isHeard, this.#nowMs)
        },
      },
    )
    this.#context = this.#makeContext()
    const roster = this.#alone(options.epoch)
    this.#own = new OwnCard(modules, { self: options.self, roster }, nowMs)
    this.#directory = new Directory(
      this.#own.card,
      { random, verify: (card) => seal.verify(card) },
      nowMs,
    )
    this.#sketch = new Sketch(this.#context, this.#directory, nowMs)
    this.#search = new Search(this.#context, nowMs)
    this.#cluster = new Cluster(this.#context, roster, nowMs)
  }

  get place(): Place {
    const { id: cluster, epoch, coordinator } = this.#cluster
    return { cluster, epoch, coordinator, members: this.#cluster.present() }
  }

  /** When the next thing falls due: it is done with any step from then on. */
  get dueMs(): number {
    return this.#dueMs
  }

  get card(): Card {
    return this.#own.card
  }

  get roster(): Roster {
    return this.#cluster.roster
  }

  /** Nearest first, as the witnesses have it. */
  neighbours(): readonly Neighbour[] {
    return this.#directory.neighbours()
  }

  /** To be kept on disk for the next life. */
  cards(): Iterable<Card> {
    return this.#directory.cards()
  }

  cardOf(id: NodeId): Card | undefined {
    return this.#directory.card(id)
  }

  trip(id: NodeId): MeasuredTrip | undefined {
    return this.#trips.get(id)
  }

  step(input: NeighbourhoodInput, nowMs: number): NeighbourhoodOutputs {
    out.clear()
    this.#nowMs = nowMs
    if (nowMs - this.#wakeAtMs > clusterTimes.stallToleranceMs) this.#pinger.noteOwnStall()
    const isIdle = this.#hasLeft || this.#isIdle(input, nowMs)
    if (!isIdle || nowMs >= this.#dueMs) {
      if (!isIdle) this.#take(input, nowMs)
      this.#tick(nowMs)
      this.#dueMs = Math.max(nowMs, this.#nextDueMs())
      this.#wakeAtMs = this.#dueMs + this.#patienceMs(nowMs)
    }
    return out.take(this.#wakeAtMs)
  }

  /**
   * Most inputs tell nothing new, and there is one for each probe of a member: they are done with
   * here, and what falls due by them is nothing.
   */
  #isIdle(input: NeighbourhoodInput, nowMs: number): boolean {
    switch (input.kind) {
      case 'tick':
        return true
      case 'alive':
        return !this.#cluster.noteHeard(input.id, nowMs)
      case 'round-trip':
        if (this.#trips.record(input.id, input.ms, nowMs)) this.#cluster.noteTrip(input.id, nowMs)
        else if (!this.#trips.isDoubt(input.id, input.ms)) return true
        else this.#pinger.measure(input.id, nowMs) // membership asks again after minutes
        return false
      case 'message':
        if (input.message.kind !== 'probe') return false
        this.#hear(input.from, input.message, nowMs)
        return true
      default:
        return false
    }
  }

  #take(input: NeighbourhoodInput, nowMs: number): void {
    switch (input.kind) {
      case 'tick':
      case 'alive':
      case 'round-trip': // taken already
        return
      case 'message':
        this.#hear(input.from, input.message, nowMs)
        return
      case 'seeds':
        this.#stepDirectory(input, nowMs)
        return
      case 'restore':
        this.#restore(input, nowMs)
        return
      case 'lost':
        this.#cluster.noteLost(input.id, nowMs)
        return
      case 'leave':
        this.#moveOut('left', nowMs)
        this.#hasLeft = true
        return
    }
  }

  /** One's own card says what one was a member of: whoever is left of that is asked first. */
  #restore({ cards, fellows = [] }: Restored, nowMs: number): void {
    const { self } = this.#options
    const others = cards.filter(({ id }) => id !== self)
    this.#stepDirectory({ kind: 'restore', cards: others }, nowMs)
    const own = cards.find(({ id }) => id === self)
    if (own === undefined || this.#modules.seal.verify(own) !== 'valid') return
    this.#sketch.restore(own.sketch)
    this.#renewCard(nowMs)
    const { cluster } = own
    const isFellow = (card: Card) => card.cluster === cluster || fellows.includes(card.id)
    const contacts = others.filter((card) => isFellow(card) && this.cardOf(card.id))
    contacts.sort((a, b) => b.issuedAtMs - a.issuedAtMs)
    // The seat of the earlier life is empty; who coordinated then does not any more.
    for (const { id } of contacts) this.#send(id, { kind: 'moved', card: this.#own.card })
    this.#search.comeBack(
      cluster,
      contacts.map(({ id }) => id),
      nowMs,
    )
  }

  #hear(from: NodeId, message: NeighbourhoodMessage, nowMs: number): void {
    if (!this.#allowance.take(from, nowMs)) {
      this.#reject(from, 'flood')
      return
    }
    if (isDirectoryMessage(message)) {
      this.#stepDirectory({ kind: 'message', from, message }, nowMs)
      return
    }
    if (isOversized(message, this.#rules.membersMax)) {
      this.#reject(from, 'oversized')
      return
    }
    const { id: cluster } = this.#cluster
    switch (message.kind) {
      case 'probe': {
        const coordinate = this.#modules.coordinate()
        this.#send(from, { kind: 'echo', nonce: message.nonce, cluster, coordinate })
        return
      }
      case 'echo':
        this.#takeEcho(from, message, nowMs)
        return
      case 'answer':
        this.#search.takeAnswer(from, message, nowMs)
        return
      case 'roster':
        if (message.roster.cluster === cluster) this.#cluster.hear(from, message, nowMs)
        else if (!this.#search.takeRoster(from, message, nowMs))
          this.#sayMoved(from, message.roster)
        return
      case 'roster-change':
      case 'here':
        if (clusterOf(message) === cluster) this.#cluster.hear(from, message, nowMs)
        else this.#send(from, { kind: 'moved', card: this.#own.card })
        return
      case 'here-ack':
        if (message.cluster === cluster) this.#cluster.hear(from, message, nowMs)
        return
      default:
        this.#cluster.hear(from, message, nowMs)
    }
  }

  /** Somebody counts one in who did not hear that one has left. */
  #sayMoved(to: NodeId, roster: Roster): void {
    if (seatOf(roster, this.#options.self) === undefined) return
    this.#send(to, { kind: 'moved', card: this.#own.card })
  }

  #takeEcho(from: NodeId, echo: MessageOf<'echo'>, nowMs: number): void {
    this.#search.disowned(from, echo.cluster)
    const echoed = this.#pinger.hear(from, echo.nonce, nowMs)
    if (echoed === undefined) return
    if (echoed.isNews) this.#cluster.noteTrip(from, nowMs)
    this.#cluster.noteHeard(from, nowMs)
    out.note({ kind: 'round-trip', id: from, ms: echoed.ms, coordinate: echo.coordinate })
  }

  #tick(nowMs: number): void {
    if (this.#hasLeft) return
    if (nowMs >= this.#directoryDueMs) this.#stepDirectory(tick, nowMs)
    if (nowMs >= this.#pinger.nextDueMs) this.#pinger.tick(nowMs)
    this.#cluster.tick(nowMs)
    const { fate } = this.#cluster
    if (fate !== 'in') {
      const { desertedMs, refusedMs } = clusterTimes
      if (fate !== 'unseated') {
        this.#search.avoid(this.#cluster.id, nowMs, fate === 'deserted' ? desertedMs : refusedMs)
      }
      this.#moveOut(fate, nowMs)
    }
    if (this.#sketch.tick(nowMs)) this.#renewCard(nowMs)
    if (nowMs >= this.#search.nextDueMs) {
      const { id: cluster, size } = this.#cluster
      const neighbours = () => this.#directory.neighbours()
      const standpoint = { cluster, size, neighbours, trips: this.#trips }
      this.#search.tick(standpoint, () => this.#cluster.canSpareOneself, nowMs)
    }
    this.#moveIn(nowMs)
    if (this.#cluster.takeChange()) out.note({ kind: 'changed', ...this.place })
    if (this.#own.isDue(this.#cluster, nowMs)) this.#renewCard(nowMs)
  }

  #moveIn(nowMs: number): void {
    const admission = this.#search.takeAdmission()
    // The others may have come to need one meanwhile; then the seat lapses.
    if (admission === undefined || !this.#cluster.canSpareOneself) return
    const former = this.#cluster
    this.#cluster = new Cluster(this.#context, admission.roster, nowMs)
    this.#renewCard(nowMs)
    this.#cluster.learnStandings(admission.standings, admission.coordinator, nowMs)
    this.#cluster.announce(nowMs)
    former.sayGoodbye()
    this.#placed('admitted', nowMs)
  }

  /** Alone from now on; the search goes on from there. */
  #moveOut(reason: PlaceReason, nowMs: number): void {
    const former = this.#cluster
    this.#cluster = new Cluster(this.#context, this.#alone(former.epoch + 1), nowMs)
    this.#renewCard(nowMs)
    former.sayGoodbye()
    this.#placed(reason, nowMs)
  }

  #placed(reason: PlaceReason, nowMs: number): void {
    this.#cluster.takeChange()
    this.#search.moved(nowMs, this.#cluster.roster.seats.length === 1)
    out.note({ kind: 'placed', reason, ...this.place })
  }

  #renewCard(nowMs: number): void {
    this.#directory.renew(this.#own.renew(this.#cluster, this.#sketch.trips, nowMs), nowMs)
  }

  #alone(epoch: number): Roster {
    return this.#modules.seal.sign(rosterOfOne(this.#options.self, epoch))
  }

  #stepDirectory(input: Parameters<Directory['step']>[0], nowMs: number): void {
    const { sends, events, wakeAtMs } = this.#directory.step(input, nowMs)
    out.sendAll(sends)
    for (const { from, fault } of events) this.#reject(from, fault)
    this.#directoryDueMs = wakeAtMs
  }

  #nextDueMs(): number {
    if (this.#hasLeft) return Number.POSITIVE_INFINITY
    return Math.min(
      this.#directoryDueMs,
      this.#pinger.nextDueMs,
      this.#cluster.nextDueMs,
      this.#search.nextDueMs,
      this.#sketch.nextDueMs,
      this.#own.dueMs,
    )
  }

  #patienceMs(nowMs: number): number {
    if (this.#pinger.isBusy) return 0 // a stall shows by being woken late
    const isCalm = !this.#search.isTrying && this.#directory.isSettled(nowMs)
    return isCalm && this.#cluster.isCalm ? clusterTimes.calmPatienceMs : clusterTimes.patienceMs
  }

  #send(to: NodeId, message: NeighbourhoodMessage): void {
    out.send({ to, message })
  }

  #reject(from: NodeId, fault: ClusterFault): void {
    out.note({ kind: 'rejected', from, fault })
  }

  #makeContext(): ClusterContext {
    const { random, seal } = this.#modules
    return {
      self: this.#options.self,
      rules: this.#rules,
      seal,
      random,
      trips: this.#trips,
      ownCard: () => this.#own.card,
      ownSize: () => this.#cluster.size,
      cardOf: (id) => this.#directory.card(id),
      send: (to, message) => this.#send(to, message),
      reject: (from, fault) => this.#reject(from, fault),
      measure: (id) => this.#pinger.measure(id, this.#nowMs),
    }
  }
}
