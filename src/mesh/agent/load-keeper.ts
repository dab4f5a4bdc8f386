/** What this member does about load: its part's clock, whom it tells, and what it finds out. */
import type { Clock, Random, Timer } from '../../base/index.ts'
import type { Identity, LoadMessage, NodeId } from '../../protocol/index.ts'
import type { Place } from '../clusters/neighbourhood.ts'
import type { MemberStanding } from '../digests/digest-publisher.ts'
import type { FederationView } from '../digests/federation-view.ts'
import { LoadPart, type LoadPartInput } from '../digests/load-part.ts'
import type { OwnFacts } from '../digests/own-load.ts'
import { ed25519Seals } from '../digests/seals.ts'
import type { LoadEvent } from '../digests/step.ts'
import type { AddressBook } from './address-book.ts'
import { carriedRegion, type MemberRole } from './card.ts'
import type { GatewayChoice } from './gateway-choice.ts'
import type { Guests } from './guests.ts'
import type { Measurements } from './measurements.ts'

export type LoadFacts = Omit<OwnFacts, 'cluster'>

export interface LoadKeeperModules {
  readonly identity: Identity
  readonly clock: Clock
  readonly random: Random
  /** Of a node: how it is now. */
  readonly facts?: () => LoadFacts
  /** Whose load it is. */
  readonly agent: {
    readonly place: Place | undefined
    members(): readonly MemberStanding[]
  }
  readonly book: Pick<AddressBook, 'card' | 'gateways' | 'noteAnswer'>
  readonly choice: GatewayChoice
  readonly guests: Pick<Guests, 'chargeLoad' | 'note'>
  readonly measurements: Pick<Measurements, 'nearestFirst'>
  /** This member is awake: what else is due soon may be done now. */
  readonly onTick?: () => void
  /** Those that are dealt with from now on. */
  readonly onGateways: (gateways: readonly NodeId[]) => void
  /** Nothing was heard of a member that should have spoken. */
  readonly onSilent: (id: NodeId) => void
  /** A node's clock is so far from this one's that it is refused. */
  readonly onSkew: (id: NodeId) => void
  /** @returns its length, in bytes */
  readonly send: (to: NodeId, message: LoadMessage) => number
}

export interface LoadKeeperOptions {
  readonly network: string
  readonly role: MemberRole
  readonly region?: string | undefined
  readonly answerBytesMax: number
}

export class LoadKeeper {
  readonly #modules: LoadKeeperModules
  readonly #part: LoadPart
  readonly #answerBytesMax: number
  readonly #region: string | undefined
  /** Those that are dealt with now. */
  #gateways: ReadonlySet<NodeId> = new Set()
  #wakeAtMs = Number.POSITIVE_INFINITY
  #timer: Timer | undefined
  #isClosed = false

  constructor(own: LoadKeeperOptions, modules: LoadKeeperModules) {
    const { answerBytesMax, network, region, role } = own
    this.#modules = modules
    this.#answerBytesMax = answerBytesMax
    this.#region = region
    const { clock, identity, random } = modules
    const seals = ed25519Seals(identity, network)
    const options = { self: identity.id, role }
    this.#part = new LoadPart(options, { clock, random, seals }, clock.monotonic())
  }

  /** Of a gateway. */
  get view(): FederationView | undefined {
    return this.#part.view
  }

  /** @returns whether to hear more of its sender, who answers for what it makes this member say */
  hear(from: NodeId, message: LoadMessage): boolean {
    const { book, choice, clock, guests } = this.#modules
    const nowMs = clock.monotonic()
    // What is due anyway is nobody's work but this member's own.
    if (nowMs >= this.#wakeAtMs) this.#tick()
    const isAnswer = message.kind === 'ack' || message.kind === 'news'
    if (isAnswer && this.#gateways.has(from)) {
      choice.noteAnswer(from, nowMs)
      book.noteAnswer(from)
    }
    const bytes = this.#step({ kind: 'message', from, message }, this.#answerBytesMax)
    return bytes === 0 || guests.chargeLoad(from, bytes)
  }

  /** The cluster, its members or the gateways may be others. */
  look(): void {
    const { agent, book, choice, clock, measurements } = this.#modules
    const nowMs = clock.monotonic()
    const nearest = measurements.nearestFirst(book.gateways(), nowMs)
    const gateways = choice.choose(
      regionFirst(nearest, this.#region, (id) => book.card(id)?.region),
      nowMs,
    )
    this.#gateways = new Set(gateways)
    this.#modules.onGateways(gateways)
    this.#step({ kind: 'gateways', gateways })
    const { place } = agent
    if (place === undefined) return
    const { cluster, coordinator } = place
    this.#step({ kind: 'place', cluster, coordinator, members: agent.members() })
    this.#sayFacts()
  }

  close(): void {
    this.#isClosed = true
    this.#timer?.cancel()
  }

  #sayFacts(): void {
    const facts = this.#modules.facts?.()
    if (facts !== undefined) this.#step({ kind: 'facts', facts })
  }

  /** What is said at a tick is how it is then. */
  #tick(): void {
    this.#sayFacts()
    this.#step({ kind: 'tick' })
    this.#modules.onTick?.()
  }

  /**
   * @param bytesMax what is beyond is not sent: whoever lacks it asks again
   * @returns bytes sent
   */
  #step(input: LoadPartInput, bytesMax = Number.POSITIVE_INFINITY): number {
    if (this.#isClosed) return 0
    const { clock, send } = this.#modules
    const nowMs = clock.monotonic()
    const { events, sends, wakeAtMs } = this.#part.step(input, nowMs)
    this.#wakeAtMs = wakeAtMs
    this.#timer?.cancel()
    const waitMs = Math.max(1, Math.ceil(wakeAtMs - nowMs))
    if (Number.isFinite(waitMs)) this.#timer = clock.after(waitMs, () => this.#tick())
    let bytes = 0
    for (const { message, to } of sends) {
      if (bytes >= bytesMax) break
      bytes += send(to, message)
    }
    // Last: what follows may be a step itself, whose times and words are newer.
    for (const event of events) this.#note(event)
    return bytes
  }

  #note(event: LoadEvent): void {
    const { guests, onSilent, onSkew } = this.#modules
    if (event.kind === 'silent') onSilent(event.id)
    if (event.kind === 'caught') guests.note(event.by, 'lie', { ...event, kind: event.lie })
    if (event.kind === 'refused' && event.why === 'untimely') onSkew(event.about)
  }
}

/** Those of a region before all others, otherwise in their order; without a region, as they are. */
export function regionFirst(
  ids: readonly NodeId[],
  own: string | undefined,
  regionOf: (id: NodeId) => string | undefined,
): readonly NodeId[] {
  if (own === undefined || own === '') return ids
  const carried = carriedRegion(own)
  const isHere = (id: NodeId) => regionOf(id) === carried
  return [...ids.filter(isHere), ...ids.filter((id) => !isHere(id))]
}
