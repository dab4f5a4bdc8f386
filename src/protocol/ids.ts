/**
 * Identifiers, each a string of its own type so that they cannot be mixed up.
 *
 * A node's id *is* its Ed25519 public key (RFC 8032), in lower-case base32 without padding (RFC
 * 4648): 52 characters. Gateways have ids of the same form.
 */
declare const brand: unique symbol
type Branded<TName extends string> = string & { readonly [brand]: TName }

export type NodeId = Branded<'NodeId'>
/**
 * `upstream-` and a configured name: an OpenAI-compatible server without a node of ours in front
 * of it.
 */
export type UpstreamId = Branded<'UpstreamId'>
/** What can be sent a request. */
export type WorkerId = NodeId | UpstreamId
/** `sha256:` and 64 hexadecimal digits over a model's manifest: the same model, the same digest. */
export type ModelDigest = Branded<'ModelDigest'>
export type RequestId = Branded<'RequestId'>
export type DecisionId = Branded<'DecisionId'>

export const publicKeyLengthBytes = 32

/** RFC 4648, in lower case. */
export const base32Alphabet = 'abcdefghijklmnopqrstuvwxyz234567'
const alphabetCodes = Buffer.from(base32Alphabet, 'latin1')
const nodeIdPattern = /^[a-z2-7]{51}[aq]$/
const modelDigestPattern = /^sha256:[0-9a-f]{64}$/
const upstreamIdPattern = /^upstream-[a-z0-9][a-z0-9-]{0,62}$/
const decisionIdPattern = /^dec_[a-z2-7]{26}$/

export function isNodeId(text: string): text is NodeId {
  return nodeIdPattern.test(text)
}

export function isUpstreamId(text: string): text is UpstreamId {
  return upstreamIdPattern.test(text)
}

export function isModelDigest(text: string): text is ModelDigest {
  return modelDigestPattern.test(text)
}

export function isDecisionId(text: string): text is DecisionId {
  return decisionIdPattern.test(text)
}

/** @param publicKey 32 bytes, Ed25519 */
export function nodeIdOf(publicKey: Uint8Array): NodeId {
  if (publicKey.length !== publicKeyLengthBytes) {
    throw new RangeError(`an Ed25519 public key has 32 bytes, not ${publicKey.length}`)
  }
  return base32Of(publicKey) as NodeId
}

/** Decoded keys; every envelope needs some. A process talks to fewer peers than this. */
const publicKeysMax = 4096
const publicKeys = new Map<NodeId, Uint8Array>()

/** The 32 bytes of the Ed25519 public key that the id stands for; not to be written to. */
export function publicKeyOf(id: NodeId): Uint8Array {
  let key = publicKeys.get(id)
  if (key === undefined) {
    key = decodedKey(id)
    if (publicKeys.size >= publicKeysMax) publicKeys.clear()
    publicKeys.set(id, key)
  }
  return key
}

function decodedKey(id: NodeId): Uint8Array {
  const key = new Uint8Array(publicKeyLengthBytes)
  let bits = 0
  let value = 0
  let at = 0
  for (const character of id) {
    value = (value << 5) | base32Alphabet.indexOf(character)
    bits += 5
    if (bits >= 8) {
      bits -= 8
      key[at++] = (value >>> bits) & 0xff
    }
  }
  return key
}

/** The first 8 characters, for people; never to be compared by a program. */
export function shortId(id: NodeId): string {
  return id.slice(0, 8)
}

export function modelDigestOf(hexadecimalSha256: string): ModelDigest {
  return `sha256:${hexadecimalSha256}` as ModelDigest
}

/** @param random16 16 random bytes */
export function requestIdOf(random16: Uint8Array): RequestId {
  return `req_${base32Of(random16)}` as RequestId
}

/** @param bytes 16, of them at least 10 random */
export function decisionIdOf(bytes: Uint8Array): DecisionId {
  return `dec_${base32Of(bytes)}` as DecisionId
}

/** Written as bytes: a text that grows letter by letter is a chain of texts. */
export function base32Of(bytes: Uint8Array): string {
  const letters = bytes.length <= scratchBytesMax ? scratch : Buffer.allocUnsafe(bytes.length * 2)
  let length = 0
  let bits = 0
  let value = 0
  for (const byte of bytes) {
    value = ((value << 8) | byte) & 0xffff
    bits += 8
    while (bits >= 5) {
      bits -= 5
      letters[length++] = alphabetCodes[(value >>> bits) & 31] ?? 0
    }
  }
  if (bits > 0) letters[length++] = alphabetCodes[(value << (5 - bits)) & 31] ?? 0
  return letters.toString('latin1', 0, length)
}

const scratchBytesMax = 64
const scratch = Buffer.alloc(scratchBytesMax * 2)
