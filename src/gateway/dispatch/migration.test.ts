/** A live answer is moved to a healthier worker before its own fails; no client can tell. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Clock, sleep } from '../../base/index.ts'
import { hasCode } from '../../protocol/index.ts'
import { renderDecision } from '../../routing/index.ts'
import {
  byChoice,
  ContinuingWorker,
  read,
  requestOf,
  type SetUp,
  setUp,
  type Ways,
  wholeAnswer,
} from './continuing-worker.fixture.ts'

/** Half a second per token, by the clock of the test. */
function paced(ms = 500) {
  let clock: Clock | undefined
  const ways: Ways = { pace: async () => clock && sleep(clock, ms) }
  return {
    ways,
    by: (one: Clock) => {
      clock = one
    },
  }
}

async function running(changes: Partial<SetUp> = {}, ms = 500, second: Ways = {}) {
  const { ways, by } = paced(ms)
  const workers = [new ContinuingWorker(1, ways), new ContinuingWorker(2, second)]
  const [first, other] = workers as [ContinuingWorker, ContinuingWorker]
  const all = setUp({ workers, ...changes })
  by(all.clock)
  const started = all.stream()
  await all.clock.advanceAsync(ms)
  const reading = read((await started).batches)
  const attempts = () =>
    all.trail.decision.attempts.map(({ cause, outcome, code, splice }) => [
      ...[cause, outcome, code],
      ...(splice === undefined ? [] : [splice.reason ?? null, splice.tokens]),
    ])
  return { ...all, first, other, reading, attempts }
}

test('a node that begins to drain hands its answers over, which blames nobody', async () => {
  const { clock, first, reading, attempts, observations, trail, metrics } = await running()
  await clock.advanceAsync(1_000)
  first.view.load = { ...first.view.load, draining: true }
  await clock.advanceAsync(1_000)
  const { events, error } = await reading
  assert.equal(error, undefined)
  assert.deepEqual(byChoice(events), byChoice(wholeAnswer()))
  const [before, after] = attempts()
  assert.deepEqual(before, ['picked', 'cancelled', null])
  assert.deepEqual(after?.slice(0, 4), ['migration', 'completed', null, 'draining'])
  assert.equal(first.stopped, 1)
  assert.deepEqual(
    observations.all.map(({ outcome, blame, tpotMs }) => [outcome.kind, blame, tpotMs]),
    [
      ['abandoned', 'nobody', 500],
      ['completed', 'nobody', 0],
    ],
  )
  assert.match(metrics.render(), /isochrone_migrations_total\{reason="draining"\} 1\n/)
  assert.match(metrics.render(), /isochrone_retries_total 0\n/)
  const text = renderDecision(trail.decision)
  assert.match(text.replace(/\s+/g, ' '), /moved, since the one before is about to stop/)
})

test('wherever an answer is moved: nothing twice, nothing missing', async () => {
  for (const choices of [1, 3]) {
    for (let at = 0; at < 6_000; at += 250) {
      const request = requestOf({ choices })
      const { clock, first, reading } = await running({ request })
      await clock.advanceAsync(at)
      first.view.load = { ...first.view.load, draining: true }
      await clock.advanceAsync(30_000)
      const { events, error } = await reading
      assert.equal(error, undefined)
      assert.deepEqual(byChoice(events), byChoice(wholeAnswer(choices)))
    }
  }
})

test('it stays where nobody could go on at once, and where it is nearly done', async () => {
  const alone = await running()
  alone.other.view.load = { ...alone.other.view.load, running: 1_000 }
  alone.first.view.load = { ...alone.first.view.load, draining: true }
  await alone.clock.advanceAsync(20_000)
  assert.equal((await alone.reading).error, undefined)
  assert.deepEqual(alone.attempts(), [['picked', 'completed', null]])
  const short = await running({ request: requestOf({ maxTokens: 13 }) })
  await short.clock.advanceAsync(4_500)
  short.first.view.load = { ...short.first.view.load, draining: true }
  await short.clock.advanceAsync(20_000)
  assert.equal((await short.reading).error, undefined)
  assert.deepEqual(short.attempts(), [['picked', 'completed', null]])
})

