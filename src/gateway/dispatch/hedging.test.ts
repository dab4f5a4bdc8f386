/** A first token that is late is asked of a second worker; one answer comes of it, and no blame. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { hasCode } from '../../protocol/index.ts'
import { clientGone } from './calls.ts'
import {
  byChoice,
  ContinuingWorker,
  read,
  type SetUp,
  setUp,
  type Ways,
  wholeAnswer,
} from './continuing-worker.fixture.ts'

const objective = { ttftMs: 3_000, tpotMs: null }
const silent: Ways = { failsAfter: 0, stalls: true }
/** Of a worker that nobody has seen: assumed 1,001 ms, and by half of it more or less. */
const elsewhereMs = 1_001
const hedgedAtMs = objective.ttftMs - elsewhereMs

const workersOf = (...ways: readonly Ways[]) =>
  ways.map((way, i) => new ContinuingWorker(i + 1, way))

/** Begun, and late. */
async function begun(ways: readonly Ways[], more: Partial<SetUp> = {}) {
  const workers = workersOf(...ways)
  const all = setUp({ workers, objective, ...more })
  const answer = all.stream()
  answer.catch(() => {})
  const attempts = () =>
    all.trail.decision.attempts.map(({ cause, outcome, worker }) => [
      workers.findIndex(({ id }) => id === worker),
      ...[cause, outcome],
    ])
  const curves = () => all.observations.all.map(({ promptTokens }) => promptTokens)
  const blames = () =>
    all.observations.all.map(({ outcome, blame, ttftMs }) => [outcome.kind, blame, ttftMs])
  return { ...all, workers, answer, attempts, blames, curves }
}

test('a second worker is first: the late one is stopped, and blamed for nothing', async () => {
  const all = await begun([silent, {}])
  const { answer, attempts, blames, clock, curves, metrics, workers, trail } = all
  await clock.advanceAsync(hedgedAtMs - 1)
  assert.deepEqual(attempts(), [[0, 'picked', 'running']])
  await clock.advanceAsync(1)
  const { events, error } = await read((await answer).batches)
  assert.equal(error, undefined)
  assert.deepEqual(byChoice(events), byChoice(wholeAnswer()))
  assert.deepEqual(attempts(), [
    [0, 'picked', 'cancelled'],
    [1, 'hedge', 'completed'],
  ])
  assert.equal((await answer).worker, workers[1])
  assert.equal(workers[0]?.stopped, 1)
  assert.deepEqual(
    blames(),
    [
      ['abandoned', 'nobody', hedgedAtMs],
      ['completed', 'nobody', 0],
    ],
    'the late one took longer than it was waited for',
  )
  assert.deepEqual(curves(), [1, 7], 'by the prompt as it was estimated')
  assert.equal(trail.decision.chosen, workers[1]?.id)
  assert.equal(trail.startedAtMs, hedgedAtMs)
  assert.match(metrics.render(), /isochrone_hedges_total\{result="won"\} 1\n/)
})

test('the first worker is sooner after all: of the second one nothing is seen', async () => {
  const { promise, resolve } = Promise.withResolvers()
  const { answer, attempts, blames, clock, metrics, workers } = await begun([
    { begins: promise },
    { begins: new Promise(() => {}) },
  ])
  await clock.advanceAsync(hedgedAtMs + 10)
  assert.equal(attempts().length, 2)
  resolve(undefined)
  const { events } = await read((await answer).batches)
  assert.deepEqual(byChoice(events), byChoice(wholeAnswer()))
  assert.deepEqual(attempts(), [
    [0, 'picked', 'completed'],
    [1, 'hedge', 'cancelled'],
  ])
  assert.equal(workers[1]?.stopped, 1)
  assert.deepEqual(blames(), [
    ['abandoned', 'nobody', null],
    ['completed', 'nobody', hedgedAtMs + 10],
  ])
  assert.match(metrics.render(), /isochrone_hedges_total\{result="lost"\} 1\n/)
})

