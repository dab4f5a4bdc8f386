/**
 * The mesh on real connections: one member's state machine, its timer, its connections, and the
 * last view on disk. Nodes and gateways each run one.
 */
import type { Timer } from '../../base/index.ts'
import {
  decodeMeshPacket,
  emptyMeshPacket,
  encodeMeshPacket,
  IsochroneError,
  type MeshPacket,
  methods,
  type NodeId,
} from '../../protocol/index.ts'
import type { CallHandler, Connection, IncomingCall } from '../../transport/index.ts'
import { defaultRules } from '../clusters/limits.ts'
import type { Place } from '../clusters/neighbourhood.ts'
import type { Coordinate } from '../coordinates/coordinate.ts'
import type { FederationView } from '../digests/federation-view.ts'
import type { LinkEstimate } from '../links/link-table.ts'
import { membershipLimits, presetFor } from '../membership/presets.ts'
import { AddressBook } from './address-book.ts'
import { Admission, decodeCard, encodeCard, type MemberCard } from './card.ts'
import { GatewayChoice } from './gateway-choice.ts'
import { Guests, type PeerFault, standings } from './guests.ts'
import { Happenings } from './happenings.ts'
import { type AgentLimits, agentLimits } from './limits.ts'
import { LoadKeeper } from './load-keeper.ts'
import { type MachineInput, MeshMachine } from './machine.ts'
import { Measurements } from './measurements.ts'
import { MemberStates } from './member-states.ts'
import { NoticeKeeper } from './notice-keeper.ts'
import type { AgentModules, AgentOptions, MeshMember } from './options.ts'
import { packetsOf } from './packets.ts'
import { Peers } from './peers.ts'
import { RationedLog } from './rationed-log.ts'
import { Relaying } from './relaying.ts'
import { Seals } from './seals.ts'
import { SkewWatch } from './skew-watch.ts'
import { ViewKeeper } from './view-keeper.ts'
import { WallClockWatch } from './wall-clock-watch.ts'

