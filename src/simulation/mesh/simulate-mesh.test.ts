import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { seededRandom } from '../../base/index.ts'
import { faultPresets } from '../faults.ts'
import type { LatencyMatrix } from '../network/latency-matrix.ts'
import type { MeshRunOptions } from './options.ts'
import { simulateMesh } from './simulate-mesh.ts'

/** Sites on two continents, 80 ms apart; towns of three sites each, a few ms from each other. */
function continents(): LatencyMatrix {
  const sites = 24
  const random = seededRandom(11)
  const places = Array.from({ length: sites }, (_, site) => ({
    x: (site < 12 ? 0 : 80) + 20 * Math.floor((site % 12) / 3) + 3 * random.float(),
    height: 1 + random.float(),
  }))
  const roundTripsMs = Float32Array.from({ length: sites * sites }, (_, index) => {
    const [a, b] = [places[Math.floor(index / sites)], places[index % sites]]
    if (a === undefined || b === undefined || a === b) return 0
    return Math.abs(a.x - b.x) + a.height + b.height
  })
  return { sites, roundTripsMs, notes: [] }
}

/** As many sites as a cluster has members, all within its bound. */
function town(): LatencyMatrix {
  const sites = 64
  const random = seededRandom(12)
  const places = Array.from({ length: sites }, () => 8 * random.float())
  const roundTripsMs = Float32Array.from({ length: sites * sites }, (_, index) => {
    const [a = 0, b = 0] = [places[Math.floor(index / sites)], places[index % sites]]
    return a === b ? 0 : 1 + Math.abs(a - b)
  })
  return { sites, roundTripsMs, notes: [] }
}

const options: MeshRunOptions = {
  seed: 5,
  nodes: 120,
  gateways: 2,
  lengthMs: 90_000,
  matrix: continents(),
  faults: faultPresets.harsh,
  loss: 0.005,
  jitterShare: 0.05,
  boundMs: 15,
}

describe('a simulated mesh', () => {
  it('gives the same bytes for the same seed, and others for another', async () => {
    const smaller = { ...options, nodes: 50, lengthMs: 50_000 }
    const one = await simulateMesh(smaller)
    const same = await simulateMesh(smaller)
    const other = await simulateMesh({ ...smaller, seed: 6 })
    assert.equal(JSON.stringify(one), JSON.stringify(same))
    assert.notEqual(JSON.stringify(one), JSON.stringify(other))
  })

  it('gives the same bytes with one thread and with two', async () => {
    const larger = { ...options, nodes: 500, lengthMs: 13_000 }
    const alone = await simulateMesh(larger, { threads: 1 })
    const divided = await simulateMesh(larger, { threads: 2 })
    assert.equal(JSON.stringify(divided), JSON.stringify(alone))
  })

  it('costs a node of a full cluster little, also while it forms', async (t) => {
    const { rows } = await simulateMesh({
      ...options,
      nodes: 64,
      lengthMs: 180_000,
      matrix: town(),
      faults: faultPresets.none,
      loss: 0.001,
    })
    const each = rows.map(({ nodeBytesPerSecond }) => Math.round(nodeBytesPerSecond))
    t.diagnostic(`${each.join(', ')} B/s`)
    const [first = Infinity, , last = Infinity] = each
    assert.equal(rows.at(-1)?.largestSize, 64)
    assert.ok(first <= 7_000, `${first} B/s in the first minute`)
    assert.ok(last <= 2_300, `${last} B/s in the third`)
  })

  it('places hosts in clusters within the bound, and nothing is wrong for long', async () => {
    const result = await simulateMesh({
      ...options,
      lengthMs: 120_000,
      faults: faultPresets.usual,
    })
    const last = result.rows.at(-1)
    assert.ok(last !== undefined && last.placed / last.up > 0.8, JSON.stringify(last))
    for (const { name, violations, examples } of result.checkers) {
      assert.equal(violations, 0, `${name}: ${examples.join()} (seed ${options.seed})`)
    }
    const lies = Object.keys(result.seen).filter((what) => what.startsWith('lie'))
    assert.deepEqual(lies, [], 'nobody lies')
  })

  it('gives gateways views that are seconds old', async () => {
    // With faults, who is cut off from its coordinator is late until another one coordinates.
    const { view } = await simulateMesh({ ...options, faults: faultPresets.none })
    assert.ok(view.ageP99Ms !== null && view.ageP99Ms <= 3_000, JSON.stringify(view))
    assert.equal(view.missingShare, 0)
  })
})
