/** Decisions made again from what was kept of them: the same ones, or the difference is told. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { seededRandom } from '../../base/index.ts'
import { decisionIdOf, hasCode } from '../../protocol/index.ts'
import type { Candidate } from '../candidate.ts'
import { decide } from '../decide.ts'
import { defaultPolicy } from '../policy.ts'
import { reviveDecision } from '../revive.ts'
import { sampleCandidate, sampleEvidence, sampleRequest, sampleWorker } from '../samples.fixture.ts'
import { made, replayed } from './network.fixture.ts'
import { ViewLog } from './view-log.ts'

test('every decision of a network that changes is made again as it was', () => {
  const seen = { decisions: 0, drawn: 0, again: 0, timely: 0, outcomes: new Set<string>() }
  let frames = 0
  fc.assert(
    fc.property(fc.integer(), fc.integer({ min: 1, max: 30 }), (seed, size) => {
      const { texts, views } = made(seed, size, 45)
      frames = Math.max(frames, views.size)
      for (const text of texts) {
        const decision = reviveDecision(text)
        const replay = replayed(decision, views)
        assert.deepEqual(replay?.differences, [])
        assert.equal(replay.agrees, true)
        assert.equal(replay.candidates, decision.first?.candidates ?? decision.candidates)
        seen.decisions += 1
        if (decision.rounds.some(({ draws }) => draws.length > 0)) seen.drawn += 1
        if (decision.rounds.length > 1) seen.again += 1
        if (decision.rankings.some(({ timely }) => timely < 1)) seen.timely += 1
        seen.outcomes.add(decision.outcome)
      }
    }),
    { numRuns: 12 },
  )
  // The property is about all of these.
  assert.ok(seen.drawn > seen.decisions / 4, `${seen.drawn} of ${seen.decisions} drew`)
  assert.ok(seen.again > seen.decisions / 10 && seen.timely > seen.decisions / 10)
  assert.equal(seen.outcomes.size, 3)
  assert.ok(frames > 1, 'a frame was full')
})

test('any changed byte of what was kept of the nodes is found', () => {
  const { texts, views } = made(7, 5, 12)
  const decision = reviveDecision(texts.at(-1))
  const [round] = decision.rounds
  assert.ok(round?.view)
  const bytes = views.get(round.view.frame)
  assert.ok(bytes)
  fc.assert(
    fc.property(fc.nat({ max: bytes.length - 1 }), fc.integer({ min: 1, max: 255 }), (at, by) => {
      const changed = Buffer.from(bytes)
      changed[at] = (changed[at] ?? 0) ^ by
      const other = new Map(views).set(round.view?.frame ?? '', changed)
      assert.throws(
        () => replayed(decision, other),
        (error) => hasCode(error, 'storage_failed'),
      )
    }),
    { numRuns: 300 },
  )
  const cut = new Map(views).set(round.view.frame, bytes.subarray(0, -1))
  assert.throws(
    () => replayed(decision, cut),
    (error) => hasCode(error, 'storage_failed'),
  )
})

test('a record that says something else is not made again so, and where is told', () => {
  const { texts, views } = made(3, 25, 30)
  let found = 0
  for (const text of texts) {
    const decision = reviveDecision(text)
    if (decision.rankings.length < 2) continue
    const [first] = decision.rankings
    const changes: readonly [string, object][] = [
      ['/rankings/0/reliability', { rankings: [{ ...first, reliability: 0.123 }] }],
      ['/chosen', { chosen: sampleWorker(99) }],
      ['/gateCounts/model', { gateCounts: { ...decision.gateCounts, model: 1_000 } }],
      ['/policyVersion', { policyVersion: 'another' }],
    ]
    for (const [where, change] of changes) {
      const other = reviveDecision({ ...JSON.parse(text), ...change })
      const replay = replayed(other, views)
      assert.equal(replay?.agrees, false)
      const places = replay.differences.map((one) => one.where)
      assert.ok(places.includes(where), `${where} in ${places}`)
    }
    found += 1
  }
  assert.ok(found > 5)
})

test('a decision that is only said in other words is the same one, and they are told', () => {
  const { texts, views } = made(3, 25, 30)
  const found = { reasons: 0, first: 0, required: 0, actual: 0 }
  const at = (all: readonly { readonly where: string }[]) => all.map(({ where }) => where)
  for (const text of texts) {
    const value = JSON.parse(text)
    const { first, rejections } = value
    const [rejected, ...others] = rejections
    const replayOf = (change: object) => {
      const replay = replayed(reviveDecision({ ...value, ...change }), views)
      assert.ok(replay)
      assert.equal(replay.agrees, replay.differences.length === 0)
      return replay
    }
    const reason = replayOf({ reason: 'As before, but put otherwise.' })
    assert.deepEqual([reason.agrees, at(reason.wording)], [true, ['/reason']])
    found.reasons += 1
    if (first !== null) {
      const again = replayOf({ first: { ...first, reason: 'Put otherwise.' } })
      const isWords = first.chosen !== null
      assert.deepEqual(at(isWords ? again.wording : again.differences), ['/first/reason'])
      assert.equal(again.agrees, isWords)
      found.first += 1
    }
    if (rejected === undefined) continue
    // As many words as there may be do not hide what is another fact.
    const worded = rejections.map((one: object) => ({ ...one, required: 'put otherwise' }))
    assert.equal(replayOf({ rejections: worded }).agrees, true)
    const last = { ...worded.at(-1), actual: 'something else' }
    const fact = replayOf({ rejections: [...worded.slice(0, -1), last] })
    assert.deepEqual(at(fact.differences), [`/rejections/${rejections.length - 1}/actual`])
    if (rejections.length > 20) found.actual += 1
    const gate = replayOf({ rejections: [{ ...rejected, gate: 'beauty' }, ...others] })
    assert.deepEqual(at(gate.differences), ['/rejections/0/gate'])
    found.required += 1
  }
  assert.ok(
    Object.values(found).every((count) => count > 0),
    JSON.stringify(found),
  )
})

test('attempts at whom nobody chose, and others passed over, are told', () => {
  const { texts, views } = made(3, 25, 30)
  let found = 0
  for (const text of texts) {
    const value = JSON.parse(text)
    const { attempts, rounds } = value
    const other = sampleWorker(99)
    const [first] = attempts
    const placesOf = (change: object) => {
      const replay = replayed(reviveDecision({ ...value, ...change }), views)
      assert.equal(replay?.agrees, false)
      return replay.differences.map(({ where }) => where)
    }
    const sent = { worker: other, startedAtMs: 1, endedAtMs: 2, ttftMs: null }
    const attempt = { ...sent, outcome: 'failed', code: 'node_failed', cause: 'retry' }
    const added = placesOf({ attempts: [...attempts, attempt] })
    assert.deepEqual(added, [`/attempts/${attempts.length}/worker`])
    if (first === undefined) continue
    const swapped = placesOf({ attempts: [{ ...first, worker: other }, ...attempts.slice(1)] })
    assert.ok(swapped.includes('/attempts/0/worker'), `${swapped}`)
    const [before, after] = rounds
    if (after === undefined) continue
    const passed = { ...after, tried: [...after.tried, other] }
    const places = placesOf({ rounds: [before, passed, ...rounds.slice(2)] })
    assert.ok(places.includes(`/rounds/1/tried/${after.tried.length}`), `${places}`)
    found += 1
  }
  assert.ok(found > 5)
})

test('other values under the name of a policy are told', () => {
  const policy = { ...defaultPolicy, explorationShare: 0.9 }
  const { text, views } = kept(
    [0, 1].map((number) => sampleCandidate(number)),
    policy,
  )
  const replay = replayed(reviveDecision(text), views)
  assert.equal(replay?.agrees, false)
  assert.deepEqual(
    replay.differences.map(({ where, kept }) => [where, kept]),
    [['/rounds/0/view/policy', defaultPolicy.version]],
  )
})

test('that a pace was seen is no other decision where an earlier version did not keep it', () => {
  const evidence = { ...sampleEvidence(0.99, 9), ttft: undefined }
  const { text, views } = kept([0, 1].map((number) => sampleCandidate(number, { evidence })))
  assert.deepEqual(replayed(reviveDecision(text), views)?.wording, [])
  const earlier = text.replaceAll(',"paceSeen":true', '')
  assert.notEqual(earlier, text)
  const replay = replayed(reviveDecision(earlier), views)
  assert.equal(replay?.agrees, true)
  assert.deepEqual(
    replay.wording.map(({ where }) => where),
    ['/rankings/0/paceSeen', '/rankings/1/paceSeen'],
  )
})

/** A decision among these, as text, and what it saw. */
function kept(candidates: readonly Candidate[], policy = defaultPolicy) {
  const frame = new ViewLog(() => 'frame').begin()
  for (const candidate of candidates) frame.set(frame.place(), candidate)
  const view = frame.mark({ policy, software: '1' }, false)
  const random = seededRandom(1)
  const about = { decisionId: decisionIdOf(random.bytes(16)), keyId: 'k', now: 1 }
  const decision = decide({ ...about, candidates, policy, random, request: sampleRequest, view })
  const bytes = Buffer.from(view.piece()?.bytes ?? [])
  return { text: JSON.stringify(decision), views: new Map([['frame', bytes]]) }
}

