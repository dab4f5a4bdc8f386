/** Whose circuit breaker is open gets nothing while another can do it, and is tried again later. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { seededRandom } from '../base/index.ts'
import type { BreakerSight } from '../evidence/index.ts'
import { decide } from './decide.ts'
import { renderDecision } from './explain/render.ts'
import { sampleCandidate, sampleEvidence, sampleInput } from './samples.fixture.ts'

const open: BreakerSight = {
  state: 'open',
  takes: false,
  words: 'open until 10:00:05 after 3 failures in a row, the last node_failed',
  leftMs: 5_000,
}
const probing: BreakerSight = { state: 'half-open', takes: false, words: 'one goes', leftMs: 0 }
const free: BreakerSight = { ...probing, takes: true }
const waiting: BreakerSight = { state: 'waiting', takes: false, words: 'later', leftMs: 7_000.5 }
const sound = { evidence: sampleEvidence(1, 300) }

test('breakers never shut the last ones out, and nobody else is chosen before', () => {
  const breakers = fc.array(fc.constantFrom(undefined, open, probing, free), {
    minLength: 1,
    maxLength: 8,
  })
  const property = fc.property(breakers, fc.nat(), (all, seed) => {
    const candidates = all.map((breaker, i) => sampleCandidate(i, { ...sound, breaker }))
    const decision = decide(sampleInput({ candidates, random: seededRandom(seed) }))
    const takes = candidates.filter(({ breaker }) => breaker?.takes ?? true)
    const allowed = takes.length > 0 ? takes : candidates
    assert.ok(allowed.some(({ id }) => id === decision.chosen))
    assert.equal(decision.eligible, allowed.length)
    const rejected = decision.rejections.filter(({ gate }) => gate === 'breaker')
    assert.equal(rejected.length, candidates.length - allowed.length)
  })
  fc.assert(property, { numRuns: 300 })
})

test('where the others are full, an open one with a sound record is better than none', () => {
  const full = { ...sound, load: { running: 100 } }
  const candidates = [sampleCandidate(0, full), sampleCandidate(1, { ...sound, breaker: open })]
  assert.equal(decide(sampleInput({ candidates })).chosen, candidates[1]?.id)
  const failing = { evidence: sampleEvidence(0, 20), breaker: open }
  const worse = [sampleCandidate(0, full), sampleCandidate(1, failing)]
  assert.equal(decide(sampleInput({ candidates: worse })).outcome, 'busy')
})

test('an open breaker is no queue: whoever else is there is asked, whatever its record', () => {
  const failing = { evidence: sampleEvidence(0, 20) }
  const broken = { ...sound, breaker: open }
  const candidates = [broken, broken, failing].map((one, i) => sampleCandidate(i, one))
  const decision = decide(sampleInput({ candidates }))
  assert.equal(decision.chosen, candidates[2]?.id)
  assert.equal(decision.gateCounts['breaker'], 2)
  const halted = [{ ...sound, overdue: true }, failing].map((one, i) => sampleCandidate(i, one))
  assert.equal(decide(sampleInput({ candidates: halted })).chosen, halted[1]?.id)
})

test('a decision says whose breaker is open and why', () => {
  const candidates = [sampleCandidate(0, sound), sampleCandidate(1, { ...sound, breaker: open })]
  const decision = decide(sampleInput({ candidates }))
  assert.deepEqual(decision.rejections, [
    {
      worker: candidates[1]?.id,
      gate: 'breaker',
      required: 'a circuit breaker that is closed, or half-open and free for a probe',
      actual: 'open until 10:00:05 after 3 failures in a row, the last node_failed',
    },
  ])
  assert.match(renderDecision(decision), /breaker \(1\): required a circuit breaker/)
})

test('a half-open one is tried by a small share of requests, the smaller the worse it did', () => {
  const failing = { evidence: sampleEvidence(0, 6), breaker: free }
  const candidates = [sampleCandidate(0, sound), sampleCandidate(1, failing)]
  const random = seededRandom(5)
  let probes = 0
  for (let i = 0; i < 10_000; i += 1) {
    const decision = decide(sampleInput({ candidates, random }))
    if (decision.chosen !== candidates[1]?.id) continue
    probes += 1
    assert.equal(decision.decidedBy, 'probe')
    if (probes === 1) assert.match(decision.reason, /single requests show whether it is well again/)
  }
  // Of 3 %, a sixteenth: one in eight is expected to come back, and of a newcomer one in two.
  assert.ok(probes > 5 && probes < 40, `${probes} of 10,000`)
})

test('who asked to be left alone is, and a client hears when the first may be asked again', () => {
  const busy = { ...sound, load: { running: 100 } }
  const candidates = [
    sampleCandidate(0, { ...sound, breaker: waiting }),
    sampleCandidate(1, { ...sound, breaker: { ...waiting, leftMs: 20_000 } }),
  ]
  const decision = decide(sampleInput({ candidates }))
  assert.deepEqual([decision.outcome, decision.retryAfterMs], ['busy', 7_001])
  assert.equal(decision.gateCounts['back-off'], 2)
  const other = decide(sampleInput({ candidates: [...candidates, sampleCandidate(2, sound)] }))
  assert.notEqual(other.chosen, null)
  const soon = decide(sampleInput({ candidates: [...candidates, sampleCandidate(2, busy)] }))
  assert.equal(soon.outcome, 'busy')
})
