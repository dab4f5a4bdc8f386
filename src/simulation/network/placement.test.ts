import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { seededRandom } from '../../base/index.ts'
import { Placement } from './placement.ts'

const matrix = {
  sites: 3,
  roundTripsMs: Float32Array.of(0, 10, 20, 14, 0, 30, 20, 30, 0),
  notes: [],
}

describe('placing hosts', () => {
  it('gives each a site of its own while there are enough', () => {
    const placement = new Placement(matrix, 3, seededRandom(1))
    const hostAt = [0, 1, 2].map((site) =>
      [0, 1, 2].findIndex((host) => placement.siteOf(host) === site),
    )
    assert.deepEqual([...hostAt].sort(), [0, 1, 2])
    const [a = 0, b = 0, c = 0] = hostAt
    assert.equal(placement.roundTripMs(a, c), 20)
    assert.equal(placement.roundTripMs(b, c), 30)
    assert.equal(placement.roundTripMs(a, b), 12, 'the mean of both directions')
    assert.equal(placement.roundTripMs(b, a), 12)
  })

  it('shares sites among more hosts, each with a small last mile of its own', () => {
    const placement = new Placement(matrix, 30, seededRandom(2))
    const counts = [0, 0, 0]
    for (let host = 0; host < 30; host += 1) {
      const site = placement.siteOf(host)
      counts[site] = (counts[site] ?? 0) + 1
    }
    assert.deepEqual(counts, [10, 10, 10])
    for (let a = 0; a < 30; a += 1) {
      for (let b = 0; b < a; b += 1) {
        const ms = placement.roundTripMs(a, b)
        assert.equal(ms, placement.roundTripMs(b, a))
        if (placement.siteOf(a) === placement.siteOf(b)) assert.ok(ms > 0.2 && ms < 4.2, `${ms}`)
      }
    }
  })

  it('is the same for the same seed', () => {
    const sites = (seed: number) => {
      const placement = new Placement(matrix, 9, seededRandom(seed))
      return Array.from({ length: 9 }, (_, host) => placement.roundTripMs(0, host))
    }
    assert.deepEqual(sites(4), sites(4))
    assert.notDeepEqual(sites(4), sites(5))
  })
})