test('two first tokens in one turn are one answer', async () => {
  const { promise, resolve } = Promise.withResolvers()
  const all = await begun([{ begins: promise }, { begins: promise }])
  const { answer, attempts, clock, trail, workers } = all
  await clock.advanceAsync(hedgedAtMs)
  resolve(undefined)
  const { events, error } = await read((await answer).batches)
  assert.equal(error, undefined)
  assert.deepEqual(byChoice(events), byChoice(wholeAnswer()))
  trail.close()
  const ends = attempts().map(([, cause, outcome]) => `${cause} ${outcome}`)
  assert.deepEqual(ends, ['picked completed', 'hedge cancelled'])
  assert.deepEqual([workers[0]?.stopped, workers[1]?.stopped], [0, 1])
  assert.equal(all.observations.all.length, 2)
})

test('an answer whose hedge was not needed can still move there', async () => {
  const { promise, resolve } = Promise.withResolvers()
  let asked = 0
  const { answer, attempts, clock, trail, workers } = await begun([
    { begins: promise, failsAfter: 3, stalls: true },
    { pace: () => (asked++ === 0 ? new Promise(() => {}) : Promise.resolve()) },
  ])
  await clock.advanceAsync(hedgedAtMs)
  resolve(undefined)
  const reading = read((await answer).batches)
  await clock.advanceAsync(1)
  const [first] = workers
  assert.ok(first !== undefined)
  first.view.load = { ...first.view.load, draining: true }
  await clock.advanceAsync(1_000)
  assert.equal((await reading).error, undefined)
  assert.deepEqual(attempts(), [
    [0, 'picked', 'cancelled'],
    [1, 'hedge', 'cancelled'],
    [1, 'migration', 'completed'],
  ])
  assert.deepEqual(
    trail.decision.attempts.map(({ ttftMs }) => ttftMs),
    [hedgedAtMs, null, 0],
  )
})

test('an answer that is asked for whole is hedged as well', async () => {
  const workers = workersOf(silent, {})
  const { clock, whole, trail } = setUp({ workers, objective })
  const answer = whole()
  await clock.advanceAsync(hedgedAtMs)
  const { collected, completed, worker } = await answer
  assert.deepEqual(byChoice(collected.events), byChoice(wholeAnswer()))
  assert.equal(worker, workers[1])
  completed()
  assert.deepEqual(
    trail.decision.attempts.map(({ outcome }) => outcome),
    ['cancelled', 'completed'],
  )
})

test('nobody is asked twice without an objective, or where nobody else has room', async () => {
  const plain = setUp({ workers: workersOf(silent, {}) })
  plain.stream().catch(() => {})
  await plain.clock.advanceAsync(20_000)
  assert.equal(plain.trail.decision.attempts.length, 1)
  const full = await begun([silent, {}])
  const [, second] = full.workers
  assert.ok(second !== undefined)
  second.view.load = { running: 64, waiting: 0, kvTokensFree: 0, draining: false }
  await full.clock.advanceAsync(20_000)
  assert.equal(full.attempts().length, 1)
})

test('the budget of the gateway bounds them', async () => {
  const limits = { spareShareMax: 0.5, spareBurstMax: 0.9 }
  const { attempts, clock, metrics } = await begun([silent, {}], { limits })
  await clock.advanceAsync(20_000)
  assert.equal(attempts().length, 1)
  assert.match(metrics.render(), /isochrone_hedges_total\{result="refused"\} 1\n/)
})

test('a second worker that fails is to blame, and the first one is waited for', async () => {
  const { promise, resolve } = Promise.withResolvers()
  const { answer, attempts, blames, clock } = await begun([{ begins: promise }, { failsAfter: 0 }])
  await clock.advanceAsync(hedgedAtMs)
  assert.deepEqual(attempts(), [
    [0, 'picked', 'running'],
    [1, 'hedge', 'failed'],
  ])
  resolve(undefined)
  assert.equal((await read((await answer).batches)).error, undefined)
  assert.deepEqual(
    blames().map(([kind, blame]) => [kind, blame]),
    [
      ['failed', 'network'],
      ['completed', 'nobody'],
    ],
  )
})