test('a worker that the mesh suspects for two seconds is left', async () => {
  const { clock, first, reading, attempts, suspects } = await running()
  suspects.add(first.id)
  await clock.advanceAsync(1_000)
  suspects.delete(first.id)
  await clock.advanceAsync(1_000)
  suspects.add(first.id)
  await clock.advanceAsync(1_000)
  assert.equal(attempts().length, 1, 'a suspicion that is refuted moves nothing')
  await clock.advanceAsync(1_000)
  assert.equal((await reading).error, undefined)
  assert.deepEqual(attempts()[1]?.slice(0, 4), ['migration', 'completed', null, 'suspected'])
})

test('a rate below the objective for three seconds is left for one that keeps it', async () => {
  const objective = { ttftMs: null, tpotMs: 200 }
  const slow = await running({ objective })
  await slow.clock.advanceAsync(20_000)
  const { events, error } = await slow.reading
  assert.equal(error, undefined)
  assert.deepEqual(byChoice(events), byChoice(wholeAnswer()))
  assert.deepEqual(slow.attempts()[1]?.slice(0, 4), ['migration', 'completed', null, 'slow'])
  // That all are slow may be the gateway's own doing.
  const limits = { spareShareMax: 0, spareBurstMax: 0 }
  const bounded = await running({ objective, limits })
  await bounded.clock.advanceAsync(20_000)
  assert.deepEqual(bounded.attempts(), [['picked', 'completed', null]])
  const kept = await running({ objective }, 200)
  await kept.clock.advanceAsync(20_000)
  assert.deepEqual(kept.attempts(), [['picked', 'completed', null]])
})

test('a rate that is low for its reader’s sake moves nothing', async () => {
  const { ways, by } = paced(150)
  const workers = [new ContinuingWorker(1, ways), new ContinuingWorker(2)]
  const { clock, stream, trail } = setUp({ workers, objective: { ttftMs: null, tpotMs: 200 } })
  by(clock)
  const reads = async () => {
    // Two tokens in three seconds, of which the worker takes the fifth part.
    for await (const batch of (await stream()).batches) {
      if (batch.length > 0) await sleep(clock, 1_350)
    }
  }
  const reading = reads()
  await clock.advanceAsync(30_000)
  await reading
  assert.deepEqual(
    trail.decision.attempts.map(({ outcome }) => outcome),
    ['completed'],
  )
})

test('who is left is not drawn again, however good its record still is', async () => {
  const objective = { ttftMs: null, tpotMs: 300 }
  // As fast by its own word as the first one is by what was seen of it.
  const second: Ways = { offer: { decodeTokensPerSecond: 3.8 } }
  for (let seed = 1; seed <= 8; seed += 1) {
    const { clock, reading, attempts, other } = await running({ objective, seed }, 500, second)
    await clock.advanceAsync(20_000)
    assert.equal((await reading).error, undefined)
    assert.deepEqual(attempts()[1]?.slice(0, 2), ['migration', 'completed'])
    assert.equal(other.requests.length, 1)
  }
})

test('an answer that moved and breaks off goes on where it was, if need be', async () => {
  const objective = { ttftMs: null, tpotMs: 200 }
  const { clock, first, reading, attempts } = await running({ objective }, 500, { failsAfter: 2 })
  await clock.advanceAsync(60_000)
  const { events, error } = await reading
  assert.equal(error, undefined)
  assert.deepEqual(byChoice(events), byChoice(wholeAnswer()))
  assert.deepEqual(
    attempts().map(([cause, outcome]) => [cause, outcome]),
    [
      ['picked', 'cancelled'],
      ['migration', 'failed'],
      ['continuation', 'completed'],
    ],
  )
  assert.equal(first.requests.length, 2)
})

test('what nobody else could go on with stays, and its worker may finish it', async () => {
  const { ways, by } = paced()
  const offer = { features: ['chat', 'completion'] as const }
  const workers = [new ContinuingWorker(1, { ...ways, offer }), new ContinuingWorker(2)]
  const all = setUp({ workers })
  by(all.clock)
  const started = all.stream()
  await all.clock.advanceAsync(500)
  const reading = read((await started).batches)
  const [first] = workers
  assert.ok(first !== undefined)
  first.view.load = { ...first.view.load, draining: true }
  await all.clock.advanceAsync(20_000)
  const { error } = await reading
  assert.equal(hasCode(error, 'stream_interrupted'), false)
  assert.equal(all.trail.decision.attempts.length, 1)
})
