import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { NodeId } from '../../protocol/index.ts'
import type { Roster } from './claims.ts'
import type { ClusterContext } from './context.ts'
import { clusterTimes } from './limits.ts'
import { Standings } from './standings.ts'
import { Trips } from './trips.ts'

const [self, other] = ['self', 'other'] as [NodeId, NodeId]
const roster = {
  seats: [
    { id: self, epoch: 1 },
    { id: other, epoch: 1 },
  ],
} as unknown as Roster

test('what one says of others is renewed when it is another, and no more often than it may', () => {
  const trips = new Trips(15)
  const seal = { sign: (body: object) => body }
  const context = { self, trips, seal } as unknown as ClusterContext
  const standings = new Standings(context, { cluster: 'c', epoch: 1 })
  assert.equal(standings.renew(roster, 0), 'new')
  assert.equal(standings.renew(roster, 1), 'same')
  for (let i = 0; i < 3; i += 1) trips.record(other, 40, 1)
  // It is not forgotten: whoever asks again after the wait is told.
  assert.equal(standings.renew(roster, 2), 'later')
  assert.equal(standings.renew(roster, clusterTimes.standingEveryMs), 'new')
  assert.deepEqual(standings.own?.far, [other])
})
