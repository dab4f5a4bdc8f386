/**
 * The mesh on real connections: one member's state machine, its timer, its connections, and the
 * last view on disk. Nodes and gateways each run one.
 */
import type { Clock, Log, Random, Timer } from '../../base/index.ts'
import {
  asIsochroneError,
  decodeMeshPacket,
  encodeMeshPacket,
  type Identity,
  IsochroneError,
  type MeshPacket,
  methods,
  type NodeId,
  signStatement,
  verifyStatement,
} from '../../protocol/index.ts'
import type { CallHandler, Connection, IncomingCall, Transport } from '../../transport/index.ts'
import type { Coordinate } from '../coordinates/coordinate.ts'
import type { LinkEstimate } from '../links/link-table.ts'
import type { LinkMeasure } from '../links/link-window.ts'
import { Membership } from '../membership/membership.ts'
import type { MemberState, Message } from '../membership/messages.ts'
import { type MembershipPreset, membershipLimits, wan } from '../membership/presets.ts'
import type { MembershipEvent, MembershipInput } from '../membership/step.ts'
import { AddressBook } from './address-book.ts'
import { Admission, decodeCard, encodeCard, type MemberCard, type MemberRole } from './card.ts'
import type { ContactStore } from './contacts.ts'
import { Guests, type PeerFault } from './guests.ts'
import { type AgentLimits, agentLimits } from './limits.ts'
import { Measurements } from './measurements.ts'
import { Peers } from './peers.ts'
import { Relaying } from './relaying.ts'

export interface AgentOptions {
  readonly network: string
  readonly role: MemberRole
  /** Whoever has it is admitted. */
  readonly token: string
  readonly preset?: MembershipPreset
  readonly limits?: Partial<AgentLimits>
}

export interface AgentModules {
  readonly identity: Identity
  readonly transport: Pick<Transport, 'dial'>
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly contacts: ContactStore
}

export interface MeshMember {
  readonly id: NodeId
  readonly role: MemberRole
  readonly state: MemberState
  readonly incarnation: number
  readonly addresses: readonly string[]
  /** null: not measured lately. */
  readonly link: LinkMeasure | null
  /** The round trip, by measurement or by coordinates; null: nothing is known. */
  readonly estimate: LinkEstimate | null
}

export class MeshAgent {
  readonly handlers: Readonly<Record<string, CallHandler>>
  readonly #options: AgentOptions
  readonly #modules: AgentModules
  readonly #limits: AgentLimits
  readonly #admission: Admission
  readonly #scope: string
  readonly #book: AddressBook
  readonly #peers: Peers
  readonly #guests: Guests
  readonly #listening = new WeakSet<Connection>()
  readonly #seeds = new Set<NodeId>()
  readonly #measurements: Measurements
  readonly #relaying: Relaying
  #membership: Membership | undefined
  #addresses: readonly string[] = []
  #relays: readonly NodeId[] = []
  #timer: Timer | undefined
  #sweepTimer: Timer | undefined
  #saveTimer: Timer | undefined
  #onDeparted: (() => void) | undefined
  #isClosed = false

