/** Who fails several times in a row gets nothing for a while, and comes back by single requests. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { ManualClock } from '../base/index.ts'
import { decisionIdOf, nodeIdOf } from '../protocol/index.ts'
import { Breakers, probesMax } from './breaker.ts'
import type { Observation } from './observation.ts'

const worker = nodeIdOf(new Uint8Array(32).fill(1))
const other = nodeIdOf(new Uint8Array(32).fill(2))
const model = 'm'
const decision = decisionIdOf(new Uint8Array(16))

function seen(change: Partial<Observation> = {}): Observation {
  return {
    ...{ atMs: 0, worker, model, decision, attempt: 0, blame: 'nobody' },
    ...{ ttftMs: null, tpotMs: null, promptTokens: null, completionTokens: null, inFlight: 0 },
    outcome: { kind: 'completed' },
    ...change,
  }
}

const failure = seen({
  blame: 'node',
  outcome: { kind: 'failed', code: 'upstream_failed', phase: 'before-first-token' },
})

function setUp() {
  const clock = new ManualClock()
  const breakers = new Breakers(clock)
  const now = () => clock.monotonic()
  return {
    ...{ clock, breakers },
    sight: (of = worker) => breakers.of(model)?.(of),
    fail: (times = 1, beganAtMs = now()) => {
      for (let i = 0; i < times; i += 1) breakers.observe(failure, beganAtMs)
    },
    answer: (times = 1, beganAtMs = now()) => {
      for (let i = 0; i < times; i += 1) breakers.observe(seen(), beganAtMs)
    },
  }
}

test('three failures in a row open it, for that worker and model alone', () => {
  const { breakers, sight, fail } = setUp()
  fail(2)
  assert.equal(sight(), undefined)
  fail()
  const { state, takes, words, leftMs } = sight() ?? {}
  assert.deepEqual([state, takes, leftMs], ['open', false, 5_000])
  assert.equal(words, 'open until 22:13:25 after 3 failures in a row, the last upstream_failed')
  assert.equal(sight(other), undefined)
  assert.equal(breakers.of('another'), undefined)
  assert.deepEqual(breakers.counts(), { open: 1, 'half-open': 0, waiting: 0 })
  assert.equal(breakers.openings, 1)
})

test('an answer in between, or a minute, begins the row anew', () => {
  const { breakers, clock, sight, fail, answer } = setUp()
  fail(2)
  answer()
  assert.equal(breakers.of(model), undefined, 'and nothing is left of it')
  fail(2)
  clock.advance(61_000)
  fail(2)
  assert.equal(sight(), undefined)
})

test('what is not the worker’s fault opens nothing', () => {
  const { breakers, sight } = setUp()
  for (const blame of ['client', 'gateway', 'nobody'] as const) {
    for (let i = 0; i < 5; i += 1) breakers.observe({ ...failure, blame }, 0)
  }
  for (let i = 0; i < 5; i += 1) breakers.observe(seen({ outcome: { kind: 'abandoned' } }), 0)
  assert.equal(sight(), undefined)
})

test('half-open it takes one request at a time, and three answers close it', () => {
  const { breakers, clock, sight, fail, answer } = setUp()
  fail(3)
  assert.equal(breakers.began(worker, model), false, 'open: whoever goes there is no probe')
  clock.advance(5_000)
  for (let i = 0; i < 3; i += 1) {
    assert.deepEqual([sight()?.state, sight()?.takes], ['half-open', true])
    assert.equal(breakers.began(worker, model), true)
    assert.equal(sight()?.takes, false)
    answer()
    breakers.probeEnded(worker, model)
  }
  assert.equal(sight(), undefined)
  fail(3)
  assert.equal(sight()?.leftMs, 5_000, 'what was before is forgotten')
})

test('each failure of a probe doubles the time, up to two minutes', () => {
  const { clock, sight, fail } = setUp()
  fail(3)
  for (const expected of [5_000, 10_000, 20_000, 40_000, 80_000, 120_000, 120_000]) {
    assert.equal(sight()?.leftMs, expected)
    clock.advance(expected)
    fail()
  }
})

test('what began before it opened says nothing any more', () => {
  const { clock, sight, fail, answer } = setUp()
  clock.advance(10)
  fail(3)
  clock.advance(5_000)
  answer(5, 9)
  fail(5, 9)
  assert.equal(sight()?.state, 'half-open')
})

test('asked while open, for want of another: answers close it, failures are nothing', () => {
  const { clock, sight, fail, answer } = setUp()
  fail(3)
  clock.advance(1_000)
  fail(5)
  assert.deepEqual([sight()?.state, sight()?.leftMs], ['open', 4_000])
  answer(3)
  assert.equal(sight(), undefined)
})

test('a worker that says when to come again is left alone until then, a minute at most', () => {
  const { breakers, clock, sight } = setUp()
  breakers.asked({ worker, model, retryAfterMs: 20_000 })
  assert.deepEqual([sight()?.state, sight()?.leftMs], ['waiting', 20_000])
  assert.equal(sight()?.words, 'it asked for nothing more until 22:13:40')
  breakers.asked({ worker, model, retryAfterMs: 1_000 })
  assert.equal(sight()?.leftMs, 20_000, 'the longer one counts')
  breakers.asked({ worker, model, retryAfterMs: 3_600_000 })
  assert.equal(sight()?.leftMs, 60_000)
  clock.advance(60_000)
  assert.equal(sight(), undefined)
  for (const retryAfterMs of [0, -5, Number.NaN]) breakers.asked({ worker, model, retryAfterMs })
  assert.equal(sight(), undefined)
})

test('there are so many at most, and the idle ones make room', () => {
  const clock = new ManualClock()
  const breakers = new Breakers(clock, 2)
  const fail = (name: string) => breakers.observe({ ...failure, model: name }, 0)
  for (const name of ['a', 'b', 'c', 'c', 'c']) fail(name)
  assert.equal(breakers.of('c'), undefined)
  clock.advance(61_000)
  for (const name of ['c', 'c', 'c']) fail(name)
  assert.equal(breakers.of('c')?.(worker)?.state, 'open')
  assert.equal(breakers.of('a'), undefined)
})

test('never more probes than allowed, and whoever answers again comes back', () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant('fail' as const) }),
    fc.record({ kind: fc.constant('answer' as const) }),
    fc.record({ kind: fc.constant('ask' as const) }),
    fc.record({ kind: fc.constant('pass' as const), ms: fc.integer({ min: 0, max: 150_000 }) }),
  )
  const property = fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
    const { breakers, clock, sight, fail, answer } = setUp()
    const probes: (() => void)[] = []
    for (const one of steps) {
      if (one.kind === 'pass') clock.advance(one.ms)
      else if (one.kind === 'ask') {
        if (sight()?.takes !== true) continue
        assert.equal(breakers.began(worker, model), true)
        probes.push(() => breakers.probeEnded(worker, model))
        assert.ok(probes.length <= probesMax)
      } else {
        if (one.kind === 'fail') fail()
        else answer()
        probes.pop()?.()
      }
    }
    for (const end of probes) end()
    clock.advance(120_000)
    answer(3)
    assert.equal(sight(), undefined)
    assert.equal(breakers.of(model), undefined)
  })
  fc.assert(property, { numRuns: 300 })
})
