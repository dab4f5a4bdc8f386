import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { seededRandom } from '../../base/index.ts'
import { type NodeId, nodeIdOf } from '../../protocol/index.ts'
import { origin } from './coordinate.ts'
import { KeptSamples, keptLimits } from './kept-samples.ts'

const random = seededRandom(2)
const ids = Array.from({ length: 200 }, () => nodeIdOf(random.bytes(32)))
const idAt = (index: number) => ids[index] as NodeId

describe('kept samples', () => {
  it('filter: one late answer does not count, a path that has become longer does', () => {
    const kept = new KeptSamples()
    for (const ms of [20, 21, 20, 400]) kept.measured(idAt(0), ms, 0)
    assert.equal(kept.roundTripsMs[0], 20)
    for (let i = 0; i < 4; i += 1) kept.measured(idAt(0), 45, 0)
    assert.equal(kept.roundTripsMs[0], 45)
  })

  it('are bounded, and those of a cluster do not drive out those abroad', () => {
    const kept = new KeptSamples()
    const abroad = [0, 1, 2, 3, 4, 5, 6, 7]
    for (const index of abroad) kept.measured(idAt(index), 100 + index, index)
    for (let i = 0; i < 1_000; i += 1) kept.measured(idAt(8 + (i % 100)), 10, 100 + i)
    assert.equal(kept.size, keptLimits.peersMax)
    assert.ok(abroad.every((index) => kept.has(idAt(index))))
  })

  it('make room by the oldest among alike', () => {
    const kept = new KeptSamples()
    for (let i = 0; i < keptLimits.peersMax; i += 1) kept.measured(idAt(i), 30, i)
    kept.measured(idAt(0), 30, 1_000)
    kept.measured(idAt(199), 30, 1_001)
    assert.ok(kept.has(idAt(0)) && kept.has(idAt(199)) && !kept.has(idAt(1)))
  })

  it('forget one and keep the others as they were', () => {
    const kept = new KeptSamples()
    for (let i = 0; i < 3; i += 1) {
      kept.measured(idAt(i), 10 * (i + 1), i)
      kept.heard(idAt(i), { ...origin, position: [i, 0, 0, 0, 0, 0, 0, 0], heightMs: i }, i)
    }
    kept.forget(idAt(0))
    kept.forget(idAt(50))
    assert.equal(kept.size, 2)
    assert.ok(!kept.has(idAt(0)) && kept.has(idAt(1)) && kept.has(idAt(2)))
    assert.deepEqual([...kept.roundTripsMs.subarray(0, 2)], [30, 20])
    assert.deepEqual([...kept.heightsMs.subarray(0, 2)], [2, 1])
    assert.equal(kept.positions[0], 2)
    assert.equal(kept.stalest, idAt(1))
    kept.measured(idAt(2), 31, 5)
    assert.equal(kept.size, 2)
  })

  it('know how far one is that took the place of a forgotten one', () => {
    const kept = new KeptSamples()
    kept.measured(idAt(0), 10, 0)
    for (let i = 1; i < keptLimits.peersMax; i += 1) kept.measured(idAt(i), i === 39 ? 500 : 10, i)
    kept.forget(idAt(0))
    for (let i = 100; i < 200; i += 1) kept.measured(idAt(i), 10, i)
    assert.ok(kept.has(idAt(39)))
  })
})
