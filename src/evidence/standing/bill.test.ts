/** When a bill is over what can be, and when far over it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ceilingOf, type Receipt } from '../../protocol/index.ts'
import { faultOfBill } from './bill.ts'
import { receiptOf } from './notices.fixture.ts'

const rules = { overbilledShareMax: 0.05, overbilledTokensMax: 32 }
const { work } = receiptOf({})
/** Of 1,000 tokens that came by their ids. */
const long = { ...work, tokenIds: 1_000 }
const most = ceilingOf(long)
const judged = (bill: Partial<Receipt['bill']>) =>
  faultOfBill({ work: long, bill: { ...most, ...bill } }, rules)

test('what can be is no fault; a little more is one, and far more is severe', () => {
  assert.equal(judged({}), undefined)
  for (const count of ['promptTokens', 'completionTokens'] as const) {
    assert.equal(judged({ [count]: 0 }), undefined)
    assert.equal(judged({ [count]: most[count] + 1 }), 'overbilled')
    // Both the share of it and so many tokens besides.
    const far = Math.floor(most[count] * 1.05 + 32)
    assert.equal(judged({ [count]: far }), 'overbilled')
    assert.equal(judged({ [count]: far + 1 }), 'settlement-mismatch')
  }
})

test('less of one does not make up for more of the other', () => {
  assert.equal(judged({ promptTokens: 0, completionTokens: 2_000 }), 'settlement-mismatch')
  assert.equal(judged({ promptTokens: 20_000, completionTokens: 0 }), 'settlement-mismatch')
})
