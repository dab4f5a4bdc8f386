/** Each factor of a record by itself: what changes it, and that it changes nothing else. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { ManualClock } from '../base/index.ts'
import { type Blame, decisionIdOf, nodeIdOf, type WorkerId } from '../protocol/index.ts'
import { EvidenceBook } from './evidence-book.ts'
import type { Observation } from './observation.ts'
import { newcomer } from './record.ts'
import type { SightingKind } from './sighting.ts'

const worker: WorkerId = nodeIdOf(new Uint8Array(32).fill(1))

function bookOf(successes: number) {
  const clock = new ManualClock()
  const book = new EvidenceBook({ clock })
  const observe = (change: Partial<Observation>) =>
    book.observe({
      atMs: clock.now(),
      worker,
      model: 'm',
      decision: decisionIdOf(new Uint8Array(16)),
      attempt: 0,
      outcome: { kind: 'completed' },
      blame: 'nobody',
      ttftMs: null,
      tpotMs: null,
      promptTokens: 1,
      completionTokens: 1,
      inFlight: 0,
      load: 0,
      ...change,
    })
  const sight = (kind: SightingKind) =>
    book.sight({ worker, kind, fromMs: clock.now(), atMs: clock.now() })
  for (let i = 0; i < successes; i += 1) observe({})
  return { book, clock, observe, sight, read: (model = 'm') => book.evidence(worker, model) }
}

const counts = fc.integer({ min: 0, max: 200 })
const failed = (code: 'node_failed' | 'invalid_signature') =>
  ({ kind: 'failed', code, phase: 'mid-stream' }) as const

test('a fault that is no answer lowers cleanliness, and nothing else', () => {
  fc.assert(
    fc.property(counts, (successes) => {
      const { read, sight } = bookOf(successes)
      const { clean, ...others } = read()
      sight('fault')
      const { clean: after, ...same } = read()
      assert.ok(after.lowerBound < clean.lowerBound && after.mean < clean.mean)
      assert.deepEqual(same, others)
      assert.ok(read('another model').clean.mean < newcomer.clean.mean)
    }),
    { numRuns: 50 },
  )
})

test('a loss lowers presence, and nothing else', () => {
  fc.assert(
    fc.property(counts, (successes) => {
      const { read, sight } = bookOf(successes)
      const { hazard, ...others } = read()
      sight('lost')
      const { hazard: after, ...same } = read()
      assert.ok(after.upper > hazard.upper)
      assert.deepEqual(same, others)
    }),
    { numRuns: 50 },
  )
})

test('a failure lowers completion; only one that broke the rules lowers cleanliness too', () => {
  fc.assert(
    fc.property(counts, (successes) => {
      const plain = bookOf(successes)
      const before = plain.read()
      plain.observe({ outcome: failed('node_failed'), blame: 'node' })
      assert.ok(plain.read().completion.lowerBound < before.completion.lowerBound)
      assert.deepEqual(plain.read().clean, before.clean)
      const forger = bookOf(successes)
      forger.observe({ outcome: failed('invalid_signature'), blame: 'node' })
      assert.ok(forger.read().clean.lowerBound < before.clean.lowerBound)
    }),
    { numRuns: 50 },
  )
})

test('a time lowers or raises latency at its load, and nothing else', () => {
  const { observe, read } = bookOf(50)
  const { completion, hazard, clean } = read()
  const outcome = { kind: 'abandoned' } as const
  observe({ outcome, blame: 'client', ttftMs: 900, load: 2 })
  const { latency, ...others } = read()
  assert.equal(latency?.record.at('ttft', 2)?.within(500), 0)
  assert.equal(latency?.record.at('ttft', 0), undefined)
  assert.deepEqual([others.completion, others.hazard, others.clean], [completion, hazard, clean])
})

test('what is not the worker’s own fault changes nothing', () => {
  const blames: readonly Blame[] = ['client', 'gateway', 'nobody']
  for (const blame of blames) {
    for (const code of ['node_failed', 'invalid_signature'] as const) {
      const { observe, read } = bookOf(20)
      const { completion, clean, hazard } = read()
      observe({ outcome: failed(code), blame })
      const after = read()
      assert.deepEqual([after.completion, after.clean], [completion, clean], `${blame} ${code}`)
      assert.deepEqual(after.hazard, hazard)
    }
  }
  // The network's failures count for completion, since the way is a part of the answer; no more.
  const { observe, read } = bookOf(20)
  const { clean } = read()
  observe({ outcome: failed('invalid_signature'), blame: 'network' })
  assert.deepEqual(read().clean, clean)
})

test('a new identity buys no clean record: it is below any that answered, in every factor', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 200 }), (successes) => {
      const { clock, book, read } = bookOf(successes)
      clock.advance(60_000)
      book.sight({ worker, kind: 'present', fromMs: clock.now() - 60_000, atMs: clock.now() })
      const seen = read()
      assert.ok(newcomer.completion.lowerBound < seen.completion.lowerBound)
      assert.ok(newcomer.clean.lowerBound < seen.clean.lowerBound)
      assert.ok(newcomer.hazard.upper > seen.hazard.upper)
    }),
    { numRuns: 50 },
  )
})

test('sightings in another order, or told in pieces, come to the same record', () => {
  const start = new ManualClock().now()
  const at = (ms: number) => start + ms
  const told = [
    { worker, kind: 'present' as const, fromMs: at(0), atMs: at(600_000) },
    { worker, kind: 'lost' as const, fromMs: at(600_000), atMs: at(900_000) },
    { worker, kind: 'fault' as const, fromMs: at(950_000), atMs: at(950_000) },
  ]
  const read = (order: typeof told) => {
    const clock = new ManualClock()
    clock.advance(1_000_000)
    const book = new EvidenceBook({ clock })
    book.restore([], order)
    return book.evidence(worker, 'm')
  }
  const [one, other] = [read(told), read([...told].reverse())]
  assert.ok(Math.abs(one.hazard.upper / other.hazard.upper - 1) < 1e-9)
  assert.ok(Math.abs(one.clean.mean - other.clean.mean) < 1e-9)
  assert.ok(one.hazard.ends > 0.9 && one.clean.mean < newcomer.clean.mean)
})

test('without a fault, cleanliness is as sure as completion without a failure', () => {
  fc.assert(
    fc.property(counts, fc.nat({ max: 10_000_000 }), (successes, waitMs) => {
      const { clock, read } = bookOf(successes)
      clock.advance(waitMs)
      const { clean, completion } = read()
      assert.ok(Math.abs(clean.lowerBound - completion.lowerBound) < 1e-3)
      assert.ok(Math.abs(clean.upperBound - completion.upperBound) < 1e-3)
      assert.ok(Math.abs(clean.mean - completion.mean) < 1e-9)
    }),
    { numRuns: 50 },
  )
})
