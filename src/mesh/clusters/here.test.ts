import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { NodeId } from '../../protocol/index.ts'
import { answerToHere, type HereView } from './here.ts'

const [first, second] = ['first', 'second'] as [NodeId, NodeId]

/** Of one with the roster of version 5 by the first. */
function answer(
  said: { readonly version: number; readonly coordinator?: NodeId },
  view: Partial<HereView> = {},
): string {
  const here = { kind: 'here' as const, cluster: 'c', coordinator: first, epoch: 1, ...said }
  const mine = { version: 5, coordinator: first }
  const given = answerToHere(here, { mine, isSeated: true, isCoordinator: true, ...view })
  const { isAcknowledged, showsRoster, wantsRoster } = given
  const words = [isAcknowledged && 'ack', showsRoster && 'roster', wantsRoster && 'wanted']
  return words.filter((word) => word !== false).join()
}

test('a coordinator acknowledges, and shows or asks for what one of the two lacks', () => {
  assert.equal(answer({ version: 5 }), 'ack')
  assert.equal(answer({ version: 4 }), 'ack,roster')
  assert.equal(answer({ version: 6 }), 'ack,wanted')
  assert.equal(answer({ version: 5, coordinator: second }), 'ack,wanted')
})

test('who has no seat with that epoch is shown so, and asked for what it knows beyond that', () => {
  assert.equal(answer({ version: 5 }, { isSeated: false }), 'roster')
  assert.equal(answer({ version: 4 }, { isSeated: false }), 'roster')
  assert.equal(answer({ version: 6 }, { isSeated: false }), 'roster,wanted')
})

test('one that coordinates nothing shows its roster, however old, to whoever thinks so', () => {
  const view = { isCoordinator: false }
  assert.equal(answer({ version: 5 }, view), 'ack')
  assert.equal(answer({ version: 6 }, view), 'ack,roster,wanted')
  assert.equal(answer({ version: 4 }, { ...view, isSeated: false }), 'ack,roster')
})
