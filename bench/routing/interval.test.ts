import assert from 'node:assert/strict'
import { test } from 'node:test'
import { difference } from './interval.ts'

test('the interval of a mean is Student’s', () => {
  assert.deepEqual(difference([2]), { mean: 2, half: 0 })
  const { mean, half } = difference([1, 2, 3, 4, 5])
  assert.equal(mean, 3)
  assert.ok(Math.abs(half - (2.776 * Math.sqrt(2.5)) / Math.sqrt(5)) < 1e-9)
})