test('other draws are told, whether or not they lead elsewhere', () => {
  const { texts, views } = made(5, 8, 60)
  const drawn = texts
    .map((text) => reviveDecision(text))
    .filter(({ rounds }) => rounds[0]?.draws[0])
  assert.ok(drawn.length > 0)
  for (const decision of drawn) {
    const rounds = decision.rounds.map((round) => ({ ...round, draws: [] }))
    const other = reviveDecision({ ...JSON.parse(JSON.stringify(decision)), rounds })
    assert.equal(replayed(other, views)?.agrees, false)
  }
})

test('a decision from before lengths were learnt is made again by what it assumed', () => {
  const { texts, views } = made(3, 25, 30)
  let found = 0
  for (const text of texts) {
    const { predictedTokens, ...earlier } = JSON.parse(text)
    if (earlier.request.usualAnswer !== undefined) continue
    assert.equal(predictedTokens, earlier.completionTokens)
    assert.deepEqual(replayed(reviveDecision(earlier), views)?.differences, [])
    found += 1
  }
  assert.ok(found > 5)
})

test('a decision of an earlier version rests on no view, and is not made again', () => {
  const [text = ''] = made(1, 3, 1).texts
  const { rounds: __, ...earlier } = JSON.parse(text)
  assert.equal(replayed(reviveDecision(earlier), new Map()), undefined)
})
