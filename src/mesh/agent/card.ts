/**
 * What a member says of itself to all others, in the payload of its `alive` statement: what it is,
 * where it can be dialled, who relays to it, and that it was admitted.
 *
 * The proof of admission is a MAC of the member's id under the network's join token: whoever may
 * join can make its own and check all others', without asking a gateway.
 */
import { createHmac, hash, timingSafeEqual } from 'node:crypto'
import { type NodeId, nodeIdOf, publicKeyLengthBytes, publicKeyOf } from '../../protocol/index.ts'
import { isDialable } from './member-address.ts'

export type MemberRole = 'node' | 'gateway'

export interface MemberCard {
  readonly role: MemberRole
  /** `host:port`; empty: it only dials. */
  readonly addresses: readonly string[]
  /** Members that hold a connection to it. */
  readonly relays: readonly NodeId[]
  /** As its operator named it; nobody checks that. */
  readonly region?: string | undefined
}

/** All together they stay below what a payload may have. */
export const cardLimits = Object.freeze({
  addressesMax: 2,
  addressBytesMax: 64,
  relaysMax: 2,
  regionBytesMax: 32,
})

const version = 1
const roles: readonly MemberRole[] = ['node', 'gateway']
const proofBytes = 16
const proofDomain = 'isochrone.v1.mesh-proof'
const addressPattern = /^[\x21-\x7e]+:\d{1,5}$/

export class Admission {
  readonly #key: Uint8Array
  readonly #network: string

  constructor(network: string, token: string) {
    this.#network = network
    this.#key = hash('sha256', token, 'buffer')
  }

  /** Proves that `id` was given the token by one that had it. */
  proofFor(id: NodeId): Uint8Array {
    const mac = createHmac('sha256', this.#key).update(`${proofDomain}\0${this.#network}\0${id}`)
    return mac.digest().subarray(0, proofBytes)
  }

  admits(id: NodeId, payload: Uint8Array): boolean {
    const proof = payload.subarray(proofAt, proofAt + proofBytes)
    return proof.length === proofBytes && timingSafeEqual(proof, this.proofFor(id))
  }
}

const proofAt = 2

export function encodeCard(card: MemberCard, proof: Uint8Array): Uint8Array {
  const { addressesMax, addressBytesMax, relaysMax } = cardLimits
  const addresses = card.addresses
    .filter((address) => address.length <= addressBytesMax && isDialable(address))
    .slice(0, addressesMax)
    .map((address) => Buffer.from(address, 'latin1'))
  const relays = card.relays.slice(0, relaysMax).map(publicKeyOf)
  const region = Buffer.from(carriedRegion(card.region ?? ''))
  return new Uint8Array(
    Buffer.concat([
      Uint8Array.of(version, roles.indexOf(card.role)),
      proof,
      Uint8Array.of(addresses.length),
      ...addresses.flatMap((address) => [Uint8Array.of(address.length), address]),
      Uint8Array.of(relays.length),
      ...relays,
      Uint8Array.of(region.length),
      region,
    ]),
  )
}

/** As much of a region's name as a card has room for. */
export function carriedRegion(region: string): string {
  const { regionBytesMax } = cardLimits
  const bytes = Buffer.from(region)
  if (bytes.length <= regionBytesMax) return region
  // A letter that is cut in two is left out.
  return new TextDecoder().decode(bytes.subarray(0, regionBytesMax), { stream: true })
}

/** undefined: it is not as `encodeCard` makes it. What follows, a newer program's, is not read. */
export function decodeCard(payload: Uint8Array): MemberCard | undefined {
  const reader = new Reader(payload)
  const role = reader.byte() === version ? roles[reader.byte()] : undefined
  if (role === undefined) return undefined
  reader.take(proofBytes)
  const addresses: string[] = []
  const addressCount = reader.byte()
  if (addressCount > cardLimits.addressesMax) return undefined
  for (let i = 0; i < addressCount; i += 1) {
    const bytes = reader.take(Math.min(reader.byte(), cardLimits.addressBytesMax))
    addresses.push(Buffer.from(bytes).toString('latin1'))
  }
  const relays: NodeId[] = []
  const relayCount = reader.byte()
  if (relayCount > cardLimits.relaysMax) return undefined
  for (let i = 0; i < relayCount; i += 1) {
    const key = reader.take(publicKeyLengthBytes)
    if (key.length === publicKeyLengthBytes) relays.push(nodeIdOf(key))
  }
  const region = Buffer.from(reader.take(reader.byte())).toString()
  if (reader.isShort || !addresses.every((address) => addressPattern.test(address)))
    return undefined
  // One that cannot be dialled is a mistake of whoever made it up; the rest holds.
  const said = { role, addresses: addresses.filter(isDialable), relays }
  return region === '' ? said : { ...said, region }
}

class Reader {
  readonly #bytes: Uint8Array
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  /** Something was asked for that is not there. */
  get isShort(): boolean {
    return this.#at > this.#bytes.length
  }

  byte(): number {
    return this.take(1)[0] ?? 0
  }

  take(length: number): Uint8Array {
    this.#at += length
    return this.#bytes.subarray(this.#at - length, this.#at)
  }
}
