/**
 * Ways to members that cannot be dialled: a third member, to which both have a connection, hands
 * packets on, once. Their sender signs them, for the relay is believed nothing.
 */
import type { Clock } from '../../base/index.ts'
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
  readonly peers: Peers
  readonly book: AddressBook
  readonly guests: Guests
  readonly isKnown: (id: NodeId) => boolean
}

export interface HandedOver {
  readonly from: NodeId
  readonly packet: Uint8Array
}

/** A minute of packets from a relay that sends all that it may; 1 MB. The oldest makes room. */
const heardMax = 8_192

export class Relaying {
  readonly #scope: string
  readonly #limits: AgentLimits
  readonly #modules: RelayingModules
  /** By their signatures. Said twice, a packet would be its sender's work twice. */
  readonly #heard = new Set<string>()

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
    return guests.admits(sender, packet.length) ? { from: sender, packet } : undefined
  }

  /** Those that hold a connection to this member and can be reached by others; as before, if so. */
  choose(before: readonly NodeId[]): readonly NodeId[] {
    const { book, isKnown, peers } = this.#modules
    const connected = peers.connected()
    const held = before.filter((id) => connected.includes(id))
    const isFit = (id: NodeId) => {
      const card = book.card(id)
      return card?.role === 'gateway' || (card?.addresses.length ?? 0) > 0
    }
    const others = connected.filter((id) => !held.includes(id) && isKnown(id) && isFit(id))
    return [...held, ...others].slice(0, cardLimits.relaysMax)
  }

  /** Only for the connection's own peer, and between members. */
  #handOn(peer: NodeId, relayed: RelayedPacket): void {
    const { isKnown, peers } = this.#modules
    const { recipient, sender } = relayed
    if (sender !== peer || !isKnown(sender) || !isKnown(recipient)) return
    if (!peers.isConnected(recipient)) return
    peers.send(recipient, encodeMeshPacket({ ...emptyMeshPacket, relayed }))
  }

  /** One of those that it named, else a gateway: which has connections to most. */
  #relayTo(to: NodeId): NodeId | undefined {
    const { book, peers } = this.#modules
    const named = book.card(to)?.relays.find((id) => this.#isReachable(id))
    if (named !== undefined) return named
    return peers.connected().find((id) => book.card(id)?.role === 'gateway')
  }

  #isReachable(id: NodeId): boolean {
    const { book, identity, isKnown, peers } = this.#modules
    if (id === identity.id || !isKnown(id)) return false
    return peers.isConnected(id) || book.addressesOf(id).length > 0
  }
}