export class MeshAgent {
  readonly handlers: Readonly<Record<string, CallHandler>>
  /** Of a gateway: what it and the others tell each other of nodes. */
  readonly notices: NoticeKeeper | undefined
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
  readonly #wallClock: WallClockWatch
  readonly #log: RationedLog
  readonly #skew: SkewWatch
  readonly #choice: GatewayChoice
  readonly #happenings: Happenings
  readonly #states: MemberStates
  readonly #view: ViewKeeper
  #machine: MeshMachine | undefined
  #load: LoadKeeper | undefined
  #addresses: readonly string[] = []
  #timer: Timer | undefined
  #sweepTimer: Timer | undefined
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
    const { clock, identity, random } = modules
    const { eventLogBurstMax: burstMax, eventLogPerSecondMax: perSecondMax } = this.#limits
    this.#log = new RationedLog({ burstMax, perSecondMax }, modules)
    this.#skew = new SkewWatch(this.#limits.skewLogIntervalMs, this.#log)
    this.#choice = new GatewayChoice({
      random,
      isConnected: (id) => this.#peers.isConnected(id),
      addressOf: (id) => this.#peers.addressOf(id) ?? book.addressesOf(id)[0],
    })
    this.#guests = new Guests(this.#limits, {
      ...modules,
      log: this.#log,
      standingOf: standings(options.role, { book, choice: this.#choice }),
    })
    const own = { self: identity.id, peersMax: this.#limits.peersMax }
    this.#measurements = new Measurements(own, random, clock.monotonic())
    this.#relaying = new Relaying(this.#scope, this.#limits, {
      ...modules,
      peers: this.#peers,
      book,
      guests: this.#guests,
      isKnown: (id) => book.isProven(id),
    })
    const machine = () => this.#machine
    this.#view = new ViewKeeper(this.#limits, { ...modules, role: options.role, book, machine })
    this.#states = new MemberStates(this.#limits.peersMax)
    this.#wallClock = new WallClockWatch(clock)
    this.#happenings = new Happenings({
      ...modules,
      ...this.#parts(),
      rationed: this.#log,
      view: this.#view,
      onPlace: () => this.#load?.look(),
      onDeparted: () => this.#onDeparted?.(),
      onCard: (id) => this.#learnCard(id),
    })
    const send = (to: NodeId, packet: MeshPacket) => this.#send(to, packet)
    const isGateway = options.role === 'gateway'
    this.notices = isGateway ? new NoticeKeeper({ ...modules, ...this.#parts(), send }) : undefined
    this.handlers = { [methods.mesh]: (call) => this.#listen(call) }
  }

  /** @param addresses where other members can dial this one */
  start(addresses: readonly string[]): void {
    const { cards, contacts, fellows, own } = this.#view.restore()
    for (const contact of contacts) {
      this.#book.putContact(contact)
      if (this.#seeds.size < membershipLimits.seedsMax) this.#seeds.add(contact.id)
    }
    this.#measurements.restore(own?.coordinate, this.#modules.clock.monotonic())
    this.#addresses = addresses
    this.#machine = this.#createMachine()
    this.#load = this.#createLoadKeeper()
    this.#sweep()
    this.#step({ kind: 'restore', cards, fellows })
    this.#step({ kind: 'seeds', seeds: [...this.#seeds] })
  }

  /** A gateway that was joined, or another member, to which there is a connection: begin there. */
  meet(connection: Connection): void {
    this.#peers.share(connection)
    this.#choice.noteJoined(connection.peer)
    this.#seeds.delete(connection.peer)
    const seeds = [connection.peer, ...this.#seeds].slice(0, membershipLimits.seedsMax)
    this.#seeds.clear()
    for (const seed of seeds) this.#seeds.add(seed)
    this.#chooseRelays()
    this.#step({ kind: 'seeds', seeds })
  }

  /** Whether it was admitted to the mesh: a connection of it is to be kept. */
  isKnown(id: NodeId): boolean {
    return this.#book.isProven(id)
  }

  /** The cluster that this member is in. */
  get place(): Place | undefined {
    return this.#machine?.neighbourhood.place
  }

  /** The other members of its cluster. */
  members(): readonly MeshMember[] {
    const nowMs = this.#modules.clock.monotonic()
    return (this.#machine?.membership.members() ?? []).map(({ id, state, incarnation }) => {
      const card = this.#book.card(id)
      const { role = 'node', region = '', addresses = [] } = card ?? {}
      const link = this.#measurements.measure(id, nowMs) ?? null
      const estimate = this.#measurements.estimate(id, nowMs) ?? null
      return { id, role, region, state, incarnation, addresses, link, estimate }
    })
  }

  /** Whom its cluster holds for what. */
  get states(): MemberStates {
    return this.#states
  }

  /** Of the way to anybody: measured, or by coordinates that are no guess. */
  roundTrip(id: NodeId): LinkEstimate | undefined {
    const carded = this.#machine?.neighbourhood.cardOf(id)?.coordinate
    return this.#measurements.reliableEstimate(id, carded, this.#modules.clock.monotonic())
  }

  /** Of a gateway: every node's load, from the clusters' digests. */
  get federation(): FederationView | undefined {
    return this.#load?.view
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
    if (this.#machine === undefined || this.#isClosed) return
    // As it was: where it leaves from, it may come back to.
    this.#view.close()
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
    this.#view.close()
    this.#load?.close()
    this.notices?.close()
    for (const timer of [this.#timer, this.#sweepTimer]) timer?.cancel()
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
  #take(from: NodeId, packet: MeshPacket): void {
    const { cluster, coordinate, membership, neighbourhood } = packet
    const nowMs = this.#modules.clock.monotonic()
    const isSound = coordinate === null || this.#measurements.hear(from, coordinate, nowMs)
    if (!isSound) this.#guests.note(from, 'malformed')
    for (const message of neighbourhood) {
      if (!this.#answer({ kind: 'part', from, part: { kind: 'neighbourhood', message } })) return
    }
    for (const message of membership) {
      const part = { kind: 'membership', cluster, message } as const
      if (!this.#answer({ kind: 'part', from, part })) return
    }
    if (!this.#book.isProven(from)) return
    this.notices?.alive(from)
    if (packet.notices !== null && this.notices?.hear(from, packet.notices) === false) return
    for (const said of packet.load) if (this.#load?.hear(from, said) === false) return
  }

  /** @returns whether to hear more of its sender, who answers for what it makes this member say */
  #answer(input: Extract<MachineInput, { kind: 'part' }>): boolean {
    return this.#guests.charge(input.from, this.#step(input))
  }

  #decode(peer: NodeId, bytes: Uint8Array): MeshPacket | undefined {
    try {
      return decodeMeshPacket(bytes)
    } catch {
      this.#guests.note(peer, 'malformed')
      return undefined
    }
  }

  /** @returns bytes to be sent */
  #step(input: MachineInput): number {
    const { clock } = this.#modules
    if (this.#machine === undefined || this.#isClosed) return 0
    const { sends, events, wakeAtMs } = this.#machine.step(input, clock.monotonic())
    this.#timer?.cancel()
    // Whole ms: woken too early there is nothing to do. Before the events: a step that they lead to
    // knows better when.
    const ms = Math.max(0, Math.ceil(wakeAtMs - clock.monotonic()))
    if (Number.isFinite(ms)) this.#timer = clock.after(ms, () => this.#step({ kind: 'tick' }))
    for (const event of events) {
      this.#happenings.take(event)
      this.#states.take(event)
    }
    let bytes = 0
    for (const [to, packet] of packetsOf(sends)) bytes += this.#send(to, packet)
    return bytes
  }

  /** @returns its length */
  #send(to: NodeId, packet: MeshPacket): number {
    // Where one is matters to whoever measures the way: with pings and their answers.
    const isProbe = packet.membership.some(({ kind }) => kind === 'ping' || kind === 'ack')
    const coordinate = isProbe ? this.#measurements.encoded : null
    const bytes = encodeMeshPacket({ ...packet, coordinate })
    if (!this.#peers.send(to, bytes)) this.#relaying.send(to, bytes)
    return bytes.length
  }

  #createMachine(): MeshMachine {
    const { clock, identity, random } = this.#modules
    const { network, rules = defaultRules, preset = presetFor(rules.boundMs) } = this.#options
    const [admission, book] = [this.#admission, this.#book]
    const onSkew = (id: NodeId) => this.#skew.note(id)
    const seals = new Seals(network, { identity, clock, admission, book, onSkew })
    return new MeshMachine(
      { self: identity.id, preset, rules },
      {
        seals,
        random,
        contact: () => this.#payload(),
        coordinate: () => this.#measurements.own,
      },
      clock.monotonic(),
    )
  }

  #createLoadKeeper(): LoadKeeper {
    const { answerBytesMax } = this.#limits
    const { network, role, region } = this.#options
    return new LoadKeeper(
      { network, role, region, answerBytesMax },
      {
        ...this.#modules,
        ...this.#parts(),
        agent: this,
        onGateways: (gateways) => this.notices?.look(gateways),
        onTick: () => void this.#step({ kind: 'tick' }),
        onSilent: (id) => void this.#step({ kind: 'silent', id }),
        onSkew: (id) => this.#skew.note(id),
        send: (to, message) => this.#send(to, { ...emptyMeshPacket, load: [message] }),
      },
    )
  }

  #learnCard(id: NodeId): void {
    const payload = this.#machine?.membership.aliveStatement(id)?.payload
    const card = payload === undefined ? undefined : decodeCard(payload)
    if (card !== undefined) this.#book.put(id, card)
  }

  #payload(): Uint8Array {
    const { role, region } = this.#options
    const relays = this.#relaying.own
    const card: MemberCard = { role, region, addresses: this.#addresses, relays }
    return encodeCard(card, this.#admission.proofFor(this.#modules.identity.id))
  }

  #sweep(): void {
    // A gateway calls its nodes over their connections: there it is the transport that watches.
    const isNode = (id: NodeId) => this.#book.card(id)?.role === 'node'
    this.#peers.sweep((id) => this.#options.role === 'node' && isNode(id))
    this.#chooseRelays()
    this.#load?.look()
    this.#log.flush()
    const { clock, log } = this.#modules
    this.#skew.say(clock.monotonic(), this.members().length)
    const jumpMs = this.#wallClock.jumpMs()
    if (jumpMs !== 0) {
      log.warn('the wall clock has jumped, or this machine slept', { jumpMs })
      this.#step({ kind: 'contact' })
    }
    this.#sweepTimer = clock.after(this.#limits.sweepIntervalMs, () => this.#sweep())
  }

  #parts() {
    const [book, choice] = [this.#book, this.#choice]
    return { book, choice, guests: this.#guests, measurements: this.#measurements }
  }

  /** One that cannot be dialled names who holds a connection to it. */
  #chooseRelays(): void {
    if (this.#addresses.length > 0) return
    if (this.#relaying.choose()) this.#step({ kind: 'contact' })
  }
}
