import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { NodeId } from '../../protocol/index.ts'
import type { Neighbour } from '../directory/card-book.ts'
import { clusterTimes } from './limits.ts'
import { unexplored } from './proposals.ts'
import { Trips } from './trips.ts'

const boundMs = 15
const near = 'near' as NodeId
const nearer = 'nearer' as NodeId

describe('whom to measure of the neighbours', () => {
  it('is the nearest that was never measured, if it may be near at all', () => {
    const trips = new Trips(boundMs)
    const neighbours = [neighbour(nearer, 2), neighbour(near, 20), neighbour('far' as NodeId, 31)]
    const ask = () => unexplored({ cluster: 'own', size: 1, neighbours, trips }, boundMs, 0)
    assert.equal(ask(), nearer)
    trips.record(nearer, 2, 0)
    assert.equal(ask(), near)
    trips.record(near, 22, 0)
    assert.equal(ask(), undefined)
  })

  it('is asked again later that seems near and of which the first echo was late', () => {
    const trips = new Trips(boundMs)
    const neighbours = [neighbour(nearer, 3), neighbour(near, 16)]
    const ask = (nowMs: number) =>
      unexplored({ cluster: 'own', size: 1, neighbours, trips }, boundMs, nowMs)
    trips.record(nearer, 35, 0)
    trips.record(near, 35, 0)
    assert.equal(ask(clusterTimes.doubtAfterMs - 1), undefined)
    assert.equal(ask(clusterTimes.doubtAfterMs), nearer)
    trips.record(nearer, 3, clusterTimes.doubtAfterMs)
    assert.equal(trips.get(nearer)?.isFar, false)
    assert.equal(ask(2 * clusterTimes.doubtAfterMs), undefined)
  })

  it('is asked ever more rarely that is found far each time', () => {
    const trips = new Trips(boundMs)
    const neighbours = [neighbour(near, 3)]
    const { doubtAfterMs } = clusterTimes
    for (let i = 0; i < 3; i += 1) trips.record(near, 35, 0)
    const ask = (nowMs: number) =>
      unexplored({ cluster: 'own', size: 1, neighbours, trips }, boundMs, nowMs)
    assert.equal(ask(4 * doubtAfterMs - 1), undefined)
    assert.equal(ask(4 * doubtAfterMs), near)
  })
})

function neighbour(id: NodeId, apartMs: number): Neighbour {
  return { card: { id } as Neighbour['card'], apartMs }
}
