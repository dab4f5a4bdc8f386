/**
 * A key pair that is who its holder is: Ed25519 (RFC 8032), by the operating system's OpenSSL.
 *
 * Where a private key is kept is not decided here: PEM text goes in and out.
 */
import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
  verify,
} from 'node:crypto'
import { IsochroneError } from './errors.ts'
import { isNodeId, type NodeId, nodeIdOf, publicKeyLengthBytes, publicKeyOf } from './ids.ts'

export interface Identity {
  readonly id: NodeId
  /** 32 bytes. */
  readonly publicKey: Uint8Array
  readonly privateKey: KeyObject
  /** 64 bytes. */
  sign(bytes: Uint8Array): Uint8Array
}

export const signatureLengthBytes = 64

export function createIdentity(): Identity {
  return identityOf(generateKeyPairSync('ed25519').privateKey)
}

/**
 * @param pem PKCS #8, as `identityToPem` gives it
 * @throws IsochroneError `invalid_configuration`
 */
export function identityFromPem(pem: string): Identity {
  let key: KeyObject
  try {
    key = createPrivateKey(pem)
  } catch {
    // The cause stays behind: it may quote the key.
    throw new IsochroneError(
      'invalid_configuration',
      'the identity is not a private key in PEM form (PKCS #8); restore the file from a backup, ' +
        'or remove it for a new identity',
    )
  }
  if (key.asymmetricKeyType !== 'ed25519') {
    throw new IsochroneError(
      'invalid_configuration',
      `the identity is a key of type ${key.asymmetricKeyType ?? 'unknown'}; Ed25519 is needed`,
    )
  }
  return identityOf(key)
}

/** The private key as PKCS #8 in PEM form: a secret. */
export function identityToPem(identity: Identity): string {
  return identity.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
}

/** Whether `signature` is that of `id` over `bytes`. Never throws. */
export function verifySignature(id: NodeId, bytes: Uint8Array, signature: Uint8Array): boolean {
  if (signature.length !== signatureLengthBytes) return false
  const key = keyObjectOf(id)
  return key !== undefined && verify(null, bytes, key, signature)
}

function identityOf(privateKey: KeyObject): Identity {
  const spki = createPublicKey(privateKey).export({ type: 'spki', format: 'der' })
  const publicKey = new Uint8Array(spki.subarray(-publicKeyLengthBytes))
  return {
    id: nodeIdOf(publicKey),
    publicKey,
    privateKey,
    sign: (bytes) => new Uint8Array(sign(null, bytes, privateKey)),
  }
}

/** What precedes the 32 bytes of an Ed25519 key in its SubjectPublicKeyInfo (RFC 8410 §4). */
const spkiPrefix = Buffer.from('302a300506032b6570032100', 'hex')
/**
 * Parsed keys; parsing costs a fifth of a verification. A gateway talks to fewer peers than this.
 */
const keyObjectsMax = 4096
const keyObjects = new Map<NodeId, KeyObject>()

function keyObjectOf(id: NodeId): KeyObject | undefined {
  const known = keyObjects.get(id)
  if (known !== undefined) return known
  if (!isNodeId(id)) return undefined
  let key: KeyObject
  try {
    const der = Buffer.concat([spkiPrefix, publicKeyOf(id)])
    key = createPublicKey({ key: der, format: 'der', type: 'spki' })
  } catch {
    return undefined
  }
  if (keyObjects.size >= keyObjectsMax) keyObjects.clear()
  keyObjects.set(id, key)
  return key
}
