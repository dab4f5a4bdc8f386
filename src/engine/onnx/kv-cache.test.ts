import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { KvCache } from './kv-cache.ts'

const rows = 5
const capacity = 6
const options = {
  architecture: { keyValueHeads: 2, headSize: 3 },
  layers: 2,
  rows,
  capacity,
  type: 'float32',
} as const

test('gathered slots lie side by side and keep what they hold', () => {
  const slot = fc.integer({ min: 0, max: rows - 1 })
  const action = fc.oneof(
    fc.record({ kind: fc.constant('hold' as const), slot, tokens: fc.nat(capacity) }),
    fc.record({
      kind: fc.constant('gather' as const),
      slots: fc.uniqueArray(slot, { minLength: 1, maxLength: rows }),
    }),
  )
  fc.assert(
    fc.property(fc.array(action, { maxLength: 30 }), (actions) => {
      const cache = new KvCache(options)
      const held = new Array<number>(rows).fill(0)
      let stamp = 0
      const stamps = new Array<number>(rows).fill(0)
      for (const step of actions) {
        if (step.kind === 'hold') {
          stamp += 1
          stamps[step.slot] = stamp
          held[step.slot] = step.tokens
          write(cache, step.slot, { tokens: step.tokens, stamp })
        } else {
          const first = cache.gather(step.slots)
          const occupied = step.slots.map((s) => cache.rowOf(s)).sort((a, b) => a - b)
          assert.deepEqual(
            occupied,
            step.slots.map((_, i) => first + i),
          )
        }
        for (let s = 0; s < rows; s += 1)
          check(cache, s, { tokens: held[s] ?? 0, stamp: stamps[s] ?? 0 })
      }
    }),
    { numRuns: 200 },
  )
})

test('slots that lie side by side are not moved', () => {
  const cache = new KvCache(options)
  assert.equal(cache.gather([2, 1]), 1)
  assert.equal(cache.rowOf(1), 1)
  assert.equal(cache.rowOf(2), 2)
})

test('a cache that grows keeps what its slots hold', () => {
  const cache = new KvCache({ ...options, capacity: 3 })
  for (let slot = 0; slot < rows; slot += 1) {
    write(cache, slot, { tokens: slot % 4, stamp: slot })
  }
  cache.gather([4, 0])
  cache.grow(capacity)
  assert.equal(cache.capacity, capacity)
  for (let slot = 0; slot < rows; slot += 1) {
    check(cache, slot, { tokens: slot % 4, stamp: slot })
  }
})

test('a cache that no machine can hold is refused with its size', () => {
  const huge = { ...options, rows: 2 ** 20, capacity: 2 ** 20 }
  assert.throws(() => new KvCache(huge), /MB for the KV cache of 1048576 slots/)
})

test('a view is the cache itself, not a copy', () => {
  const cache = new KvCache(options)
  cache.view(3, 1, 2).values[0] = 9
  assert.equal(cache.view(3, 0, 5).values[36], 9)
  assert.deepEqual(cache.view(3, 1, 2).shape, [2, 2, capacity, 3])
})

interface Content {
  readonly tokens: number
  readonly stamp: number
}

function write(cache: KvCache, slot: number, { tokens, stamp }: Content): void {
  for (let index = 0; index < 4; index += 1) {
    const { values } = cache.view(index, cache.rowOf(slot), 1)
    for (let head = 0; head < 2; head += 1) {
      for (let i = 0; i < tokens * 3; i += 1) {
        values[head * cache.capacity * 3 + i] = stamp * 1000 + index * 100 + head * 50 + i
      }
    }
  }
  cache.hold(slot, tokens)
}

function check(cache: KvCache, slot: number, { tokens, stamp }: Content): void {
  for (let index = 0; index < 4; index += 1) {
    const { values } = cache.view(index, cache.rowOf(slot), 1)
    for (let head = 0; head < 2; head += 1) {
      for (let i = 0; i < tokens * 3; i += 1) {
        const expected = stamp * 1000 + index * 100 + head * 50 + i
        assert.equal(values[head * cache.capacity * 3 + i], expected)
      }
    }
  }
}
