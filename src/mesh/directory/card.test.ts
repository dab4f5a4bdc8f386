import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { NodeId, NodeKey, SketchedTrip } from '../../protocol/index.ts'
import { origin } from '../coordinates/coordinate.ts'
import { apartMs, isWellFormed } from './card.ts'
import { directoryLimits } from './limits.ts'

const viewpoint = (trips: readonly (readonly [string, number])[]) => ({
  sketch: trips.map(([key, ms]): SketchedTrip => ({ key: key as NodeKey, ms })),
  coordinate: origin,
})

test('nodes are as far apart as they see the witnesses differently, but for the worst', () => {
  const one = viewpoint([
    ['a', 10],
    ['b', 20],
    ['c', 30],
    ['d', 40],
    ['e', 50],
  ])
  const other = viewpoint([
    ['a', 12],
    ['b', 18],
    ['c', 32],
    ['d', 38],
    ['e', 900],
  ])
  assert.equal(apartMs(one, other), 2)
  assert.equal(apartMs(other, one), 2)
  assert.equal(apartMs(one, one), 0)
})

test('only shared witnesses count; with too few, and no coordinates, nothing is known', () => {
  const one = viewpoint([
    ['a', 10],
    ['b', 20],
    ['c', 30],
    ['d', 40],
  ])
  const three = viewpoint([
    ['a', 13],
    ['c', 33],
    ['d', 43],
    ['x', 1],
  ])
  assert.equal(apartMs(one, three), 3)
  const two = viewpoint([
    ['a', 13],
    ['c', 33],
    ['x', 1],
    ['y', 1],
  ])
  assert.equal(apartMs(one, two), directoryLimits.unknownMs)
})

test('with too few shared witnesses coordinates say it', () => {
  const coordinate = { ...origin, error: 0.1, heightMs: 4 }
  assert.equal(apartMs({ sketch: [], coordinate }, { sketch: [], coordinate }), 8)
})

test('a card that cannot be true is malformed', () => {
  const { sketch, coordinate } = viewpoint([
    ['a', 10],
    ['b', 20],
  ])
  const good = {
    kind: 'card' as const,
    id: 'n' as NodeId,
    epoch: 1,
    cluster: 'c',
    clusterSize: 1,
    contact: new Uint8Array(),
    sketch,
    coordinate,
    issuedAtMs: 0,
    signature: new Uint8Array(64),
  }
  assert.ok(isWellFormed(good))
  const [a, b] = sketch as [SketchedTrip, SketchedTrip]
  assert.ok(!isWellFormed({ ...good, sketch: [b, a] }))
  assert.ok(!isWellFormed({ ...good, sketch: [a, a] }))
  assert.ok(!isWellFormed({ ...good, sketch: [{ ...a, ms: Number.NaN }] }))
  assert.ok(!isWellFormed({ ...good, sketch: [{ ...a, ms: -1 }] }))
  assert.ok(!isWellFormed({ ...good, epoch: -1 }))
  assert.ok(!isWellFormed({ ...good, epoch: 0.5 }))
  assert.ok(!isWellFormed({ ...good, cluster: '' }))
  assert.ok(!isWellFormed({ ...good, cluster: 'c'.repeat(65) }))
  assert.ok(!isWellFormed({ ...good, clusterSize: 0 }))
  assert.ok(!isWellFormed({ ...good, contact: new Uint8Array(2_000) }))
  assert.ok(!isWellFormed({ ...good, coordinate: { ...coordinate, heightMs: -5 } }))
})
