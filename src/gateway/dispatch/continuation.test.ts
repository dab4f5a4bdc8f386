/** An answer goes on elsewhere where its worker fails: never a token twice, never one too few. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type GenerationEvent, hasCode, modelDigestOf } from '../../protocol/index.ts'
import { gatewayLimits } from '../limits.ts'
import { clientGone } from './calls.ts'
import {
  answerTokens,
  byChoice,
  ContinuingWorker,
  read,
  requestOf,
  setUp,
  type Ways,
  wholeAnswer,
} from './continuing-worker.fixture.ts'

const workersOf = (...ways: readonly Ways[]) =>
  ways.map((way, i) => new ContinuingWorker(i + 1, way))

test('cut anywhere, in any batches: what the client gets is what nobody disturbed', async () => {
  for (const choices of [1, 2, 3]) {
    const wanted = wholeAnswer(choices)
    for (let cut = 1; cut <= wanted.length; cut += 1) {
      for (const batch of [1, 4]) {
        const workers = workersOf({ failsAfter: cut, batch }, { batch })
        const { stream, trail } = setUp({ workers, request: requestOf({ choices }) })
        const { events, error } = await read((await stream()).batches)
        assert.equal(error, undefined)
        assert.deepEqual(byChoice(events), byChoice(wanted), `cut after ${cut} of ${choices}`)
        const tokens = wanted.slice(0, cut).filter(({ type }) => type === 'delta').length
        const [, second] = trail.decision.attempts
        assert.deepEqual([second?.cause, second?.splice?.tokens], ['continuation', tokens])
      }
    }
  }
})

test('workers that fail one after the other, each a little further', async () => {
  const ways = fc.array(
    fc.record({
      failsAfter: fc.integer({ min: 2, max: 9 }),
      batch: fc.integer({ min: 1, max: 3 }),
    }),
    { minLength: 1, maxLength: 6 },
  )
  const property = fc.asyncProperty(ways, fc.integer({ min: 1, max: 3 }), async (all, choices) => {
    const workers = workersOf(...all, {}, {}, {})
    const { stream } = setUp({ workers, request: requestOf({ choices }) })
    const { events, error } = await read((await stream()).batches)
    const wanted = byChoice(wholeAnswer(choices))
    const got = byChoice(events)
    if (error === undefined) assert.deepEqual(got, wanted)
    else {
      // Some had nothing new to say in three attempts: then what came is a beginning.
      assert.ok(hasCode(error, 'stream_interrupted'), String(error))
      for (const [choice, part] of got.answers) {
        assert.deepEqual(part, wanted.answers.get(choice)?.slice(0, part.length))
      }
    }
  })
  await fc.assert(property, { numRuns: 200 })
})

test('an answer that is asked for whole goes on as well, and is not begun anew', async () => {
  const workers = workersOf({ failsAfter: 5 }, {})
  const { whole, trail } = setUp({ workers })
  const { collected, completed } = await whole()
  assert.deepEqual(byChoice(collected.events), byChoice(wholeAnswer()))
  assert.deepEqual(workers[1]?.requests[0]?.continued, [[0, 1, 2, 3, 4]])
  assert.equal(completed().usage?.completionTokens, answerTokens)
  const ends = trail.decision.attempts.map(({ cause, outcome, code }) => [cause, outcome, code])
  assert.deepEqual(ends, [
    ['picked', 'failed', 'connection_lost'],
    ['continuation', 'completed', null],
  ])
})

test('nobody completes what a proven forger wrote', async () => {
  for (const failsAs of ['invalid_signature', 'identity_mismatch', 'node_quarantined'] as const) {
    for (const failsAfter of [5, wholeAnswer().length]) {
      const ways = { failsAfter, failsAs }
      const workers = workersOf(ways, {})
      const { whole } = setUp({ workers })
      assert.deepEqual((await whole()).collected.events, wholeAnswer())
      assert.equal(workers[1]?.requests[0]?.continued, undefined, `${failsAs}: begun anew`)

      const { stream, trail } = setUp({ workers: workersOf(ways, {}) })
      const { error, events } = await read((await stream()).batches)
      const wasCaughtElsewhere = failsAs === 'node_quarantined'
      assert.equal(hasCode(error, 'stream_interrupted'), !wasCaughtElsewhere, String(error))
      assert.equal(trail.decision.attempts.length, wasCaughtElsewhere ? 2 : 1)
      // What the client has of it cannot be taken back.
      if (wasCaughtElsewhere) assert.deepEqual(byChoice(events), byChoice(wholeAnswer()))
    }
  }
})

test('where nobody can go on, a stream says so, and a whole answer begins anew', async () => {
  const other = modelDigestOf('2'.repeat(64))
  const unable: readonly Ways[] = [
    { offer: { digest: other } },
    { offer: { digest: null } },
    { offer: { features: ['chat', 'completion'] } },
  ]
  for (const way of unable) {
    const { stream } = setUp({ workers: workersOf({ failsAfter: 3 }, way) })
    const { events, error } = await read((await stream()).batches)
    assert.ok(hasCode(error, 'stream_interrupted'), String(error))
    assert.deepEqual(events, wholeAnswer().slice(0, 3))
    const again = await setUp({ workers: workersOf({ failsAfter: 3 }, way) }).whole()
    assert.deepEqual(again.collected.events, wholeAnswer())
  }
})

test('an answer whose context is its only limit goes on only in the same context', async () => {
  for (const [contextTokensMax, isSame] of [
    [2_000_000, false],
    [1_000_000, true],
  ] as const) {
    const workers = workersOf({ failsAfter: 3 }, { offer: { contextTokensMax } })
    const { stream } = setUp({ workers, request: requestOf({ maxTokens: null }) })
    assert.equal((await read((await stream()).batches)).error === undefined, isSame)
  }
})

test('what tokens do not hold cannot be taken over', async () => {
  const extra = { tool_calls: [{ index: 0 }] }
  const lie = (events: readonly GenerationEvent[]) =>
    events.map((event) => (event.type === 'delta' ? { ...event, extra } : event))
  const { stream, trail } = setUp({ workers: workersOf({ failsAfter: 3, lie }, {}) })
  assert.ok(hasCode((await read((await stream()).batches)).error, 'stream_interrupted'))
  assert.equal(trail.decision.attempts.length, 1)
})

test('answers to several prompts go on each behind its own tokens', async () => {
  const request = requestOf({ choices: 2 })
  const further = [requestOf({ choices: 2 })]
  const whole = await read(
    (await setUp({ workers: workersOf({}), request, further }).stream()).batches,
  )
  for (let cut = 1; cut < 24; cut += 1) {
    const workers = workersOf({ failsAfter: cut }, {})
    const { stream } = setUp({ workers, request, further })
    const { events, error } = await read((await stream()).batches)
    assert.equal(error, undefined)
    assert.deepEqual(byChoice(events), byChoice(whole.events))
    const parts = workers[1]?.requests.map(({ continued }) => continued?.length)
    assert.deepEqual(parts, [2, 2])
  }
})

test('the record says who failed, who went on, and how long the client waited', async () => {
  const workers = workersOf({ failsAfter: 4, stalls: true }, {})
  const [first] = workers
  assert.ok(first !== undefined)
  const { stream, clock, trail, observations, metrics } = setUp({ workers })
  const reading = read((await stream()).batches)
  await clock.advanceAsync(2_000)
  first.view.overdue = true
  await clock.advanceAsync(2_000)
  const { events, error } = await reading
  assert.equal(error, undefined)
  assert.deepEqual(byChoice(events), byChoice(wholeAnswer()))
  assert.equal(first.cancelled, 1, 'it was told to stop, and what it said then was dropped')
  const { attempts } = trail.decision
  assert.deepEqual(attempts[1]?.splice, { tokens: 4, pauseMs: 4_000 })
  assert.deepEqual(
    observations.all.map(({ outcome, blame }) => [outcome, blame]),
    [
      [{ kind: 'failed', code: 'peer_unreachable', phase: 'mid-stream' }, 'network'],
      [{ kind: 'completed' }, 'nobody'],
    ],
  )
  assert.match(metrics.render(), /isochrone_continuation_pause_seconds_count 1\n/)
})

test('an answer that stands still goes on elsewhere, by its own pace', async () => {
  const still = setUp({ workers: workersOf({ failsAfter: 4, stalls: true }, {}) })
  const reading = read((await still.stream()).batches)
  await still.clock.advanceAsync(gatewayLimits.stallMs)
  assert.equal(still.observations.all.length, 0)
  await still.clock.advanceAsync(1_000)
  assert.deepEqual((await reading).error, undefined)
  const [failed] = still.observations.all
  assert.equal(failed?.outcome.kind === 'failed' && failed.outcome.code, 'node_failed')

  const alone = setUp({ workers: workersOf({ failsAfter: 4, stalls: true }) })
  const waiting = read((await alone.stream()).batches)
  await alone.clock.advanceAsync(gatewayLimits.silenceMs - 1)
  assert.equal(alone.observations.all.length, 0, 'where nobody else is, it is waited for')
  await alone.clock.advanceAsync(2_000)
  assert.ok(hasCode((await waiting).error, 'stream_interrupted'))
})

test('a worker that lied about its tokens spoils nobody’s record but its own', async () => {
  const lie = (events: readonly GenerationEvent[]) =>
    events.map((event) =>
      event.type === 'delta' && event.text === 'ma' ? { ...event, text: 'mo' } : event,
    )
  const { stream, trail, observations } = setUp({
    workers: workersOf({ failsAfter: 4, lie }, {}, {}),
  })
  const { events, error } = await read((await stream()).batches)
  assert.ok(hasCode(error, 'stream_interrupted'), String(error))
  assert.equal(events.length, 4)
  trail.close()
  assert.deepEqual(
    observations.all.map(({ blame }) => blame),
    ['network', 'nobody', 'nobody'],
  )
})

test('a worker that goes on otherwise is not let through, and the next one is', async () => {
  const other = (event: GenerationEvent) => event.type === 'delta' && event.tokenIds.length > 1
  const lies: readonly NonNullable<Ways['lie']>[] = [
    (events) => events.map((one) => (other(one) ? { ...one, text: 'Something else' } : one)),
    (events) => events.map((one) => (other(one) ? { ...one, tokenIds: [9, 9, 9, 9] } : one)),
    (events) => events.map((one) => (other(one) ? { ...one, tokenIds: [0, 1, 2, 3, 4, 5] } : one)),
    (events) => events.filter((one) => !other(one)),
    (events) => events.filter((one) => one.type !== 'delta'),
    (events) => events.map((one) => ({ ...one, choice: 3 })),
  ]
  for (const lie of lies) {
    const { stream, trail, observations } = setUp({
      workers: workersOf({ failsAfter: 4 }, { lie }),
    })
    const { events, error } = await read((await stream()).batches)
    assert.ok(hasCode(error, 'stream_interrupted'), String(error))
    assert.deepEqual(events, wholeAnswer().slice(0, 4))
    assert.deepEqual(trail.decision.attempts[1]?.code, 'continuation_differs')
    assert.equal(observations.all.length, 1)
  }
  const [lie] = lies
  assert.ok(lie !== undefined)
  let refused = 0
  for (let seed = 1; seed < 20; seed += 1) {
    const workers = workersOf({ failsAfter: 4 }, { lie }, {}, {})
    const { stream, observations } = setUp({ workers, seed })
    const { events, error } = await read((await stream()).batches)
    assert.equal(error, undefined)
    assert.deepEqual(byChoice(events), byChoice(wholeAnswer()))
    const blamed = observations.all.filter(({ blame }) => blame === 'node')
    assert.deepEqual(
      blamed.map(({ worker }) => worker),
      workers[1]?.requests.length === 1 ? [workers[1].id] : [],
    )
    refused += blamed.length
  }
  assert.ok(refused > 0)
})

test('nothing passes behind the end of an answer that the client has', async () => {
  const more = (choice: number): GenerationEvent => {
    const text = { text: '!', tokenIds: [100 * choice + 99], logprobs: [], extra: null }
    return { type: 'delta', choice, ...text }
  }
  const lie: NonNullable<Ways['lie']> = (events) => [...events.slice(0, -1), more(1)]
  const request = requestOf({ choices: 2 })
  const ended = wholeAnswer(2).findIndex(({ type }) => type === 'finish') + 1
  const workers = workersOf({ failsAfter: ended }, { lie })
  const { stream, trail } = setUp({ workers, request })
  const { events, error } = await read((await stream()).batches)
  assert.ok(hasCode(error, 'stream_interrupted'), String(error))
  assert.equal(trail.decision.attempts[1]?.code, 'continuation_differs')
  const { answers } = byChoice(events)
  assert.deepEqual(answers.get(1), byChoice(wholeAnswer(2)).answers.get(1))
})

test('three workers in a row that add nothing are enough', async () => {
  const workers = workersOf({ failsAfter: 4 }, ...new Array(5).fill({ failsAfter: 0 }))
  const { stream, trail } = setUp({ workers })
  const answer = await stream()
  const { events, error } = await read(answer.batches)
  assert.ok(hasCode(error, 'stream_interrupted'))
  assert.deepEqual(events, wholeAnswer().slice(0, 4))
  assert.equal(trail.decision.attempts.length, 1 + gatewayLimits.attemptsMax)
  assert.deepEqual([answer.figures().ttftMs, answer.figures().deltaTokens], [0, 4])
  const further = new Array(8).fill({ failsAfter: 3 })
  const steady = setUp({ workers: workersOf({ failsAfter: 1 }, ...further) })
  const whole = await read((await steady.stream()).batches)
  assert.deepEqual(byChoice(whole.events), byChoice(wholeAnswer()))
  assert.ok(steady.trail.decision.attempts.length > 1 + gatewayLimits.attemptsMax)
})

test('where all who could go on are busy, it waits for room, and not without end', async () => {
  const busy = { running: 1_000, waiting: 1_000, kvTokensFree: 0, draining: false }
  const room = { ...busy, running: 0, waiting: 0 }
  const begin = async () => {
    const workers = workersOf({ failsAfter: 4 }, {})
    const [, second] = workers
    assert.ok(second !== undefined)
    second.view.load = busy
    const { stream, clock, departure, trail } = setUp({ workers })
    const reading = read((await stream()).batches)
    await clock.advanceAsync(20_000)
    assert.equal(second.requests.length, 0)
    return { second, reading, clock, departure, trail }
  }
  const patient = await begin()
  patient.second.view.load = room
  await patient.clock.advanceAsync(1_000)
  const { events, error } = await patient.reading
  assert.equal(error, undefined)
  assert.deepEqual(byChoice(events), byChoice(wholeAnswer()))
  assert.ok((patient.trail.decision.attempts[1]?.splice?.pauseMs ?? 0) >= 20_000)
  assert.equal(patient.trail.decision.rounds.length, 2, 'not one for each look')

  const late = await begin()
  await late.clock.advanceAsync(gatewayLimits.silenceMs)
  assert.ok(hasCode((await late.reading).error, 'stream_interrupted'))

  const left = await begin()
  left.departure.depart(clientGone())
  left.second.view.load = room
  await left.clock.advanceAsync(1_000)
  assert.ok(hasCode((await left.reading).error, 'client_closed_request'))
  assert.equal(left.second.requests.length, 0)
})

test('a client that leaves, or whose time is over, gets nobody to go on', async () => {
  const { stream, departure, trail, clock } = setUp({
    workers: workersOf({ failsAfter: 4, stalls: true }, {}),
  })
  const reading = read((await stream()).batches)
  await clock.advanceAsync(100)
  departure.depart(clientGone())
  const { error: left } = await reading
  assert.ok(hasCode(left, 'client_closed_request'))
  assert.deepEqual(
    trail.decision.attempts.map(({ outcome }) => outcome),
    ['abandoned'],
  )

  const late = setUp({
    workers: workersOf({ failsAfter: 4, stalls: true }, {}),
    limits: { totalMs: 3_000 },
  })
  const waiting = read((await late.stream()).batches)
  await late.clock.advanceAsync(3_000)
  assert.ok(hasCode((await waiting).error, 'stream_interrupted'))
  assert.equal(late.trail.decision.attempts.length, 1)
})