  constructor(options: AgentOptions, modules: AgentModules) {
    this.#options = options
    this.#modules = modules
    this.#limits = { ...agentLimits, ...options.limits }
    this.#admission = new Admission(options.network, options.token)
    this.#scope = options.network
    this.#book = new AddressBook(this.#limits.peersMax)
    const book = this.#book
    this.#peers = new Peers(this.#limits, {
      ...modules,
      self: modules.identity.id,
      addressesOf: (id) => book.addressesOf(id),
    })
    this.#guests = new Guests(this.#limits, modules)
    const { peersMax } = this.#limits
    const { clock, identity, random } = modules
    this.#measurements = new Measurements(
      { self: identity.id, peersMax },
      random,
      clock.monotonic(),
    )
    this.#relaying = new Relaying(this.#scope, this.#limits, {
      ...modules,
      peers: this.#peers,
      book,
      guests: this.#guests,
      isMember: (id) => this.isMember(id),
    })
    this.handlers = { [methods.mesh]: (call) => this.#listen(call) }
  }

  /** @param addresses where other members can dial this one */
  start(addresses: readonly string[]): void {
    const { clock, contacts, identity, random } = this.#modules
    const known = contacts.load()
    for (const contact of known) {
      if (contact.id === identity.id) continue
      this.#book.putContact(contact)
      if (this.#seeds.size < membershipLimits.seedsMax) this.#seeds.add(contact.id)
    }
    this.#addresses = addresses
    const scope = this.#scope
    this.#membership = new Membership(
      {
        self: identity.id,
        // Above that of every earlier life: a member renews itself less often than every second.
        incarnation: Math.floor(clock.now() / 1_000),
        payload: this.#payload(),
        preset: this.#options.preset ?? wan,
      },
      {
        random,
        sign: (body) => signStatement(identity, body, { scope, now: clock.now() }),
        verify: (statement) => verifyStatement(statement, { scope, now: clock.now() }),
        admits: ({ subject, payload }) => this.#admission.admits(subject, payload),
      },
      clock.monotonic(),
    )
    this.#sweep()
    this.#step({ kind: 'join', seeds: [...this.#seeds] })
  }

  /** A gateway that was joined, or another member, to which there is a connection: begin there. */
  meet(connection: Connection): void {
    this.#peers.share(connection)
    this.#seeds.delete(connection.peer)
    const seeds = [connection.peer, ...this.#seeds].slice(0, membershipLimits.seedsMax)
    this.#seeds.clear()
    for (const seed of seeds) this.#seeds.add(seed)
    this.#chooseRelays()
    this.#step({ kind: 'join', seeds })
  }

  /** Whether a connection of this peer is one of the mesh, to be kept. */
  isMember(id: NodeId): boolean {
    return this.#membership?.aliveStatement(id) !== undefined
  }

  members(): readonly MeshMember[] {
    const nowMs = this.#modules.clock.monotonic()
    const members = this.#membership?.members() ?? []
    return members.map(({ id, state, incarnation }) => {
      const card = this.#book.card(id)
      const { role = 'node', addresses = [] } = card ?? {}
      const link = this.#measurements.measure(id, nowMs) ?? null
      const estimate = this.#measurements.estimate(id, nowMs) ?? null
      return { id, role, state, incarnation, addresses, link, estimate }
    })
  }

  /** Where this member holds itself to be. */
  get coordinate(): Coordinate {
    return this.#measurements.own
  }

  /** How often each fault was found in what peers sent. */
  faults(): ReadonlyMap<PeerFault, number> {
    return this.#guests.faults()
  }

  /** Tells some members; they tell the rest. */
  async leave(): Promise<void> {
    if (this.#membership === undefined || this.#isClosed) return
    this.#save()
    await new Promise<void>((resolve) => {
      this.#onDeparted = resolve
      const timer = this.#modules.clock.after(this.#limits.leaveWaitMs, resolve)
      this.#step({ kind: 'leave' })
      if (this.members().every(({ state }) => state !== 'alive')) {
        timer.cancel()
        resolve()
      }
    })
    this.close()
  }

  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    if (this.#saveTimer !== undefined) this.#save()
    for (const timer of [this.#timer, this.#sweepTimer, this.#saveTimer]) timer?.cancel()
    this.#peers.close()
  }

  async #listen(call: IncomingCall): Promise<void> {
    const { connection, peer } = call
    if (this.#listening.has(connection)) {
      throw new IsochroneError('rate_limited', 'this member listens to you already')
    }
    this.#listening.add(connection)
    try {
      this.#peers.adopt(connection)
      for await (const packets of call.requests()) {
        for (const packet of packets) this.#hear(peer, packet)
        if (this.#guests.isOut(peer)) {
          throw new IsochroneError('rate_limited', 'this member is told more than it can take')
        }
      }
    } finally {
      this.#listening.delete(connection)
    }
  }

  #hear(peer: NodeId, bytes: Uint8Array): void {
    if (!this.#guests.admits(peer, bytes.length)) return
    const packet = this.#decode(peer, bytes)
    if (packet === undefined) return
    this.#take(peer, packet)
    if (packet.relayed === null) return
    const handed = this.#relaying.take(peer, packet.relayed)
    const inner = handed && this.#decode(handed.from, handed.packet)
    if (inner !== undefined && handed !== undefined) this.#take(handed.from, inner)
  }

  /** What a member says itself, whether over a connection of its own or not. */
  #take(from: NodeId, { coordinate, membership }: MeshPacket): void {
    const nowMs = this.#modules.clock.monotonic()
    const isSound = coordinate === null || this.#measurements.hear(from, coordinate, nowMs)
    if (!isSound) this.#guests.note(from, 'malformed')
    for (const message of membership) this.#step({ kind: 'message', from, message })
  }

  #decode(peer: NodeId, bytes: Uint8Array): MeshPacket | undefined {
    try {
      return decodeMeshPacket(bytes)
    } catch {
      this.#guests.note(peer, 'malformed')
      return undefined
    }
  }

  #step(input: MembershipInput): void {
    const { clock } = this.#modules
    if (this.#membership === undefined || this.#isClosed) return
    const { sends, events, wakeAtMs } = this.#membership.step(input, clock.monotonic())
    for (const event of events) this.#note(event)
    const packets = new Map<NodeId, Message[]>()
    for (const { to, message } of sends) {
      const messages = packets.get(to)
      if (messages === undefined) packets.set(to, [message])
      else messages.push(message)
    }
    for (const [to, membership] of packets) {
      // Where one is matters to whoever measures the way: with pings and their answers.
      const isProbe = membership.some(({ kind }) => kind === 'ping' || kind === 'ack')
      const coordinate = isProbe ? this.#measurements.encoded : null
      const packet = encodeMeshPacket({ membership, coordinate, relayed: null })
      if (!this.#peers.send(to, packet)) this.#relaying.send(to, packet)
    }
    this.#timer?.cancel()
    if (wakeAtMs === Number.POSITIVE_INFINITY) return
    const waitMs = Math.max(0, wakeAtMs - clock.monotonic())
    this.#timer = clock.after(waitMs, () => this.#step({ kind: 'tick' }))
  }

  #note(event: MembershipEvent): void {
    const { clock, log } = this.#modules
    switch (event.kind) {
      case 'round-trip':
        this.#measurements.answered(event.id, event.ms, clock.monotonic())
        return
      case 'unanswered':
        this.#measurements.unanswered(event.id)
        return
      case 'rejected':
        this.#guests.note(event.from, event.fault)
        return
      case 'departed':
        this.#onDeparted?.()
        return
      case 'self-refuted':
        log.info('said to be alive after all', { incarnation: event.incarnation })
        return
      case 'twin':
        log.error('another process runs with this key; each member needs a key of its own')
        return
      case 'joined':
      case 'returned':
      case 'updated':
        this.#learnCard(event.id)
        break
      case 'died':
      case 'left':
        this.#measurements.forget(event.id)
        break
      case 'suspected':
      case 'refuted':
        break
    }
    if (event.kind === 'updated') return
    this.#saveSoon()
    log.info(`a member ${sayings[event.kind]}`, {
      member: event.id,
      incarnation: event.incarnation,
    })
  }

  #learnCard(id: NodeId): void {
    const payload = this.#membership?.aliveStatement(id)?.payload
    const card = payload === undefined ? undefined : decodeCard(payload)
    if (card !== undefined) this.#book.put(id, card)
  }

  #payload(): Uint8Array {
    const { id } = this.#modules.identity
    const { role } = this.#options
    const card: MemberCard = { role, addresses: this.#addresses, relays: this.#relays }
    return encodeCard(card, this.#admission.proofFor(id))
  }

  #sweep(): void {
    // A gateway calls its nodes over their connections: there it is the transport that watches.
    const isNode = (id: NodeId) => this.#book.card(id)?.role === 'node'
    this.#peers.sweep((id) => this.#options.role === 'node' && isNode(id))
    this.#chooseRelays()
    const { clock } = this.#modules
    this.#sweepTimer = clock.after(this.#limits.sweepIntervalMs, () => this.#sweep())
  }

  /** One that cannot be dialled names who holds a connection to it. */
  #chooseRelays(): void {
    if (this.#addresses.length > 0) return
    const relays = this.#relaying.choose(this.#relays)
    const isSame =
      relays.length === this.#relays.length && relays.every((id) => this.#relays.includes(id))
    if (isSame) return
    this.#relays = relays
    this.#step({ kind: 'update', payload: this.#payload() })
  }

  #saveSoon(): void {
    if (this.#saveTimer !== undefined || this.#isClosed) return
    const { clock } = this.#modules
    this.#saveTimer = clock.after(this.#limits.saveIntervalMs, () => this.#save())
  }

  #save(): void {
    this.#saveTimer?.cancel()
    this.#saveTimer = undefined
    const alive = this.members().filter(({ state }) => state === 'alive' || state === 'suspect')
    const reachable = alive.filter(({ addresses }) => addresses.length > 0)
    // Whoever was alone for a while keeps what it knew.
    if (reachable.length === 0) return
    try {
      this.#modules.contacts.save(reachable.map(({ id, addresses }) => ({ id, addresses })))
    } catch (error) {
      const reason = asIsochroneError(error).message
      this.#modules.log.warn('the view of the mesh is not kept', { reason })
    }
  }
}

const sayings = {
  joined: 'joined',
  returned: 'returned',
  suspected: 'is suspected',
  refuted: 'refuted a suspicion',
  died: 'died',
  left: 'left',
} as const
