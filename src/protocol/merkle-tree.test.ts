import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import { AssertionFailure } from '../base/index.ts'
import { type Inclusion, leafHash, MerkleTree, proofLength, rootOf } from './merkle-tree.ts'

const sizes = Array.from({ length: 70 }, (_, i) => i + 1)

test('every leaf of every small tree has a proof, as long as the tree is high at most', () => {
  for (const size of sizes) {
    const leaves = leavesOf(size)
    const tree = new MerkleTree(leaves)
    const { root } = tree
    const inclusions = leaves.map((_, index) => tree.inclusion(index))
    assert.equal(inclusions.length, size)
    for (const [index, inclusion] of inclusions.entries()) {
      assert.equal(inclusion.index, index)
      assert.equal(inclusion.treeSize, size)
      assert.ok(inclusion.siblings.length <= 32 * Math.ceil(Math.log2(size)))
      assert.deepEqual(rootOf(leafAt(leaves, index), inclusion), root)
    }
  }
})

test('the root is that of RFC 6962, written down as the RFC has it', () => {
  for (const size of sizes) {
    const contents = contentsOf(size)
    assert.ok(isSame(new MerkleTree(contents.map(leafHash)).root, treeHash(contents)))
  }
})

test('the root is that of the test vectors of Certificate Transparency', () => {
  const contents = [
    '',
    '00',
    '10',
    '2021',
    '3031',
    '40414243',
    '5051525354555657',
    '606162636465666768696a6b6c6d6e6f',
  ].map((hexadecimal) => Buffer.from(hexadecimal, 'hex'))
  const roots = [
    '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
    'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
    'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
    'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
    '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
    '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
    'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
    '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
  ]
  for (const [i, root] of roots.entries()) {
    const leaves = contents.slice(0, i + 1).map(leafHash)
    assert.equal(Buffer.from(new MerkleTree(leaves).root).toString('hex'), root)
  }
})

test('no other place has the proof of a place', () => {
  for (const size of sizes.slice(0, 20)) {
    const leaves = leavesOf(size)
    const tree = new MerkleTree(leaves)
    const { root } = tree
    const inclusions = leaves.map((_, index) => tree.inclusion(index))
    for (const [index, inclusion] of inclusions.entries()) {
      for (let otherSize = 1; otherSize <= 40; otherSize += 1) {
        for (let other = 0; other < otherSize; other += 1) {
          if (other === index && otherSize === size) continue
          const claimed = { ...inclusion, index: other, treeSize: otherSize }
          const found = rootOf(leafAt(leaves, index), claimed)
          // A place of the same way up in a tree of another size: the statement of the root has it.
          if (found !== undefined && isSame(found, root)) assert.notEqual(otherSize, size)
        }
      }
    }
  }
})

test('a flipped bit of leaf or siblings leads to another root', () => {
  fc.assert(
    fc.property(treeAndPlace, fc.nat(), (at, flipped) => {
      const { leaf, inclusion, root } = place(at)
      const whole = flipBit(Buffer.concat([leaf, inclusion.siblings]), flipped)
      const siblings = whole.subarray(32)
      const found = rootOf(whole.subarray(0, 32), { ...inclusion, siblings })
      assert.ok(found !== undefined && !isSame(found, root))
    }),
  )
})

test('a proof of any other length is none', () => {
  fc.assert(
    fc.property(treeAndPlace, fc.nat(32 * 12), (at, length) => {
      const { leaf, inclusion } = place(at)
      fc.pre(length !== inclusion.siblings.length)
      const siblings = new Uint8Array(length)
      siblings.set(inclusion.siblings.subarray(0, length))
      assert.equal(rootOf(leaf, { ...inclusion, siblings }), undefined)
    }),
  )
})

