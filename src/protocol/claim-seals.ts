/**
 * Signs and checks claims: cards, rosters, standings. What is signed are canonical bytes, in which
 * fractions are rounded as the wire rounds them: what was decoded has the bytes that were signed.
 */
import { CanonicalWriter } from './canonical-writer.ts'
import { envelopeLimits } from './envelope-limits.ts'
import { type Identity, verifySignature } from './identity.ts'
import { publicKeyOf } from './ids.ts'
import type { StatementContext } from './member-statement.ts'
import type { Verification } from './membership.ts'
import {
  type ClaimedSeal,
  claimantOf,
  coordinateFloats,
  type MeshClaim,
  type MeshClaimBody,
} from './neighbourhood.ts'

/** A node renews its card three times within that. Rosters and standings have versions instead. */
export const cardLifeMs = 1_800_000

const domain = 'isochrone.v1.mesh-claim'

export function signClaim<Body extends MeshClaimBody>(
  identity: Identity,
  body: Body,
  { scope, now }: StatementContext,
): Body & ClaimedSeal {
  const issuedAtMs = Math.floor(now)
  return { ...body, issuedAtMs, signature: identity.sign(signedBytes(body, scope, issuedAtMs)) }
}

export function verifyClaim(claim: MeshClaim, { scope, now }: StatementContext): Verification {
  const { issuedAtMs, signature } = claim
  const bytes = signedBytes(claim, scope, issuedAtMs)
  if (!verifySignature(claimantOf(claim), bytes, signature)) return 'forged'
  const ageMs = now - issuedAtMs
  const { clockSkewMaxMs } = envelopeLimits
  if (ageMs < -clockSkewMaxMs) return 'expired'
  return claim.kind === 'card' && ageMs > cardLifeMs + clockSkewMaxMs ? 'expired' : 'valid'
}

function signedBytes(body: MeshClaimBody, scope: string, issuedAtMs: number): Uint8Array {
  const writer = new CanonicalWriter()
    .text(domain, 'latin1')
    .text(scope, 'utf8')
    .text(body.kind, 'latin1')
    .text(body.cluster, 'utf8')
    .uint64(issuedAtMs)
  switch (body.kind) {
    case 'card': {
      writer.bytes(publicKeyOf(body.id)).uint64(body.epoch).uint32(body.clusterSize)
      writer.bytes(body.contact)
      for (const { key } of body.sketch) writer.text(key, 'latin1')
      writer.bytes(floatBytes(Float32Array.from(body.sketch, ({ ms }) => ms)))
      return writer.bytes(floatBytes(coordinateFloats(body.coordinate))).done()
    }
    case 'roster':
      writer.bytes(publicKeyOf(body.coordinator)).uint64(body.version)
      for (const { id, epoch } of body.seats) writer.bytes(publicKeyOf(id)).uint64(epoch)
      return writer.done()
    case 'standing':
      writer.bytes(publicKeyOf(body.id)).uint64(body.epoch)
      for (const id of body.far) writer.bytes(publicKeyOf(id))
      return writer.done()
  }
}

/** Little-endian, whatever this machine has. */
function floatBytes(floats: Float32Array): Uint8Array {
  const view = new DataView(new ArrayBuffer(floats.length * 4))
  for (const [i, value] of floats.entries()) view.setFloat32(i * 4, value, true)
  return new Uint8Array(view.buffer)
}
