import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { ManualClock } from '../base/index.ts'
import {
  type Blame,
  decisionIdOf,
  errorCodes,
  isErrorCode,
  nodeIdOf,
  type WorkerId,
} from '../protocol/index.ts'
import { EvidenceBook } from './evidence-book.ts'
import type { Observation, ObservedOutcome } from './observation.ts'
import { completionHalfLifeMs, newcomer } from './record.ts'

const worker = (number: number): WorkerId => nodeIdOf(new Uint8Array(32).fill(number))
const failed: ObservedOutcome = { kind: 'failed', code: 'node_failed', phase: 'before-first-token' }
const completed: ObservedOutcome = { kind: 'completed' }

function observation(change: Partial<Observation>): Observation {
  return {
    atMs: 0,
    worker: worker(1),
    model: 'm',
    decision: decisionIdOf(new Uint8Array(16)),
    attempt: 0,
    outcome: completed,
    blame: 'nobody',
    ttftMs: null,
    tpotMs: null,
    promptTokens: 10,
    completionTokens: 10,
    inFlight: 0,
    load: 0,
    ...change,
  }
}

function newBook(): {
  clock: ManualClock
  book: EvidenceBook
  see: (c: Partial<Observation>) => void
} {
  const clock = new ManualClock()
  const book = new EvidenceBook({ clock })
  return {
    clock,
    book,
    see: (change) => book.observe(observation({ atMs: clock.now(), ...change })),
  }
}

const read = (book: EvidenceBook, number = 1) => book.evidence(worker(number), 'm')

test('a newcomer is far below a proven worker', () => {
  const { book, see } = newBook()
  for (let i = 0; i < 50; i += 1) see({})
  assert.deepEqual(read(book, 2), newcomer)
  assert.ok(newcomer.completion.lowerBound < 0.06)
  assert.ok(read(book).completion.lowerBound > 0.9)
  assert.ok(newcomer.completion.mean < read(book).completion.lowerBound)
})

test('only failures of the node and of the path to it count against a worker', () => {
  const counted: Record<Blame, boolean> = {
    node: true,
    network: true,
    client: false,
    gateway: false,
    nobody: false,
  }
  for (const [blame, counts] of Object.entries(counted) as [Blame, boolean][]) {
    const { book, see } = newBook()
    see({})
    const before = read(book).completion
    see({ outcome: failed, blame })
    const after = read(book).completion
    if (counts) assert.ok(after.lowerBound < before.lowerBound, blame)
    else assert.deepEqual(after, before, blame)
  }
})

test('every error code moves the record as the blame in the table of codes says', () => {
  for (const code of Object.keys(errorCodes).filter(isErrorCode)) {
    const { book, see } = newBook()
    const { blame } = errorCodes[code]
    see({ outcome: { kind: 'failed', code, phase: 'mid-stream' }, blame })
    const counts = blame === 'node' || blame === 'network'
    assert.equal(read(book).completion.samples, counts ? 1 : 0, code)
  }
})

test('whoever abandons says nothing of completion, but what was measured counts', () => {
  const { book, see } = newBook()
  see({ outcome: { kind: 'abandoned' }, blame: 'client', ttftMs: 120, tpotMs: 9 })
  const evidence = read(book)
  assert.deepEqual(evidence.completion, newcomer.completion)
  assert.equal(evidence.ttft?.meanMs, 120)
  assert.equal(evidence.tpot?.meanMs, 9)
})

test('what an overloaded gateway measured counts for nothing', () => {
  const { book, see } = newBook()
  see({ outcome: failed, blame: 'gateway', ttftMs: 9_000 })
  assert.deepEqual(read(book), newcomer)
})

test('mean and deviation of durations are those of the values, while time stands still', () => {
  const durations = fc.array(fc.double({ min: 0, max: 1e5, noNaN: true }), {
    minLength: 1,
    maxLength: 50,
  })
  fc.assert(
    fc.property(durations, (values) => {
      const { book, see } = newBook()
      for (const ttftMs of values) see({ ttftMs })
      const mean = values.reduce((sum, value) => sum + value, 0) / values.length
      const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length
      const { ttft } = read(book)
      assert.ok(Math.abs((ttft?.meanMs ?? 0) - mean) < 1e-6)
      assert.ok(Math.abs((ttft?.deviationMs ?? 0) - Math.sqrt(squares)) < 1e-3)
      assert.equal(ttft?.samples, values.length)
    }),
  )
})

test('evidence fades by half in a half-life, towards the newcomer', () => {
  const { clock, book, see } = newBook()
  for (let i = 0; i < 40; i += 1) see({ outcome: failed, blame: 'node' })
  const fresh = read(book).completion
  clock.advance(completionHalfLifeMs)
  const faded = read(book).completion
  assert.ok(Math.abs(faded.samples - fresh.samples / 2) < 1e-9)
  assert.ok(faded.mean > fresh.mean)
  clock.advance(100 * completionHalfLifeMs)
  assert.ok(Math.abs(read(book).completion.mean - newcomer.completion.mean) < 1e-9)
})

test('a new duration outweighs an old one', () => {
  const { clock, book, see } = newBook()
  for (let i = 0; i < 20; i += 1) see({ ttftMs: 100 })
  clock.advance(60 * 60_000)
  for (let i = 0; i < 3; i += 1) see({ ttftMs: 900 })
  assert.ok((read(book).ttft?.meanMs ?? 0) > 800)
})

