import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sampleCandidate, sampleDemand, sampleWorker } from '../samples.fixture.ts'
import { checkInWords } from './sample-check.fixture.ts'
import { triedGate } from './tried.ts'

test('a worker that was tried for this request is rejected', () => {
  assert.equal(checkInWords(triedGate, {}, {}), 'not asked')
  const demand = { ...sampleDemand(), tried: new Set([sampleWorker(0)]) }
  assert.equal(triedGate.applies(demand), true)
  assert.equal(triedGate.check(sampleCandidate(1), demand), undefined)
  const fact = triedGate.check(sampleCandidate(0), demand)
  assert.equal(triedGate.actual(fact ?? ''), 'tried for this request before')
})
