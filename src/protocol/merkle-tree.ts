/**
 * Merkle trees over SHA-256 as RFC 6962 §2.1 (now RFC 9162 §2.1) has them, and proofs that a leaf
 * is in one.
 *
 * Leaves and inner nodes begin with different bytes, so that neither passes for the other. A last
 * node without a neighbour rises as it is: to double it, as Bitcoin does, would give two lists of
 * leaves the same root (CVE-2012-2459). For an index and a size there is one proof and no other.
 */
import { assert, pooledBytes } from '../base/index.ts'
import { sha256, sha256LengthBytes, writeSha256 } from './sha256.ts'

export interface Inclusion {
  /** Of the leaf, from 0. */
  readonly index: number
  /** Leaves in the tree. */
  readonly treeSize: number
  /** 32 bytes each, from the leaf's neighbour to the child of the root. */
  readonly siblings: Uint8Array
}

export const treeHashLengthBytes = sha256LengthBytes
/** What the hash of a leaf begins with, before its content. */
export const leafPrefix = 0x00

/** SHA-256, 32 bytes. */
export function leafHash(content: Uint8Array): Uint8Array {
  const bytes = pooledBytes(1 + content.length)
  bytes[0] = leafPrefix
  bytes.set(content, 1)
  return sha256(bytes)
}

/**
 * The same of content that lies behind a byte of `leafPrefix`, written to the beginning of
 * `target`: what is large is not copied.
 */
export function writeLeafHash(prefixed: Uint8Array, target: Uint8Array): void {
  assert(prefixed[0] === leafPrefix, 'the content lies behind the prefix of leaves')
  writeSha256(prefixed, target)
}

export class MerkleTree {
  /** 32 bytes. */
  readonly root: Uint8Array
  /** Leaves in it. */
  readonly size: number
  /** From the leaves up, without the root. */
  readonly #levels: readonly (readonly Uint8Array[])[]

  /** @param leaves at least one `leafHash` */
  constructor(leaves: readonly Uint8Array[]) {
    assert(leaves.length > 0, 'a tree has at least one leaf')
    const levels: (readonly Uint8Array[])[] = [leaves]
    for (let level = leaves; level.length > 1; ) {
      level = levelAbove(level)
      levels.push(level)
    }
    const root = levels.pop()?.[0]
    assert(root !== undefined, 'a tree has a root')
    this.root = root
    this.size = leaves.length
    this.#levels = levels
  }

  /** The proof that the leaf of that index is in it. */
  inclusion(index: number): Inclusion {
    assert(isPlace(index, this.size), 'the index is that of a leaf')
    const siblings = pooledBytes(proofLength(index, this.size) * treeHashLengthBytes)
    let at = 0
    let place = index
    for (const level of this.#levels) {
      const sibling = level[place ^ 1]
      if (sibling !== undefined) {
        siblings.set(sibling, at)
        at += treeHashLengthBytes
      }
      place >>>= 1
    }
    return { index, treeSize: this.size, siblings }
  }
}

/**
 * The root of the tree in which the leaf would lie so, if the inclusion has the one form that its
 * index and size allow; undefined otherwise.
 */
export function rootOf(leaf: Uint8Array, inclusion: Inclusion): Uint8Array | undefined {
  const { index, treeSize, siblings } = inclusion
  if (!isPlace(index, treeSize)) return undefined
  if (siblings.length !== proofLength(index, treeSize) * treeHashLengthBytes) return undefined
  const node = Uint8Array.from(leaf)
  let at = 0
  let place = index
  for (let last = treeSize - 1; last > 0; last >>>= 1) {
    const isLeft = (place & 1) === 0
    if (!isLeft || place < last) {
      innerBytes.set(node, isLeft ? leftAt : rightAt)
      const siblingAt = isLeft ? rightAt : leftAt
      // One by one: a view of the siblings would be an object for each.
      for (let i = 0; i < treeHashLengthBytes; i += 1) {
        innerBytes[siblingAt + i] = siblings[at + i] ?? 0
      }
      writeSha256(innerBytes, node)
      at += treeHashLengthBytes
    }
    place >>>= 1
  }
  return node
}

/** Hashes in the proof for the leaf of that index; the place has to be one. */
export function proofLength(index: number, treeSize: number): number {
  let length = 0
  let place = index
  for (let last = treeSize - 1; last > 0; last >>>= 1) {
    if ((place & 1) === 1 || place < last) length += 1
    place >>>= 1
  }
  return length
}

function isPlace(index: number, treeSize: number): boolean {
  const isSize = Number.isInteger(treeSize) && treeSize >= 1 && treeSize <= sizeMax
  return isSize && Number.isInteger(index) && index >= 0 && index < treeSize
}

/** Places are shifted as whole numbers of 32 bits. */
const sizeMax = 2 ** 31

function levelAbove(level: readonly Uint8Array[]): Uint8Array[] {
  const above: Uint8Array[] = []
  for (let i = 0; i < level.length; i += 2) {
    const left = level[i]
    const right = level[i + 1]
    assert(left !== undefined, 'a level has no gaps')
    above.push(right === undefined ? left : innerHash(left, right))
  }
  return above
}

const innerPrefix = 0x01
/** Reused: what is hashed is read at once. */
const innerBytes = Buffer.alloc(1 + 2 * treeHashLengthBytes, innerPrefix)
const leftAt = 1
const rightAt = leftAt + treeHashLengthBytes

function innerHash(left: Uint8Array, right: Uint8Array): Uint8Array {
  innerBytes.set(left, leftAt)
  innerBytes.set(right, rightAt)
  return sha256(innerBytes)
}
