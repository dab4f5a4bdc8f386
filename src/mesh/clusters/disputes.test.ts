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
