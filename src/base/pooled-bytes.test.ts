import assert from 'node:assert/strict'
import { test } from 'node:test'
import { pooledBytes, pooledCopy } from './pooled-bytes.ts'

test('every piece is writable by its owner only', () => {
  const pieces = Array.from({ length: 200 }, (_, i) => pooledBytes(i).fill(i))
  for (const [i, piece] of pieces.entries()) {
    assert.equal(piece.length, i)
    assert.ok(piece.every((byte) => byte === i))
  }
})

test('a copy is a plain array of bytes, whose slices are copies', () => {
  const original = Uint8Array.of(1, 2, 3)
  const copy = pooledCopy(original)
  assert.deepEqual(copy, original)
  copy.slice()[0] = 9
  original[1] = 9
  assert.deepEqual([...copy], [1, 2, 3])
})

test('numbers of 8 bytes can be read in place', () => {
  for (let length = 0; length < 50; length += 1) assert.equal(pooledBytes(length).byteOffset % 8, 0)
})
