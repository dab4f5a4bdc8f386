/**
 * Ways to members that cannot be dialled: a third member, to which both have a connection, hands
 * packets on, once. Their sender signs them, for the relay is believed nothing.
 */
import type { Clock, Random } from '../../base/index.ts'
import {
  emptyMeshPacket,
  encodeMeshPacket,
  type Identity,
  isRelayedPacketValid,
  type NodeId,
  type RelayedPacket,
  signRelayedPacket,
} from '../../protocol/index.ts'
import type { AddressBook } from './address-book.ts'
import { cardLimits } from './card.ts'
import type { Guests } from './guests.ts'
import type { AgentLimits } from './limits.ts'
import type { Peers } from './peers.ts'

export interface RelayingModules {
  readonly identity: Identity
  readonly clock: Clock
  readonly random: Random
  readonly peers: Pick<Peers, 'connected' | 'isConnected' | 'send'>
  readonly book: Pick<AddressBook, 'addressesOf' | 'card'>
  readonly guests: Pick<Guests, 'admits' | 'admitsRelayed' | 'charge' | 'note'>
  readonly isKnown: (id: NodeId) => boolean
}

export interface HandedOver {
  readonly from: NodeId
  readonly packet: Uint8Array
}

/** How packets to a member go at present. */
interface Way {
  readonly relay: NodeId
  told: number
  /** Since something came from the member last, by whatever way. */
  toldInVain: number
  /** Ways that were in vain since something came from the member last. */
  givenUp: number
}

/** A way without an answer to so many is given up for another; gossip alone is not answered. */
const toldInVainMax = 6
/** Then another is drawn in any case: what a relay loses others must bring. */
const toldMax = 32

/** A minute of packets from a relay that sends all that it may; 1 MB. The oldest makes room. */
const heardMax = 8_192

export class Relaying {
  readonly #scope: string
  readonly #limits: AgentLimits
  readonly #modules: RelayingModules
  /** By their signatures. Said twice, a packet would be its sender's work twice. */
  readonly #heard = new Set<string>()
  /** The one drawn first makes room. */
  readonly #ways = new Map<NodeId, Way>()
  #own: readonly NodeId[] = []

  constructor(scope: string, limits: AgentLimits, modules: RelayingModules) {
    this.#scope = scope
    this.#limits = limits
    this.#modules = modules
  }

  /** Sends it by way of another, if there is one. */
  send(to: NodeId, packet: Uint8Array): void {
    const { clock, identity, peers } = this.#modules
    const relay = this.#relayTo(to)
    if (relay === undefined) return
    const context = { scope: this.#scope, now: clock.now() }
    const relayed = signRelayedPacket(identity, { recipient: to, packet }, context)
    peers.send(relay, encodeMeshPacket({ ...emptyMeshPacket, relayed }))
  }

  /** Hands it on if it is for another. @returns what it says, if it is for this member */
  take(peer: NodeId, relayed: RelayedPacket): HandedOver | undefined {
    const { clock, guests, identity } = this.#modules
    const { packet, recipient, sender } = relayed
    if (recipient !== identity.id) {
      this.#handOn(peer, relayed)
      return undefined
    }
    const mark = Buffer.from(relayed.signature).toString('latin1')
    if (this.#heard.has(mark)) {
      guests.note(peer, 'relay-repeated')
      return undefined
    }
    const { relayedAgeMaxMs: ageMaxMs } = this.#limits
    const context = { scope: this.#scope, now: clock.now(), ageMaxMs }
    if (!isRelayedPacketValid(relayed, context)) {
      guests.note(peer, 'relay-forged')
      return undefined
    }
    this.#heard.add(mark)
    const oldest = this.#heard.values().next().value
    if (this.#heard.size > heardMax && oldest !== undefined) this.#heard.delete(oldest)
    const way = this.#ways.get(sender)
    if (way !== undefined) {
      way.toldInVain = 0
      way.givenUp = 0
    }
    // A stranger's words stay the relay's own work: it could make up strangers without end.
    const isAdmitted = this.#modules.isKnown(sender)
      ? guests.admitsRelayed(peer, sender, packet.length)
      : guests.admits(sender, packet.length)
    return isAdmitted ? { from: sender, packet } : undefined
  }

  /** Those that hand on what is for this member, as its card says. */
  get own(): readonly NodeId[] {
    return this.#own
  }

  /**
   * Those that hold a connection to this member and can be reached by others; as before, if so.
   * @returns whether they are others now
   */
  choose(): boolean {
    const { book, isKnown, peers } = this.#modules
    const connected = peers.connected()
    const held = this.#own.filter((id) => connected.includes(id))
    const isFit = (id: NodeId) => {
      const card = book.card(id)
      return card?.role === 'gateway' || (card?.addresses.length ?? 0) > 0
    }
    const others = connected.filter((id) => !held.includes(id) && isKnown(id) && isFit(id))
    const before = this.#own
    this.#own = [...held, ...others].slice(0, cardLimits.relaysMax)
    return this.#own.length !== before.length || this.#own.some((id) => !before.includes(id))
  }

  /** Only for the connection's own peer, whose work it is, and between members. */
  #handOn(peer: NodeId, relayed: RelayedPacket): void {
    const { guests, isKnown, peers } = this.#modules
    const { recipient, sender } = relayed
    if (sender !== peer || !isKnown(sender) || !isKnown(recipient)) return
    if (!peers.isConnected(recipient)) return
    const packet = encodeMeshPacket({ ...emptyMeshPacket, relayed })
    if (guests.charge(peer, packet.length)) peers.send(recipient, packet)
  }

  /** As last time, unless that was in vain or for long; then another, where there is one. */
  #relayTo(to: NodeId): NodeId | undefined {
    const before = this.#ways.get(to)
    const isInVain = before !== undefined && before.toldInVain >= toldInVainMax
    const givenUp = isInVain ? before.givenUp + 1 : (before?.givenUp ?? 0)
    const relays = this.#relaysOf(to, givenUp)
    if (before !== undefined && !isInVain && before.told < toldMax) {
      before.told += 1
      before.toldInVain += 1
      if (relays.includes(before.relay)) return before.relay
    }
    const others = relays.filter((id) => id !== before?.relay)
    const relay = others[this.#modules.random.below(Math.max(1, others.length))] ?? relays[0]
    this.#ways.delete(to)
    if (relay === undefined) return undefined
    this.#ways.set(to, { relay, told: 1, toldInVain: 1, givenUp })
    const [first] = this.#ways.keys()
    if (this.#ways.size > this.#limits.peersMax && first !== undefined) this.#ways.delete(first)
    return relay
  }

  /** Those that it named; once all were in vain, gateways too, which have connections to most. */
  #relaysOf(to: NodeId, givenUp: number): readonly NodeId[] {
    const { book, peers } = this.#modules
    const named = book.card(to)?.relays.filter((id) => this.#isReachable(id)) ?? []
    if (named.length > givenUp) return named
    const isGateway = (id: NodeId) => book.card(id)?.role === 'gateway' && !named.includes(id)
    return [...named, ...peers.connected().filter(isGateway).slice(0, cardLimits.relaysMax)]
  }

  #isReachable(id: NodeId): boolean {
    const { book, identity, isKnown, peers } = this.#modules
    if (id === identity.id || !isKnown(id)) return false
    return peers.isConnected(id) || book.addressesOf(id).length > 0
  }
}
