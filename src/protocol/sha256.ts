/**
 * SHA-256 of what is small and hashed often.
 *
 * Node.js makes memory outside of V8's heap for every buffer that a hash returns, which costs twice
 * as much as hashing a few hundred bytes and is work for the collector. So the digest comes as
 * text, a byte per character, and is written where it is needed.
 */
import { hash } from 'node:crypto'

export const sha256LengthBytes = 32

export function sha256(bytes: Uint8Array): Uint8Array {
  const digest = new Uint8Array(sha256LengthBytes)
  writeSha256(bytes, digest)
  return digest
}

/** Writes the digest of `bytes` to the beginning of `target`. */
export function writeSha256(bytes: Uint8Array, target: Uint8Array): void {
  const text = hash('sha256', bytes, 'latin1')
  for (let i = 0; i < sha256LengthBytes; i += 1) target[i] = text.charCodeAt(i)
}
