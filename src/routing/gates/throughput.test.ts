import assert from 'node:assert/strict'
import { test } from 'node:test'
import { newcomer } from '../../evidence/index.ts'
import { anyRule, sampleEvidence } from '../samples.fixture.ts'
import { checkInTier } from './sample-check.fixture.ts'
import { throughputGate } from './throughput.ts'

const floor = (tokensPerSecondMin: number) => ({ rule: { ...anyRule, tokensPerSecondMin } })
const measured = (upper: number, samples = 40) => ({
  evidence: { ...sampleEvidence(1, 40), rate: { median: 1, lower: 1, upper, samples } },
})

test('whoever can only be below the floor is rejected, with what was measured', () => {
  assert.equal(checkInTier(throughputGate, {}, measured(1)), 'not asked')
  assert.equal(checkInTier(throughputGate, floor(20), measured(20)), 'pass')
  const rejected = checkInTier(throughputGate, floor(20), measured(19.996))
  assert.equal(
    rejected,
    'at least 20 tokens/s, as measured here / at most 19.99 tokens/s, by 40 answers',
  )
})

test('what a worker states does not count, and a newcomer is given a trial', () => {
  const boasts = { offer: { decodeTokensPerSecond: 1e6 } }
  const admits = { offer: { decodeTokensPerSecond: 1 } }
  assert.notEqual(checkInTier(throughputGate, floor(20), { ...measured(10), ...boasts }), 'pass')
  assert.equal(checkInTier(throughputGate, floor(20), { ...measured(30), ...admits }), 'pass')
  assert.equal(checkInTier(throughputGate, floor(20), { evidence: newcomer, ...admits }), 'pass')
})

test('a class of hardware has to keep its own floor', () => {
  const classes = [
    { hardwareClass: 'cpu', ...anyRule, tokensPerSecondMin: 5 },
    { hardwareClass: 'gpu', ...anyRule, tokensPerSecondMin: 50 },
  ]
  const cpu = { ...measured(30), hardwareClass: 'cpu' }
  assert.equal(checkInTier(throughputGate, { classes }, cpu), 'pass')
  const gpu = checkInTier(throughputGate, { classes }, { ...cpu, hardwareClass: 'gpu' })
  assert.match(gpu, /^at least 5 tokens\/s of class cpu, at least 50 tokens\/s of class gpu, /)
})
