import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { NodeId } from '../../protocol/index.ts'
import { Disputes } from './disputes.ts'
import { clusterTimes } from './limits.ts'

const [one, other] = ['one', 'other'] as NodeId[] as [NodeId, NodeId]
const { healingMs } = clusterTimes

test('who signs while a partition heals may not know better; who goes on after that does', () => {
  const disputes = new Disputes()
  assert.equal(disputes.note(one, 1_000), 'new')
  assert.equal(disputes.note(one, 5_000), 'open')
  assert.equal(disputes.note(one, healingMs), 'open')
  assert.equal(disputes.note(other, healingMs + 2_000), 'new')
  assert.equal(disputes.note(one, healingMs + 2_000), 'over')
  assert.equal(disputes.note(one, 2 * healingMs), 'over')
})

test('what was quiet for so long is another dispute', () => {
  const disputes = new Disputes()
  disputes.note(one, 0)
  disputes.note(one, healingMs)
  assert.equal(disputes.note(one, 2 * healingMs + 1), 'new')
  disputes.keepOnly(() => false)
  assert.equal(disputes.note(one, 2 * healingMs + 2), 'new')
})

test('others are answered at first at once, and then each time after twice as long', () => {
  const disputes = new Disputes()
  const answered: number[] = []
  for (let nowMs = 0; nowMs < 40_000; nowMs += 100) {
    if (disputes.answer(5, nowMs) !== undefined) answered.push(nowMs)
  }
  assert.deepEqual(answered, [0, 1_000, 3_000, 7_000, 15_000, 23_000, 31_000, 39_000])
  // After a quiet time it begins anew.
  const laterMs = 39_000 + 8_000 + healingMs + 1
  assert.notEqual(disputes.answer(5, laterMs), undefined)
  assert.notEqual(disputes.answer(5, laterMs + 1_000), undefined)
  assert.equal(disputes.answer(5, laterMs + 2_999), undefined)
})

test('an answer is above all that was shown, whatever is shown again at the right moment', () => {
  const disputes = new Disputes()
  assert.equal(disputes.answer(8, 0), 8)
  assert.equal(disputes.answer(21, 500), undefined)
  assert.equal(disputes.answer(9, 1_000), 21)
})
