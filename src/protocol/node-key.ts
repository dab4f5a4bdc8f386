/**
 * A node's key: the first 80 bits of its id, for messages that name thousands of nodes again and
 * again.
 *
 * To make a second key pair with a given node's key takes 2^80 tries; two of one's own with the
 * same key take 2^40, and harm nobody but their maker: the first that is known keeps the key.
 */
import { base32Alphabet, base32Of, type NodeId } from './ids.ts'

declare const brand: unique symbol

/** 16 letters of base32. */
export type NodeKey = string & { readonly [brand]: 'NodeKey' }

export const nodeKeyLengthBytes = 10
const nodeKeyLetters = 16

export function nodeKeyOf(id: NodeId): NodeKey {
  return id.slice(0, nodeKeyLetters) as NodeKey
}

/** Reads the 10 bytes at `at`. */
export function readNodeKey(bytes: Uint8Array, at: number): NodeKey {
  return base32Of(bytes.subarray(at, at + nodeKeyLengthBytes)) as string as NodeKey
}

/** Writes 10 bytes at `at`. */
export function writeNodeKey(key: NodeKey, bytes: Uint8Array, at: number): void {
  let bits = 0
  let value = 0
  let place = at
  for (let i = 0; i < nodeKeyLetters; i += 1) {
    value = ((value << 5) | (letterValues[key.charCodeAt(i)] ?? 0)) & 0xffff
    bits += 5
    if (bits < 8) continue
    bits -= 8
    bytes[place] = (value >>> bits) & 0xff
    place += 1
  }
}

const letterValues = new Uint8Array(128)
for (const [value, letter] of [...base32Alphabet].entries()) {
  letterValues[letter.charCodeAt(0)] = value
}
