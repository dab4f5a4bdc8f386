/**
 * A packet that a third member hands on. Its sender signs it, so that the relay can lose it but
 * say nothing in the sender's name.
 */
import { CanonicalWriter } from './canonical-writer.ts'
import { envelopeLimits } from './envelope-limits.ts'
import { type Identity, verifySignature } from './identity.ts'
import { type NodeId, publicKeyOf } from './ids.ts'

export interface RelayedPacket {
  readonly sender: NodeId
  readonly recipient: NodeId
  /** Wall-clock ms since 1970, by the sender. */
  readonly issuedAtMs: number
  /** An encoded packet of the mesh. */
  readonly packet: Uint8Array
  /** 64 bytes. */
  readonly signature: Uint8Array
}

const domain = 'isochrone.v1.relayed-packet'

export interface RelayContext {
  readonly scope: string
  /** Wall-clock ms since 1970. */
  readonly now: number
}

export function signRelayedPacket(
  identity: Identity,
  { recipient, packet }: Pick<RelayedPacket, 'recipient' | 'packet'>,
  { scope, now }: RelayContext,
): RelayedPacket {
  const body = { sender: identity.id, recipient, issuedAtMs: Math.floor(now), packet }
  return { ...body, signature: identity.sign(signedBytes(body, scope)) }
}

/** Whether its sender said it, in this scope, and not long ago. */
export function isRelayedPacketValid(
  relayed: RelayedPacket,
  { scope, now, ageMaxMs }: RelayContext & { readonly ageMaxMs: number },
): boolean {
  const ageMs = now - relayed.issuedAtMs
  const { clockSkewMaxMs } = envelopeLimits
  if (ageMs > ageMaxMs + clockSkewMaxMs || ageMs < -clockSkewMaxMs) return false
  return verifySignature(relayed.sender, signedBytes(relayed, scope), relayed.signature)
}

function signedBytes(relayed: Omit<RelayedPacket, 'signature'>, scope: string): Uint8Array {
  return new CanonicalWriter()
    .text(domain, 'latin1')
    .text(scope, 'utf8')
    .bytes(publicKeyOf(relayed.sender))
    .bytes(publicKeyOf(relayed.recipient))
    .uint64(relayed.issuedAtMs)
    .bytes(relayed.packet)
    .done()
}
