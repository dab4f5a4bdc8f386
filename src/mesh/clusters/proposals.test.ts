import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { NodeId } from '../../protocol/index.ts'
import type { Neighbour } from '../directory/card-book.ts'
import { clusterTimes } from './limits.ts'
import { isSizeNews, propose, unexplored } from './proposals.ts'
import { Trips } from './trips.ts'

const boundMs = 15
const near = 'near' as NodeId
const nearer = 'nearer' as NodeId

describe('whom to measure of the neighbours', () => {
  it('is the nearest that was never measured, if it may be near at all', () => {
    const trips = new Trips(boundMs)
    const all = [neighbour(nearer, 2), neighbour(near, 20), neighbour('far' as NodeId, 31)]
    const neighbours = () => all
    const ask = () => unexplored({ cluster: 'own', size: 1, neighbours, trips }, boundMs, 0)
    assert.equal(ask(), nearer)
    trips.record(nearer, 2, 0)
    assert.equal(ask(), near)
    trips.record(near, 22, 0)
    assert.equal(ask(), undefined)
  })

  it('is asked again later that seems near and of which the first echo was late', () => {
    const trips = new Trips(boundMs)
    const neighbours = () => [neighbour(nearer, 3), neighbour(near, 16)]
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
    const neighbours = () => [neighbour(near, 3)]
    const { doubtAfterMs } = clusterTimes
    for (let i = 0; i < 3; i += 1) trips.record(near, 35, 0)
    const ask = (nowMs: number) =>
      unexplored({ cluster: 'own', size: 1, neighbours, trips }, boundMs, nowMs)
    assert.equal(ask(4 * doubtAfterMs - 1), undefined)
    assert.equal(ask(4 * doubtAfterMs), near)
  })
})

describe('which cluster to try first', () => {
  const trips = new Trips(boundMs)
  for (const id of ['a', 'b', 'c']) trips.record(id as NodeId, 5, 0)
  const of = (cluster: string, said: readonly (readonly [string, number, number])[]) =>
    said.map(([id, clusterSize, issuedAtMs]): Neighbour => {
      const card = { id, cluster, clusterSize, issuedAtMs } as unknown as Neighbour['card']
      return { card, apartMs: 1 }
    })
  const tried = (size: number, neighbours: readonly Neighbour[]) =>
    propose({ cluster: 'own', size, neighbours: () => neighbours, trips }, () => false)?.cluster

  it('is as large as the latest of its members’ cards says', () => {
    const grown = of('x', [
      ['a', 6, 1],
      ['b', 12, 3],
      ['c', 6, 2],
    ])
    assert.equal(tried(10, grown), 'x')
    assert.equal(tried(12, grown), undefined)
    const shrunk = of('x', [
      ['a', 14, 1],
      ['b', 4, 3],
    ])
    assert.equal(tried(10, shrunk), undefined)
    assert.equal(tried(3, shrunk), 'x')
  })

  it('is none that is smaller than one’s own, or one’s own', () => {
    assert.equal(tried(10, of('x', [['a', 4, 1]])), undefined)
    assert.equal(tried(10, of('own', [['a', 40, 1]])), undefined)
  })
})

describe('a cluster’s size', () => {
  const { cardSizeEveryMs, cardSizeSettledMs } = clusterTimes
  const isNews = (said: number, is: number, about: { isSpokesman: boolean; ageMs: number }) =>
    isSizeNews({ said, is, ...about })

  it('is said anew by spokesmen when it is a quarter off, and later for any difference', () => {
    const spokesman = { isSpokesman: true, ageMs: cardSizeEveryMs }
    assert.ok(isNews(12, 16, spokesman))
    assert.ok(!isNews(13, 16, spokesman))
    assert.ok(isNews(15, 16, { isSpokesman: true, ageMs: cardSizeSettledMs }))
    assert.ok(!isNews(1, 64, { isSpokesman: true, ageMs: cardSizeEveryMs - 1 }))
  })

  it('is said anew by the others when it is twice what they said, or half', () => {
    const other = { isSpokesman: false, ageMs: cardSizeSettledMs }
    assert.ok(isNews(8, 16, other))
    assert.ok(isNews(16, 8, other))
    assert.ok(!isNews(9, 16, other))
  })
})

function neighbour(id: NodeId, apartMs: number): Neighbour {
  return { card: { id } as Neighbour['card'], apartMs }
}
