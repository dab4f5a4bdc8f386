/**
 * The certificate that carries a node's Ed25519 key through TLS: self-signed, X.509 v3 (RFC 5280,
 * RFC 8410).
 *
 * Peers look only at its public key, which is the node's id, and at TLS's proof that the peer has
 * the private one. So it names the id, never expires (RFC 5280 §4.1.2.5) and says nothing else. The
 * structure is fixed and small enough to be written out here as DER.
 */
import { createPublicKey, type KeyObject, sign, type X509Certificate } from 'node:crypto'
import { type NodeId, nodeIdOf, publicKeyOf } from '../../protocol/index.ts'

/** What a certificate needs of an `Identity`. */
export interface CertificateIdentity {
  readonly id: NodeId
  readonly privateKey: KeyObject
}

export interface Credentials {
  /** PEM, for TLS and for clients that want to pin this node. */
  readonly certificate: string
  /** PEM; stays in memory. */
  readonly privateKey: string
}

/**
 * The fixed DER bytes before the 32 of the key in an Ed25519 SubjectPublicKeyInfo (RFC 8410 §4).
 */
const publicKeyInfoPrefix = Buffer.from('302a300506032b6570032100', 'hex')
const ed25519Algorithm = Buffer.from('300506032b6570', 'hex')

export function createCredentials(identity: CertificateIdentity): Credentials {
  const certificate = certificateBytes(identity)
  const text = certificate.toString('base64').replace(/.{64}(?=.)/g, '$&\n')
  return {
    certificate: `-----BEGIN CERTIFICATE-----\n${text}\n-----END CERTIFICATE-----\n`,
    privateKey: identity.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  }
}

/**
 * The id that a peer's certificate stands for; undefined when there is none or its key is not
 * Ed25519.
 */
export function certificateId(certificate: X509Certificate | undefined): NodeId | undefined {
  if (certificate === undefined) return undefined
  try {
    const key = certificate.publicKey
    if (key.asymmetricKeyType !== 'ed25519') return undefined
    return nodeIdOf(
      key.export({ type: 'spki', format: 'der' }).subarray(publicKeyInfoPrefix.length),
    )
  } catch {
    return undefined // a key that OpenSSL cannot read
  }
}

function certificateBytes(identity: CertificateIdentity): Buffer {
  const publicKey = createPublicKey(identity.privateKey)
  const publicKeyInfo = publicKey.export({ type: 'spki', format: 'der' })
  const expected = Buffer.concat([publicKeyInfoPrefix, publicKeyOf(identity.id)])
  if (!expected.equals(publicKeyInfo)) {
    throw new RangeError('the id is not that of the private key, or the key is not Ed25519')
  }
  const name = distinguishedName(identity.id)
  const body = sequence(
    der(0xa0, der(0x02, Buffer.from([2]))), // version 3
    der(0x02, Buffer.concat([Buffer.from([1]), expected.subarray(-8)])), // serial number, positive
    ed25519Algorithm,
    name, // issuer
    sequence(der(0x17, Buffer.from('240101000000Z')), der(0x18, Buffer.from('99991231235959Z'))),
    name, // subject
    expected,
    der(0xa3, sequence(subjectAlternativeName(identity.id))),
  )
  const signature = sign(null, body, identity.privateKey)
  return sequence(body, ed25519Algorithm, der(0x03, Buffer.concat([Buffer.from([0]), signature])))
}

/** `CN=<id>`; the object identifier is 2.5.4.3. */
function distinguishedName(id: NodeId): Buffer {
  const commonName = sequence(Buffer.from('0603550403', 'hex'), der(0x0c, Buffer.from(id)))
  return sequence(der(0x31, commonName))
}

/** The id as a DNS name, for clients that check names; the object identifier is 2.5.29.17. */
function subjectAlternativeName(id: NodeId): Buffer {
  const names = sequence(der(0x82, Buffer.from(id)))
  return sequence(Buffer.from('0603551d11', 'hex'), der(0x04, names))
}

function sequence(...parts: readonly Buffer[]): Buffer {
  return der(0x30, Buffer.concat(parts))
}

function der(tag: number, content: Buffer): Buffer {
  const { length } = content
  if (length < 0x80) return Buffer.concat([Buffer.from([tag, length]), content])
  if (length < 0x100) return Buffer.concat([Buffer.from([tag, 0x81, length]), content])
  return Buffer.concat([Buffer.from([tag, 0x82, length >> 8, length & 0xff]), content])
}
