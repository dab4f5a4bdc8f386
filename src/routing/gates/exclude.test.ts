import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sampleWorker } from '../samples.fixture.ts'
import { excludeGate } from './exclude.ts'
import { checkInWords } from './sample-check.fixture.ts'

test('a worker that the request excludes is rejected', () => {
  assert.equal(checkInWords(excludeGate, {}, {}), 'not asked')
  assert.equal(checkInWords(excludeGate, { exclude: [sampleWorker(1)] }, {}), 'pass')
  const rejected = checkInWords(excludeGate, { exclude: [sampleWorker(0)] }, {})
  assert.equal(rejected, 'not excluded by the request / excluded by the request')
})
