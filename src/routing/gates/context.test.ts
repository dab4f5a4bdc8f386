import assert from 'node:assert/strict'
import { test } from 'node:test'

import { contextGate } from './context.ts'
import { checkInWords } from './sample-check.fixture.ts'

test('prompt and answer must fit the context together', () => {
  const offer = { contextTokensMax: 164 }
  assert.equal(checkInWords(contextGate, { promptTokens: 100, maxTokens: 64 }, { offer }), 'pass')
  const rejected = checkInWords(contextGate, { promptTokens: 101, maxTokens: 64 }, { offer })
  assert.equal(rejected, 'a context of 165 tokens, 64 of them for the answer / 164 tokens')
})

test('without a wish for a length one token must fit', () => {
  const offer = { contextTokensMax: 100 }
  assert.equal(checkInWords(contextGate, { promptTokens: 99, maxTokens: null }, { offer }), 'pass')
  assert.notEqual(
    checkInWords(contextGate, { promptTokens: 100, maxTokens: null }, { offer }),
    'pass',
  )
})

test('a worker that does not state its context answers for itself', () => {
  const offer = { contextTokensMax: 0 }
  assert.equal(checkInWords(contextGate, { promptTokens: 1e6 }, { offer }), 'pass')
})
