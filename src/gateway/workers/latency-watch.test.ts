import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { berlinCell, tokyoCell, WatchedGateway } from './latency-watch.fixture.ts'

const farLink = { roundTripMs: 240, roundTripMinMs: 235, jitterMs: 5, loss: 0.02, samples: 20 }
const nearLink = { roundTripMs: 4, roundTripMinMs: 3, jitterMs: 1, loss: 0, samples: 20 }
const minute = 60_000

describe('what a gateway learns of distances', () => {
  it('maps what it measures to nodes with a location', async () => {
    const gateway = new WatchedGateway(berlinCell)
    const node = gateway.join(tokyoCell, farLink)
    gateway.join('', nearLink)
    gateway.watch.start()
    await gateway.pass(minute)
    const [pair, ...others] = gateway.watch.pairs(10)
    assert.deepEqual(others, [])
    assert.ok(Math.abs((pair?.medianMs ?? 0) / 240 - 1) < 0.1)
    assert.equal(gateway.watch.estimate(berlinCell, tokyoCell)?.source, 'measured')
    assert.deepEqual(
      gateway.watch.verdicts(10).map(({ id, verdict }) => [id, verdict.status]),
      [[node.id, 'consistent']],
    )
  })

  it('says that a location is disputed which light forbids, and does not learn', async () => {
    const gateway = new WatchedGateway(berlinCell)
    const node = gateway.join(tokyoCell, nearLink)
    gateway.watch.start()
    await gateway.pass(10 * minute)
    const verdict = gateway.watch.verdict(node.id)
    // One witness is not enough: this gateway may be wrong about itself.
    assert.equal(verdict?.status, 'disputed')
    assert.equal(verdict?.contradictions[0]?.witness, gateway.self)
    assert.ok((gateway.watch.map?.impossible ?? 0) > 10)
    assert.deepEqual(gateway.watch.pairs(10), [])
  })

  it('refutes a location by what nodes say they measured of each other', async () => {
    const gateway = new WatchedGateway(berlinCell)
    const honest = [1, 2, 3, 4].map(() => gateway.join(berlinCell, nearLink))
    const liar = gateway.join(tokyoCell, nearLink)
    gateway.watch.start()
    await gateway.pass(minute)
    for (const { id } of honest) {
      const measured = { medianMs: 3, p95Ms: 5, jitterMs: 1, loss: 0 }
      const peers = [liar, ...honest].filter((node) => node.id !== id)
      gateway.watch.hear(
        id,
        peers.map(({ id: peer }) => ({ peer, ...measured })),
      )
    }
    gateway.watch.hear(liar.id, [
      { peer: gateway.self, medianMs: 0, p95Ms: 0, jitterMs: 0, loss: 9 },
    ])
    await gateway.pass(5 * minute)
    assert.equal(gateway.watch.verdict(liar.id)?.status, 'refuted')
    assert.equal(liar.region(), '')
    assert.equal(honest[0]?.region(), 'somewhere')
    for (const { id } of honest) assert.notEqual(gateway.watch.verdict(id)?.status, 'refuted')
    // One pair of cells, with a voice for each link: the gateway's and the nodes' own.
    assert.ok((gateway.watch.pairs(10)[0]?.links ?? 0) > 10)
  })

  it('takes what nodes tell in turns, and forgets none of it', async () => {
    const gateway = new WatchedGateway(berlinCell)
    const nodes = Array.from({ length: 40 }, () => gateway.join(berlinCell, nearLink))
    gateway.watch.start()
    await gateway.pass(minute)
    const measured = { medianMs: 3, p95Ms: 5, jitterMs: 1, loss: 0 }
    const all = nodes.map(({ id: peer }) => ({ peer, ...measured }))
    for (const { id } of nodes) gateway.watch.hear(id, all)
    const witnesses = () => gateway.watch.verdicts(50).map(({ verdict }) => verdict.witnesses)
    await gateway.pass(10_000)
    assert.ok(Math.min(...witnesses()) < nodes.length, 'not all at one look')
    await gateway.pass(3 * minute)
    // The gateway and every other node.
    assert.deepEqual(new Set(witnesses()), new Set([nodes.length]))
  })

  it('loads nothing for a gateway or nodes without a location', async () => {
    const silent = new WatchedGateway('')
    silent.join(tokyoCell, farLink)
    silent.watch.start()
    const lonely = new WatchedGateway(berlinCell)
    lonely.join('', farLink)
    lonely.watch.start()
    await silent.pass(minute)
    await lonely.pass(minute)
    assert.equal(silent.loaded + lonely.loaded, 0)
    assert.equal(silent.watch.map, undefined)
    assert.equal(lonely.watch.estimate(berlinCell, tokyoCell), undefined)
  })

  it('keeps the map for the next run', async () => {
    const gateway = new WatchedGateway(berlinCell)
    gateway.join(tokyoCell, farLink)
    gateway.watch.start()
    await gateway.pass(11 * minute)
    assert.equal(gateway.saved?.links.length, 1)
    gateway.watch.stop()
    const next = new WatchedGateway(berlinCell, JSON.parse(JSON.stringify(gateway.saved)))
    next.join(tokyoCell, { ...farLink, samples: 1 })
    next.watch.start()
    await next.pass(minute)
    assert.equal(next.watch.pairs(10).length, 1)
  })

  it('forgets the location of who is gone, and looks no more once stopped', async () => {
    const gateway = new WatchedGateway(berlinCell)
    const node = gateway.join(tokyoCell, nearLink)
    gateway.watch.start()
    await gateway.pass(minute)
    node.leave()
    await gateway.pass(minute)
    assert.deepEqual(gateway.watch.verdicts(10), [])
    gateway.watch.stop()
    gateway.join(tokyoCell, farLink)
    await gateway.pass(minute)
    assert.deepEqual(gateway.watch.verdicts(10), [])
  })

  it('goes on without a map where its own cell is none, and where a node’s is', async () => {
    const lost = new WatchedGateway('841f1d5fffffff0')
    lost.join(tokyoCell, farLink)
    lost.watch.start()
    await lost.pass(minute)
    assert.equal(lost.watch.map, undefined)
    assert.equal(lost.loaded, 1)
    const gateway = new WatchedGateway(berlinCell)
    const node = gateway.join('nonsense', farLink)
    gateway.join(tokyoCell, farLink)
    gateway.watch.start()
    await gateway.pass(minute)
    assert.equal(gateway.watch.verdict(node.id), undefined)
    assert.equal(gateway.watch.pairs(10).length, 1)
  })
})
