import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { LatencyRecord, loadClassOf } from './latency-record.ts'
import { LatencySketch } from './latency-sketch.ts'

const halfLifeMs = 600_000
const times = fc.array(fc.double({ min: 0.5, max: 60_000, noNaN: true }), {
  minLength: 1,
  maxLength: 200,
})

test('shares and quantiles are those of what was seen, but for a bucket’s width', () => {
  fc.assert(
    fc.property(times, fc.double({ min: 0, max: 1, noNaN: true }), (seen, share) => {
      const sketch = new LatencySketch(halfLifeMs)
      for (const ms of seen) sketch.add(ms, 5)
      const sorted = [...seen].sort((a, b) => a - b)
      const least = sorted[Math.max(0, Math.ceil(share * seen.length) - 1)] ?? 0
      const found = sketch.quantile(share) ?? 0
      // The first bucket holds all that is under 1 ms; the others are 26 % wide.
      assert.ok(found <= Math.max(1, least * 1.27) && found >= (least > 1 ? least / 1.27 : 0))
      const limitMs = least
      const within = sketch.within(limitMs)
      const surely = sorted.filter((ms) => ms <= limitMs / 1.27).length
      const atMost = sorted.filter((ms) => ms <= Math.max(1, limitMs * 1.27)).length
      assert.ok(within >= surely / seen.length - 1e-5 && within <= atMost / seen.length + 1e-5)
    }),
  )
})

test('a longer limit holds no fewer', () => {
  fc.assert(
    fc.property(times, fc.double({ min: 0, max: 70_000, noNaN: true }), (seen, limitMs) => {
      const sketch = new LatencySketch(halfLifeMs)
      for (const ms of seen) sketch.add(ms, 0)
      assert.ok(sketch.within(limitMs) <= sketch.within(limitMs * 1.5) + 1e-9)
    }),
  )
})

test('what is older weighs less, over years too', () => {
  const sketch = new LatencySketch(halfLifeMs)
  for (let i = 0; i < 100; i += 1) sketch.add(10, 0)
  for (let i = 0; i < 100; i += 1) sketch.add(1_000, halfLifeMs)
  assert.ok(Math.abs(sketch.within(100) - 1 / 3) < 0.001)
  assert.ok(Math.abs(sketch.samples(halfLifeMs) - 150) < 0.01)
  assert.ok(Math.abs(sketch.samples(2 * halfLifeMs) - 75) < 0.01)
  const yearMs = 365 * 24 * 60 * 60_000
  sketch.add(50, yearMs)
  assert.ok(sketch.within(49) < 0.99 && sketch.within(64) > 0.999)
  assert.ok(Math.abs(sketch.samples(yearMs) - 1) < 1e-6)
})

test('times are kept apart by how busy the worker was; unknown loads say nothing', () => {
  const record = new LatencyRecord(halfLifeMs)
  record.add({ timing: 'ttft', atMs: 0 }, 100, 0)
  record.add({ timing: 'ttft', atMs: 0 }, 900, 2)
  record.add({ timing: 'ttft', atMs: 0 }, 400, null)
  record.add({ timing: 'tpot', atMs: 0 }, Number.NaN, 0)
  assert.equal(record.at('ttft', 0.2)?.within(200), 1)
  assert.equal(record.at('ttft', 5)?.within(200), 0)
  assert.equal(record.at('ttft', 0.7), undefined)
  assert.equal(record.at('tpot', 0), undefined)
  assert.deepEqual(
    record.summary(0).map(({ load, timing }) => [load, timing]),
    [
      ['idle', 'ttft'],
      ['queued', 'ttft'],
    ],
  )
  assert.deepEqual([0, 0.5, 0.99, 1].map(loadClassOf), ['idle', 'busy', 'busy', 'queued'])
})