test('replaying the observations gives the very same numbers, read in between or not', () => {
  const step = fc.record({
    afterMs: fc.integer({ min: 0, max: 3_600_000 }),
    worker: fc.integer({ min: 1, max: 3 }),
    outcome: fc.constantFrom(completed, failed, { kind: 'abandoned' } as const),
    blame: fc.constantFrom<Blame>('node', 'network', 'client', 'nobody', 'gateway'),
    ttftMs: fc.option(fc.double({ min: 0, max: 1e4, noNaN: true })),
    reads: fc.boolean(),
  })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const { clock, book } = newBook()
      const kept: Observation[] = []
      for (const one of steps) {
        clock.advance(one.afterMs)
        const { outcome, blame, ttftMs } = one
        const seen = observation({
          atMs: clock.now(),
          worker: worker(one.worker),
          outcome,
          blame,
          ttftMs,
        })
        kept.push(seen)
        book.observe(seen)
        if (one.reads) read(book, one.worker)
      }
      // A second later no estimate is served from before.
      clock.advance(1_000)
      const restored = new EvidenceBook({ clock })
      restored.restore(kept)
      for (let i = 1; i <= 3; i += 1) assert.deepEqual(read(restored, i), read(book, i))
    }),
  )
})

test('observations that come late count as much as if they had come in order', () => {
  const early = observation({ atMs: 1_700_000_000_000 })
  const late = observation({ atMs: 1_700_000_000_000 + 3_600_000, outcome: failed, blame: 'node' })
  const clock = new ManualClock(late.atMs)
  const inOrder = new EvidenceBook({ clock })
  inOrder.restore([early, late])
  const reversed = new EvidenceBook({ clock })
  reversed.restore([late, early])
  assert.deepEqual(read(reversed), read(inOrder))
})

test('an observation from the future or without a time does no harm', () => {
  const { book, see } = newBook()
  for (let i = 0; i < 10; i += 1) see({})
  see({ atMs: 8e15 })
  see({ atMs: Number.NaN })
  assert.equal(read(book).completion.samples, 11)
})

test('the book is bounded: the longest unseen is forgotten', () => {
  const clock = new ManualClock()
  const book = new EvidenceBook({ clock, entriesMax: 3 })
  for (const number of [1, 2, 3, 1, 4]) {
    book.observe(observation({ atMs: clock.now(), worker: worker(number) }))
  }
  assert.equal(book.size, 3)
  assert.deepEqual(read(book, 2), newcomer)
  assert.equal(read(book, 1).completion.samples, 2)
})

test('a crowd of newcomers takes nothing away from who was sighted since', () => {
  const clock = new ManualClock()
  const book = new EvidenceBook({ clock, entriesMax: 3 })
  const fault = (number: number) => {
    const atMs = clock.now()
    book.sight({ worker: worker(number), kind: 'fault', fromMs: atMs, atMs })
  }
  for (const number of [1, 2, 3, 1, 4]) fault(number)
  const cleanOf = (number: number) => read(book, number).clean.lowerBound
  assert.ok(cleanOf(1) < cleanOf(3), 'both of its faults count')
  assert.equal(cleanOf(2), newcomer.clean.lowerBound)
})

test('a busy worker’s record stays able to follow a worker that breaks', () => {
  const { book, see } = newBook()
  for (let i = 0; i < 100_000; i += 1) see({})
  for (let i = 0; i < 500; i += 1) see({ outcome: failed, blame: 'node' })
  assert.ok(read(book).completion.mean < 0.7)
})

test('after the clock was set back, what is seen then still counts', () => {
  const { clock, book, see } = newBook()
  const ahead = new ManualClock(clock.now() + 24 * 60 * 60_000)
  let jumped = true
  const jumping = new EvidenceBook({
    clock: {
      now: () => (jumped ? ahead : clock).now(),
      monotonic: () => clock.monotonic(),
      after: (delayMs, action) => clock.after(delayMs, action),
    },
  })
  jumping.observe(observation({ atMs: ahead.now(), ttftMs: 900 }))
  jumped = false
  const failure = { atMs: clock.now(), outcome: failed, blame: 'node', ttftMs: 100 } as const
  for (let i = 0; i < 20; i += 1) {
    jumping.observe(observation(failure))
    see(failure)
  }
  const { completion, ttft } = jumping.evidence(worker(1), 'm')
  assert.ok(completion.mean < 0.15, `${completion.mean}`)
  assert.ok(Math.abs(completion.samples - 21) < 0.01)
  assert.ok((ttft?.meanMs ?? 0) < 200)
  assert.ok(book.evidence(worker(1), 'm').completion.mean < completion.mean)
})

test('one answer more of very many makes no other estimate; some do, and a failure does', () => {
  const { book, see } = newBook()
  const timed = { ttftMs: 20, tpotMs: 2 }
  for (let i = 0; i < 40; i += 1) {
    see(timed)
    assert.equal(read(book).ttft?.samples, i + 1)
  }
  for (let i = 40; i < 640; i += 1) see(timed)
  const before = read(book)
  for (let i = 0; i < 10; i += 1) {
    see({ ...timed, ttftMs: 30 })
    assert.equal(read(book), before)
  }
  see(timed)
  const after = read(book)
  assert.equal(after.completion.samples, 651)
  assert.ok((after.ttft?.meanMs ?? 0) > 20.1)
  see({ outcome: failed, blame: 'node' })
  assert.ok(read(book).completion.mean < after.completion.mean)
})

test('who is measured at one thing for the first time is known by it at once', () => {
  const { book, see } = newBook()
  for (let i = 0; i < 640; i += 1) see({ tpotMs: 2 })
  assert.equal(read(book).ttft, undefined)
  see({ ttftMs: 20, tpotMs: 2 })
  assert.equal(read(book).ttft?.meanMs, 20)
})
