import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { NodeId } from '../../protocol/index.ts'
import { clusterLimits } from './limits.ts'
import { Trips } from './trips.ts'

const peer = 'peer' as NodeId

test('what was near stays near up to the bound, what was far stays far until well below', () => {
  const trips = new Trips(15)
  trips.record(peer, 14, 0)
  for (let i = 0; i < 10; i += 1) assert.equal(trips.record(peer, 14.9, i), false)
  assert.equal(trips.get(peer)?.isFar, false)
  for (let i = 0; i < 5; i += 1) trips.record(peer, 15.1, i)
  assert.equal(trips.get(peer)?.isFar, true)
  for (let i = 0; i < 10; i += 1) assert.equal(trips.record(peer, 14.6, i), false)
  assert.equal(trips.get(peer)?.isFar, true)
  for (let i = 0; i < 5; i += 1) trips.record(peer, 14, i)
  assert.equal(trips.get(peer)?.isFar, false)
})

test('at first a round trip that is hardly below the bound counts as far', () => {
  const trips = new Trips(15)
  assert.equal(trips.record(peer, 14.8, 0), true)
  assert.equal(trips.get(peer)?.isFar, true)
})

test('one that was held up changes nothing', () => {
  const trips = new Trips(15)
  for (const ms of [10, 11, 10]) trips.record(peer, ms, 0)
  assert.equal(trips.record(peer, 500, 0), false)
  assert.equal(trips.get(peer)?.ms, 10)
})

test('only so many are remembered; the one measured longest ago makes room', () => {
  const trips = new Trips(15)
  for (let i = 0; i <= clusterLimits.tripsMax; i += 1) trips.record(`p${i}` as NodeId, 10, i)
  assert.equal(trips.size, clusterLimits.tripsMax)
  assert.equal(trips.get('p0' as NodeId), undefined)
  assert.notEqual(trips.get('p1' as NodeId), undefined)
})

test('who comes into another’s place begins anew', () => {
  const trips = new Trips(15)
  for (let i = 0; i < clusterLimits.tripsMax; i += 1) trips.record(`p${i}` as NodeId, 100, i)
  const atMs = clusterLimits.tripsMax
  assert.equal(trips.record(peer, 10, atMs), true)
  assert.deepEqual(trips.get(peer), { ms: 10, isFar: false, samples: 1, atMs })
  assert.ok(!trips.has('p0' as NodeId))
  assert.ok(trips.isFar('p1' as NodeId))
  assert.equal(trips.ms('p1' as NodeId), 100)
})
