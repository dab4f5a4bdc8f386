import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { seededRandom } from '../base/index.ts'
import { RateRecord } from './rate.ts'

const halfLifeMs = 600_000

function recordOf(tpots: readonly number[]): RateRecord {
  const record = new RateRecord(halfLifeMs)
  for (const tpotMs of tpots) record.add(tpotMs, 0)
  return record
}

test('too few answers say nothing', () => {
  assert.equal(recordOf([]).estimate(0), undefined)
  assert.equal(recordOf([20, 20]).estimate(0), undefined)
  assert.equal(recordOf([20, 20, 20]).estimate(0)?.samples, 3)
})

test('the bounds hold the median of what is drawn in 90 % of cases', () => {
  const random = seededRandom(7)
  let within = 0
  for (let run = 0; run < 1_000; run += 1) {
    // Skewed, and a median of 20 ms per token.
    const tpots = Array.from({ length: 20 }, () => 20 * (random.float() / random.float()) ** 0.2)
    const { lower = 0, upper = 0 } = recordOf(tpots).estimate(0) ?? {}
    if (lower <= 50 && upper >= 50) within += 1
  }
  assert.ok(within > 860 && within < 960, `${within}`)
})

test('more answers alike, narrower bounds; time widens them, until nothing is known', () => {
  const widthOf = (answers: number, now: number) => {
    const estimate = recordOf(Array<number>(answers).fill(20)).estimate(now)
    return estimate === undefined ? undefined : estimate.upper / estimate.lower
  }
  const [few = 0, many = 0] = [widthOf(3, 0), widthOf(100, 0)]
  assert.ok(few > many)
  assert.ok(many < 1.05)
  assert.ok((widthOf(100, 3 * halfLifeMs) ?? 0) > many)
  assert.equal(widthOf(100, 7 * halfLifeMs), undefined)
})

test('one answer that was held up moves little', () => {
  const tpots = [...Array<number>(29).fill(20), 2_000]
  const { median = 0 } = recordOf(tpots).estimate(0) ?? {}
  assert.ok(median > 40 && median < 50, `${median}`)
})

test('measured anew, what was before does not count', () => {
  const record = recordOf(Array<number>(50).fill(100))
  record.forget()
  assert.equal(record.estimate(0), undefined)
  for (let i = 0; i < 3; i += 1) record.add(10, 0)
  assert.ok(Math.abs((record.estimate(0)?.median ?? 0) - 100) < 1e-6)
})

test('whatever is added and however the clock goes, bounds are in order', () => {
  const step = fc.record({
    tpotMs: fc.oneof(fc.double(), fc.double({ min: 0, max: 1e4, noNaN: true })),
    atMs: fc.integer({ min: 0, max: 1e7 }),
  })
  fc.assert(
    fc.property(fc.array(step), fc.integer({ min: 0, max: 1e7 }), (steps, now) => {
      const record = new RateRecord(halfLifeMs)
      for (const { tpotMs, atMs } of steps) record.add(tpotMs, atMs)
      record.comeBack(now)
      const estimate = record.estimate(now)
      if (estimate === undefined) return
      const { lower, median, upper, samples } = estimate
      assert.ok(lower <= median && median <= upper && lower >= 0 && samples >= 1)
    }),
  )
})