test('a place outside of its tree, or of no tree, is none', () => {
  const leaf = leafHash(Buffer.from('a'))
  const places = [
    [-1, 2],
    [2, 2],
    [3, 2],
    [0, 0],
    [0, -1],
    [0.5, 2],
    [0, 1.5],
    [Number.NaN, 2],
    [0, Number.NaN],
    [0, 2 ** 31 + 1],
    [0, Number.POSITIVE_INFINITY],
  ] as const
  for (const [index, treeSize] of places) {
    for (let hashes = 0; hashes <= 33; hashes += 1) {
      const inclusion = { index, treeSize, siblings: new Uint8Array(32 * hashes) }
      assert.equal(rootOf(leaf, inclusion), undefined)
    }
  }
})

test('an inner node does not pass for a leaf', () => {
  for (const size of sizes.slice(2)) {
    const leaves = leavesOf(size)
    const tree = new MerkleTree(leaves)
    const { root } = tree
    const inclusions = leaves.map((_, index) => tree.inclusion(index))
    for (let left = 0; left + 1 < size; left += 2) {
      const { siblings } = inclusions[left] ?? { siblings: new Uint8Array(0) }
      // The way up from the parent of two leaves, with what was hashed there as a leaf's content.
      const content = Buffer.concat([leafAt(leaves, left), leafAt(leaves, left + 1)])
      const found = rootOf(leafHash(content), {
        index: left / 2,
        treeSize: Math.ceil(size / 2),
        siblings: siblings.subarray(32),
      })
      assert.ok(found !== undefined && !isSame(found, root))
    }
  }
})

test('the last leaf twice makes another tree', () => {
  for (const size of sizes) {
    const leaves = leavesOf(size)
    const { root } = new MerkleTree(leaves)
    const doubled = new MerkleTree([...leaves, leafAt(leaves, size - 1)])
    assert.ok(!isSame(doubled.root, root))
  }
})

test('a tree without leaves is a programmer error', () => {
  assert.throws(() => new MerkleTree([]), AssertionFailure)
})

test('the proof of a place in the largest tree has a bounded length', () => {
  assert.equal(proofLength(0, 2 ** 31), 31)
  assert.equal(proofLength(2 ** 31 - 1, 2 ** 31), 31)
  assert.equal(proofLength(0, 1), 0)
  assert.equal(proofLength(2, 3), 1)
})

const treeAndPlace = fc
  .integer({ min: 1, max: 70 })
  .chain((size) => fc.record({ size: fc.constant(size), index: fc.nat(size - 1) }))

function place({ size, index }: { readonly size: number; readonly index: number }) {
  const leaves = leavesOf(size)
  const tree = new MerkleTree(leaves)
  const { root } = tree
  const inclusions = leaves.map((_, index) => tree.inclusion(index))
  const inclusion: Inclusion | undefined = inclusions[index]
  assert.ok(inclusion !== undefined)
  return { leaf: leafAt(leaves, index), inclusion, root }
}

/** MTH of RFC 6962 §2.1, by recursion. */
function treeHash(contents: readonly Uint8Array[]): Buffer {
  const [only = Buffer.alloc(0)] = contents
  if (contents.length === 1) return sha256(Uint8Array.of(0), only)
  let split = 1
  while (split * 2 < contents.length) split *= 2
  const [left, right] = [contents.slice(0, split), contents.slice(split)]
  return sha256(Uint8Array.of(1), treeHash(left), treeHash(right))
}

function sha256(...parts: readonly Uint8Array[]): Buffer {
  return createHash('sha256').update(Buffer.concat(parts)).digest()
}

function contentsOf(size: number): readonly Buffer[] {
  return Array.from({ length: size }, (_, i) => Buffer.from(`leaf ${i}`))
}

function leavesOf(size: number): readonly Uint8Array[] {
  return contentsOf(size).map(leafHash)
}

function leafAt(leaves: readonly Uint8Array[], index: number): Uint8Array {
  const leaf = leaves[index]
  assert.ok(leaf !== undefined)
  return leaf
}

function flipBit(bytes: Uint8Array, bit: number): Buffer {
  const flipped = Buffer.from(bytes)
  const at = bit % (8 * bytes.length)
  flipped[at >> 3] = (flipped[at >> 3] ?? 0) ^ (1 << (at & 7))
  return flipped
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0
}