test('a first worker that fails leaves it to the second; after both, a third', async () => {
  const lead = Promise.withResolvers()
  const second = Promise.withResolvers()
  const { answer, attempts, clock, metrics } = await begun([
    { begins: lead.promise, failsAfter: 0 },
    { begins: second.promise, failsAfter: 0 },
  ])
  const third = new ContinuingWorker(9)
  await clock.advanceAsync(hedgedAtMs)
  lead.resolve(undefined)
  await clock.advanceAsync(0)
  assert.deepEqual(attempts(), [
    [0, 'picked', 'failed'],
    [1, 'hedge', 'running'],
  ])
  second.resolve(undefined)
  await assert.rejects(answer, (error) => hasCode(error, 'connection_lost'))
  assert.equal(attempts()[1]?.[2], 'failed')
  assert.match(metrics.render(), /isochrone_hedges_total\{result="failed"\} 1\n/)
  assert.equal(third.requests.length, 0)

  const begins = Promise.withResolvers()
  const other = await begun([silent, { begins: begins.promise, failsAfter: 0 }])
  await other.clock.advanceAsync(hedgedAtMs)
  other.registry.put(third)
  begins.resolve(undefined)
  await other.clock.advanceAsync(40_000)
  assert.equal((await other.answer).worker, third)
  assert.deepEqual(
    other.trail.decision.attempts.map(({ cause, outcome }) => [cause, outcome]),
    [
      ['picked', 'failed'],
      ['hedge', 'failed'],
      ['retry', 'running'],
    ],
  )
})

test('a client that leaves meanwhile stops both, and nobody is blamed', async () => {
  const never = new Promise(() => {})
  const { answer, attempts, blames, clock, departure, trail, workers, registry } = await begun([
    { begins: never },
    { begins: never },
  ])
  await clock.advanceAsync(hedgedAtMs)
  departure.depart(clientGone())
  await assert.rejects(answer, (error) => hasCode(error, 'client_closed_request'))
  trail.close()
  assert.deepEqual(
    workers.map(({ stopped }) => stopped),
    [1, 1],
  )
  assert.deepEqual(attempts(), [
    [0, 'picked', 'abandoned'],
    [1, 'hedge', 'cancelled'],
  ])
  assert.ok(blames().every(([kind, blame]) => kind === 'abandoned' && blame !== 'node'))
  for (const { inFlight } of registry.all()) assert.equal(inFlight, 0)
})

test('a winner that dies in mid-answer can be followed by the one that was late', async () => {
  const { answer, attempts, clock } = await begun([
    { begins: new Promise(() => {}) },
    { failsAfter: 4 },
  ])
  await clock.advanceAsync(hedgedAtMs)
  const reading = read((await answer).batches)
  await clock.advanceAsync(100)
  assert.deepEqual(attempts()[2], [0, 'continuation', 'running'])
  void reading
})

test('whoever fails or waits, in any order: one answer, each attempt ended once', async () => {
  const way = fc.record({
    beginsAtMs: fc.integer({ min: 0, max: 6_000 }),
    fails: fc.boolean(),
  })
  const property = fc.asyncProperty(way, way, async (first, second) => {
    const gates = [first, second].map(() => Promise.withResolvers())
    const ways = [first, second].map(({ fails }, i) => ({
      begins: gates[i]?.promise ?? Promise.resolve(),
      ...(fails ? { failsAfter: 0 } : {}),
    }))
    const all = await begun(ways)
    for (const [i, { beginsAtMs }] of [first, second].entries()) {
      all.clock.after(beginsAtMs, () => gates[i]?.resolve(undefined))
    }
    const ending = all.answer.then(({ batches }) => read(batches)).catch((error) => ({ error }))
    await all.clock.advanceAsync(40_000)
    const ended = await ending
    all.trail.close()
    if ('events' in ended) {
      assert.equal(ended.error, undefined)
      assert.deepEqual(byChoice(ended.events), byChoice(wholeAnswer()))
    } else assert.ok(first.fails, String(ended.error))
    const outcomes = all.trail.decision.attempts.map(({ outcome }) => outcome)
    assert.ok(!outcomes.includes('running'))
    assert.equal(all.observations.all.length, outcomes.length)
    const blamed = all.observations.all.filter(({ blame }) => blame !== 'nobody')
    assert.equal(blamed.length, outcomes.filter((outcome) => outcome === 'failed').length)
    for (const { inFlight } of all.registry.all()) assert.equal(inFlight, 0)
  })
  await fc.assert(property, { numRuns: 150 })
})
