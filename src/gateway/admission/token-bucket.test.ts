import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { TokenBucket } from './token-bucket.ts'

test('a full bucket gives a minute’s worth at once, then refills evenly', () => {
  const bucket = new TokenBucket(60, 0)
  assert.equal(bucket.waitMs(60, 0), 0)
  bucket.take(60, 0)
  assert.equal(bucket.waitMs(1, 0), 1000)
  assert.equal(bucket.waitMs(1, 1000), 0)
  assert.deepEqual(bucket.state(30_000), { limit: 60, remaining: 30, resetMs: 30_000 })
})

test('a request above the limit waits for a full bucket instead of for ever', () => {
  const bucket = new TokenBucket(60, 0)
  assert.equal(bucket.waitMs(1000, 0), 0)
  bucket.take(1, 0)
  assert.equal(bucket.waitMs(1000, 0), 1000)
})

test('over any time, no more is let in than the limit allows', () => {
  const step = fc.record({ afterMs: fc.nat(5000), amount: fc.integer({ min: 1, max: 50 }) })
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1000 }), fc.array(step), (limit, steps) => {
      const bucket = new TokenBucket(limit, 0)
      let now = 0
      let taken = 0
      for (const { afterMs, amount } of steps) {
        now += afterMs
        if (amount > limit || bucket.waitMs(amount, now) > 0) continue
        bucket.take(amount, now)
        taken += amount
      }
      assert.ok(taken <= limit + (limit * now) / 60_000 + 1e-6)
    }),
  )
})

test('whoever waits as long as told gets in', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1e6 }), fc.nat(1000), (limit, percent) => {
      const bucket = new TokenBucket(limit, 0)
      bucket.take(limit, 0)
      const amount = Math.max(1, Math.floor((limit * percent) / 1000))
      assert.equal(bucket.waitMs(amount, bucket.waitMs(amount, 0) + 1), 0)
    }),
  )
})
