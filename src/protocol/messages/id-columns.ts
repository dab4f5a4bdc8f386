/** Lists of ids as one vector of bytes, and what stands beside each of them. */
import type { Builder, Offset } from 'flatbuffers'
import { type NodeId, nodeIdOf, publicKeyLengthBytes, publicKeyOf } from '../ids.ts'
import { checkLength } from './decode.ts'
import { malformed } from './verify-buffer.ts'

/** 0, absent, for none. */
export function writeIds<T>(to: Builder, items: readonly T[], idOf: (item: T) => NodeId): Offset {
  if (items.length === 0) return 0
  const bytes = new Uint8Array(items.length * publicKeyLengthBytes)
  for (const [i, item] of items.entries()) {
    bytes.set(publicKeyOf(idOf(item)), i * publicKeyLengthBytes)
  }
  return to.createByteVector(bytes)
}

export function readIds(
  bytes: Uint8Array | null,
  { name, lengthMax }: { readonly name: string; readonly lengthMax: number },
): NodeId[] {
  if (bytes === null) return []
  if (bytes.length % publicKeyLengthBytes !== 0) throw malformed(`${name} is not a list of ids`)
  const length = bytes.length / publicKeyLengthBytes
  checkLength(length, name, lengthMax)
  return Array.from({ length }, (_, i) => {
    const start = i * publicKeyLengthBytes
    return nodeIdOf(bytes.subarray(start, start + publicKeyLengthBytes))
  })
}
