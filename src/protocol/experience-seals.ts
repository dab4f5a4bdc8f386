/** Signatures of what gateways tell each other of nodes. */
import type { Experience, SealedExperience } from './experience.ts'
import { type Identity, verifySignature } from './identity.ts'
import type { NodeId } from './ids.ts'
import { decodeExperience, encodeExperience } from './messages/experience.ts'

export function sealExperience(
  identity: Identity,
  network: string,
  experience: Experience,
): SealedExperience {
  const bytes = encodeExperience(experience)
  return { bytes, signature: identity.sign(signedBytes(network, bytes)) }
}

/** @returns what it says, if that gateway has signed it; undefined: it is forged or malformed */
export function openExperience(
  { bytes, signature }: SealedExperience,
  { gateway, network }: { readonly gateway: NodeId; readonly network: string },
): Experience | undefined {
  if (!verifySignature(gateway, signedBytes(network, bytes), signature)) return undefined
  try {
    const experience = decodeExperience(bytes)
    return experience.gateway === gateway ? experience : undefined
  } catch {
    return undefined
  }
}

function signedBytes(network: string, bytes: Uint8Array): Uint8Array {
  return Buffer.concat([Buffer.from(`isochrone.v1.experience\0${network}\0`), bytes])
}
