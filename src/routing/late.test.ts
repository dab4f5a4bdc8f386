/** Who is asked when the good are busy, and what is to be soon. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { endAttempt, withAttempt } from './attempts.ts'
import { chooseAgain, decide } from './decide.ts'
import {
  sampleCandidate,
  sampleEvidence,
  sampleInput,
  sampleRequest,
  sampleWorker,
} from './samples.fixture.ts'

test('a worker whose work mostly fails is no refuge when the others are busy', () => {
  const objective = { ttftMs: 1_000, tpotMs: null }
  const busy = sampleCandidate(0, {
    evidence: sampleEvidence(1, 200),
    load: { running: 12, waiting: 0 },
  })
  const failing = sampleCandidate(1, { evidence: sampleEvidence(0, 20) })
  const request = { ...sampleRequest, objective }
  const decision = decide(sampleInput({ request, candidates: [busy, failing] }))
  assert.equal(decision.outcome, 'busy')
  assert.equal(decision.gateCounts['record'], 1)
  assert.equal(decision.rejections.find(({ worker }) => worker === failing.id)?.gate, 'record')
  assert.ok((decision.retryAfterMs ?? 0) > 0)
  // Where nobody better is there at all, it is asked; and so is a newcomer, who only has no record.
  assert.equal(decide(sampleInput({ request, candidates: [failing] })).chosen, failing.id)
  const newcomer = sampleCandidate(2)
  const among = decide(sampleInput({ request, candidates: [busy, failing, newcomer] }))
  assert.equal(among.chosen, newcomer.id)
})

test('a request that was taken on is not refused for being late', () => {
  const request = { ...sampleRequest, objective: { ttftMs: 1_000, tpotMs: null } }
  const sound = { evidence: sampleEvidence(1, 200) }
  const candidates = [
    sampleCandidate(0, sound),
    sampleCandidate(1, { ...sound, load: { running: 12 } }),
  ]
  const input = sampleInput({ request, candidates })
  const decision = decide(input)
  assert.equal(decision.chosen, candidates[0]?.id)
  const begun = withAttempt(decision, { worker: sampleWorker(0), startedAtMs: 0 })
  const failed = endAttempt(begun, { endedAtMs: 1, outcome: 'failed', code: 'node_failed' })
  assert.equal(chooseAgain(failed, input).chosen, candidates[1]?.id)
})

test('with an objective for the first token, it is the first token that is to be soon', () => {
  const seen = (ttftMs: number, tpotMs: number) => {
    const evidence = sampleEvidence(1, 500, ttftMs)
    return { evidence: { ...evidence, tpot: { meanMs: tpotMs, deviationMs: 1, samples: 500 } } }
  }
  const candidates = [sampleCandidate(0, seen(300, 60)), sampleCandidate(1, seen(900, 10))]
  const chosen = (ttftMs: number | null) => {
    const request = { ...sampleRequest, objective: { ttftMs, tpotMs: null } }
    return decide(sampleInput({ request, candidates })).chosen
  }
  assert.equal(chosen(2_000), candidates[0]?.id)
  assert.equal(chosen(null), candidates[1]?.id)
})
