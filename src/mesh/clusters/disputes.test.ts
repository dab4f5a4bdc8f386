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

test('the coordinator answers at first soon, and then each time after twice as long', () => {
  const disputes = new Disputes()
  const answered: number[] = []
  for (let nowMs = 0; nowMs < 60_000; nowMs += 100) {
    if (disputes.takeAnswer(one, nowMs)) answered.push(nowMs)
  }
  assert.deepEqual(answered, [0, 1_000, 3_000, 7_000, 15_000, 31_000])
  assert.ok(disputes.takeAnswer(other, 60_000))
  // After a quiet time it begins anew.
  const laterMs = 31_000 + 3 * healingMs
  assert.ok(disputes.takeAnswer(one, laterMs))
  assert.ok(disputes.takeAnswer(one, laterMs + clusterTimes.overrideEveryMs))
  disputes.keepOnly(() => false)
  assert.ok(disputes.takeAnswer(one, laterMs + clusterTimes.overrideEveryMs))
})
