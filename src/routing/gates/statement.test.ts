import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decide } from '../decide.ts'
import { sampleCandidate, sampleEvidence, sampleInput } from '../samples.fixture.ts'
import { checkInWords } from './sample-check.fixture.ts'
import { statementGate } from './statement.ts'

/** It states 500 tokens a second: 1 s for these. */
function tookMs(meanMs: number, samples = 10) {
  const line = { promptTokens: 500, load: 0, msPerPromptToken: 0, msPerLoad: 0, deviationMs: 0 }
  return { evidence: { ...sampleEvidence(1, 300), response: { ...line, meanMs, samples } } }
}

test('first tokens are about as soon as the stated speed allows', () => {
  const ask = (meanMs: number, samples?: number) =>
    checkInWords(statementGate, {}, tookMs(meanMs, samples))
  assert.equal(ask(1_020), 'pass')
  assert.equal(ask(4_000), 'pass')
  assert.equal(
    ask(10_020),
    'first tokens at most 4 times as late as its stated speed allows / 10 times as late, as seen',
  )
  assert.equal(ask(10_020, 1), 'pass', 'one answer may have met a mishap')
})

test('a request of few tokens takes its overhead, whatever the speed', () => {
  const short = { ...tookMs(300).evidence }
  const response = { ...short.response, promptTokens: 10, meanMs: 420 }
  assert.equal(checkInWords(statementGate, {}, { evidence: { ...short, response } }), 'pass')
})

test('who overstates its speed is asked where nobody else is there, but is no refuge', () => {
  const liar = sampleCandidate(0, tookMs(10_020))
  const full = sampleCandidate(1, { load: { running: 100 } })
  const gone = sampleCandidate(1, { connected: false })
  assert.equal(decide(sampleInput({ candidates: [liar] })).chosen, liar.id)
  assert.equal(decide(sampleInput({ candidates: [liar, gone] })).chosen, liar.id)
  assert.equal(decide(sampleInput({ candidates: [liar, full] })).outcome, 'busy')
  const free = sampleCandidate(2)
  assert.equal(decide(sampleInput({ candidates: [liar, full, free] })).chosen, free.id)
})
