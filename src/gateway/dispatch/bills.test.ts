/** What several prompts were billed for, as one. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sumOfBills } from './bills.ts'

const tokens = (promptTokens: number, completionTokens: number) => ({
  promptTokens,
  completionTokens,
})

test('bills add up, and one that is false makes all of them false', () => {
  const right = { bill: tokens(1, 20), counted: tokens(1, 2), isFalse: false }
  const wrong = { ...right, isFalse: true }
  assert.deepEqual(sumOfBills(undefined, right), right)
  const sum = sumOfBills(right, { ...right, counted: tokens(3, 4) })
  assert.deepEqual(sum, { bill: tokens(2, 40), counted: tokens(4, 6), isFalse: false })
  assert.equal(sumOfBills(wrong, right).isFalse, true)
  assert.equal(sumOfBills(right, wrong).isFalse, true)
})
