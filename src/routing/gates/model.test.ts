import assert from 'node:assert/strict'
import { test } from 'node:test'

import { modelGate } from './model.ts'
import { checkInWords } from './sample-check.fixture.ts'

test('a worker without the model is rejected', () => {
  assert.equal(checkInWords(modelGate, {}, {}), 'pass')
  const rejected = checkInWords(modelGate, { model: 'sample-model' }, { offer: null })
  assert.equal(rejected, 'the model sample-model / not offered')
})
