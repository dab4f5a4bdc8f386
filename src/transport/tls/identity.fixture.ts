/** A fresh identity for tests. */
import { generateKeyPairSync } from 'node:crypto'
import { nodeIdOf } from '../../protocol/index.ts'
import type { CertificateIdentity } from './certificate.ts'

export function testIdentity(): CertificateIdentity {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  const key = publicKey.export({ type: 'spki', format: 'der' }).subarray(-32)
  return { id: nodeIdOf(key), privateKey }
}
