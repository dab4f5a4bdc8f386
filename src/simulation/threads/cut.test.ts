import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { seededRandom } from '../../base/index.ts'
import { Placement } from '../network/placement.ts'
import { cutHosts } from './cut.ts'

/** Two continents of 20 sites each, 100 ms apart; within one, sites lie on a line, 4 ms apart. */
function continents(hosts: number): Placement {
  const sites = 40
  const roundTripsMs = Float32Array.from({ length: sites * sites }, (_, index) => {
    const [a, b] = [Math.floor(index / sites), index % sites]
    if (a === b) return 0
    return (Math.floor(a / 20) === Math.floor(b / 20) ? 0 : 100) + 4 * Math.abs((a % 20) - (b % 20))
  })
  return new Placement({ sites, roundTripsMs, notes: [] }, hosts, seededRandom(3))
}

describe('dividing hosts among threads', () => {
  it('cuts where the way is longest', () => {
    const placement = continents(400)
    const { partOf, leastMs } = cutHosts(placement, 2)
    assert.equal(leastMs, 50)
    assert.equal(
      partOf.reduce((sum, part) => sum + part, 0),
      200,
    )
    for (let host = 0; host < 400; host += 1) {
      const sameSide =
        Math.floor(placement.siteOf(host) / 20) === Math.floor(placement.siteOf(0) / 20)
      assert.equal(partOf[host] === partOf[0], sameSide)
    }
  })

  it('shares fairly before it seeks long ways', () => {
    const placement = continents(400)
    const { partOf, leastMs } = cutHosts(placement, 4)
    const counts = [0, 0, 0, 0]
    for (const part of partOf) counts[part] = (counts[part] ?? 0) + 1
    assert.ok(Math.max(...counts) <= 112, counts.join())
    assert.ok(leastMs >= 2)
    for (let a = 0; a < 400; a += 1) {
      for (let b = 0; b < a; b += 1) {
        if (partOf[a] !== partOf[b]) assert.ok(placement.oneWayMs(a, b) >= leastMs)
      }
    }
  })
})
