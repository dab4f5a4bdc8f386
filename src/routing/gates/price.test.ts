import assert from 'node:assert/strict'
import { test } from 'node:test'

import { priceGate } from './price.ts'
import { checkInWords } from './sample-check.fixture.ts'

test('both prices must be within the cap', () => {
  const prices = (promptPrice: number, completionPrice: number) => ({
    offer: { promptPrice, completionPrice },
  })
  assert.equal(checkInWords(priceGate, {}, prices(1e9, 1e9)), 'not asked')
  assert.equal(checkInWords(priceGate, { maxPrice: 10 }, prices(10, 10)), 'pass')
  assert.equal(checkInWords(priceGate, { maxPrice: 0 }, prices(0, 0)), 'pass')
  const rejected =
    'at most 10 µ$ per million tokens / 11 µ$ (prompt) and 5 µ$ (completion) per million tokens'
  assert.equal(checkInWords(priceGate, { maxPrice: 10 }, prices(11, 5)), rejected)
  assert.notEqual(checkInWords(priceGate, { maxPrice: 10 }, prices(5, 11)), 'pass')
})
