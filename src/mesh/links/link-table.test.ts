import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { seededRandom } from '../../base/index.ts'
import { type NodeId, nodeIdOf } from '../../protocol/index.ts'
import { LinkTable, linkLimits } from './link-table.ts'
import { windowProbes } from './link-window.ts'

const random = seededRandom(3)
const ids = Array.from({ length: linkLimits.peersMax + 2 }, () => nodeIdOf(random.bytes(32)))
const [peer, other] = ids as [NodeId, NodeId, ...NodeId[]]

describe('the table of links', () => {
  it('says median, 95th percentile, jitter and loss of the latest probes', () => {
    const table = new LinkTable()
    for (const [index, ms] of [10, 14, 10, 50].entries()) table.answered(peer, ms, index * 1_000)
    table.unanswered(peer)
    const measure = table.measure(peer, 4_000)
    assert.ok(measure !== undefined)
    assert.equal(measure.medianMs, 12)
    assert.ok(Math.abs(measure.p95Ms - 44.6) < 1e-6)
    assert.equal(measure.jitterMs, (4 + 4 + 40) / 3)
    assert.ok(Math.abs(measure.loss - 0.2) < 1e-9)
    assert.equal(measure.samples, 4)
    assert.equal(measure.atMs, 3_000)
  })

  it('forgets what is older than its window', () => {
    const table = new LinkTable()
    for (let i = 0; i < 5; i += 1) table.answered(peer, 900, i)
    for (let i = 0; i < windowProbes; i += 1) table.answered(peer, 20, 10 + i)
    assert.equal(table.measure(peer, 100)?.p95Ms, 20)
  })

  it('has nothing of a peer that never answered', () => {
    const table = new LinkTable()
    table.unanswered(peer)
    assert.equal(table.measure(peer, 0), undefined)
  })

  it('lets what was measured win over what is predicted, until it is old', () => {
    const table = new LinkTable()
    assert.equal(table.estimate(peer, undefined, 0), undefined)
    assert.deepEqual(table.estimate(peer, 33, 0), { ms: 33, source: 'predicted' })
    table.answered(peer, 12, 0)
    const { measuredAgeMsMax } = linkLimits
    const measured = { ms: 12, source: 'measured' }
    assert.deepEqual(table.estimate(peer, 33, measuredAgeMsMax), measured)
    const predicted = { ms: 33, source: 'predicted' }
    assert.deepEqual(table.estimate(peer, 33, measuredAgeMsMax + 1), predicted)
  })

  it('refuses what is no round trip', () => {
    const table = new LinkTable()
    for (const ms of [Number.NaN, -1, Number.POSITIVE_INFINITY, linkLimits.roundTripMsMax + 1]) {
      assert.equal(table.answered(peer, ms, 0), false)
    }
    assert.equal(table.size, 0)
  })

  it('is bounded: the peer that was probed the longest time ago makes room', () => {
    const table = new LinkTable()
    const full = ids.slice(0, linkLimits.peersMax)
    for (const id of full) table.answered(id, 5, 0)
    table.unanswered(peer)
    table.answered(ids.at(-1) as NodeId, 5, 1)
    assert.equal(table.size, linkLimits.peersMax)
    assert.ok(table.measure(peer, 1) !== undefined)
    assert.equal(table.measure(other, 1), undefined)
  })
})
