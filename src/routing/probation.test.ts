/** Who is on probation is tried by few requests, and by none while it rests. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { seededRandom } from '../base/index.ts'
import type { Standing } from '../evidence/index.ts'
import { decide } from './decide.ts'
import { sampleCandidate, sampleEvidence, sampleInput } from './samples.fixture.ts'

const resting: Standing = {
  state: 'probation',
  incident: `inc_${'a'.repeat(26)}`,
  words: 'on probation by an incident: one request at a time',
}
const awake: Standing = { ...resting, takes: true }
const sound = { evidence: sampleEvidence(1, 300) }
/** As after a severe fault, however long ago its other answers were right. */
const doubted = { ...sound.evidence, clean: { ...sound.evidence.clean, lowerBound: 0.5 } }
const unclean = { ...doubted, clean: { ...doubted.clean, upperBound: 0.9 } }

test('a small share of requests tries it, and the decision says why', () => {
  const tried = sampleCandidate(1, { evidence: unclean, standing: awake })
  const candidates = [sampleCandidate(0, sound), tried]
  const random = seededRandom(5)
  let probes = 0
  for (let i = 0; i < 2_000; i += 1) {
    const decision = decide(sampleInput({ candidates, random }))
    if (decision.chosen !== tried.id) continue
    probes += 1
    assert.equal(decision.decidedBy, 'probe')
    assert.match(decision.reason, /is on probation, and single requests show/)
  }
  // 3 % of them.
  assert.ok(probes > 30 && probes < 100, `${probes} of 2,000`)
})

test('while it rests nothing goes there, also where nobody else is left', () => {
  fc.assert(
    fc.property(fc.boolean(), fc.nat(), (isAlone, seed) => {
      const rests = sampleCandidate(1, { ...sound, standing: resting })
      const others = isAlone ? [] : [sampleCandidate(0, sound)]
      const input = { candidates: [rests, ...others], random: seededRandom(seed) }
      const decision = decide(sampleInput(input))
      assert.equal(decision.chosen, others[0]?.id ?? null)
      const [rejection] = decision.rejections
      assert.deepEqual([rejection?.gate, rejection?.actual], ['standing', resting.words])
    }),
  )
})

test('where nobody else is left, it is better than none', () => {
  const tried = sampleCandidate(1, { evidence: unclean, standing: awake })
  assert.equal(decide(sampleInput({ candidates: [tried] })).chosen, tried.id)
})
