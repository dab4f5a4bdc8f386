/** What this member does about load: its part's clock, whom it tells, and what it finds out. */
import type { Clock, Random, Timer } from '../../base/index.ts'
import type { Identity, LoadMessage, NodeId } from '../../protocol/index.ts'
import type { Place } from '../clusters/neighbourhood.ts'
import type { MemberStanding } from '../digests/digest-publisher.ts'
import type { FederationView } from '../digests/federation-view.ts'
import { LoadPart, type LoadPartInput } from '../digests/load-part.ts'
import type { OwnFacts } from '../digests/own-load.ts'
import { ed25519Seals } from '../digests/seals.ts'
import type { AddressBook } from './address-book.ts'
import type { MemberRole } from './card.ts'
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
  readonly book: Pick<AddressBook, 'gateways'>
  readonly guests: Pick<Guests, 'note'>
  readonly measurements: Pick<Measurements, 'nearestFirst'>
  readonly send: (to: NodeId, message: LoadMessage) => void
}

export class LoadKeeper {
  readonly #modules: LoadKeeperModules
  readonly #part: LoadPart
  #timer: Timer | undefined
  #isClosed = false

  constructor(
    { network, role }: { readonly network: string; readonly role: MemberRole },
    modules: LoadKeeperModules,
  ) {
    this.#modules = modules
    const { clock, identity, random } = modules
    const seals = ed25519Seals(identity, network)
    const options = { self: identity.id, role }
    this.#part = new LoadPart(options, { clock, random, seals }, clock.monotonic())
  }

  /** Of a gateway. */
  get view(): FederationView | undefined {
    return this.#part.view
  }

  hear(from: NodeId, message: LoadMessage): void {
    this.#step({ kind: 'message', from, message })
  }

  /** The cluster, its members or the gateways may be others. */
  look(): void {
    const { agent, book, clock, measurements } = this.#modules
    const gateways = measurements.nearestFirst(book.gateways(), clock.monotonic())
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

  #step(input: LoadPartInput): void {
    if (this.#isClosed) return
    const { clock, guests, send } = this.#modules
    const nowMs = clock.monotonic()
    const { events, sends, wakeAtMs } = this.#part.step(input, nowMs)
    for (const event of events) if (event.kind === 'caught') guests.note(event.by, 'lie')
    for (const { message, to } of sends) send(to, message)
    this.#timer?.cancel()
    if (wakeAtMs === Number.POSITIVE_INFINITY) return
    this.#timer = clock.after(Math.max(1, Math.ceil(wakeAtMs - nowMs)), () => {
      // What is said at a tick is how it is then.
      this.#sayFacts()
      this.#step({ kind: 'tick' })
    })
  }
}
