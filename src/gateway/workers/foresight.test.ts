/** What a gateway knows of nodes before it asks them, and what routing makes of it. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ManualClock } from '../../base/index.ts'
import { AgentWorld } from '../../mesh/agent/agent.fixture.ts'
import type { ViewedNode } from '../../mesh/index.ts'
import { defaultPolicy, renderDecision } from '../../routing/index.ts'
import { fixedLink, SightedGateway, ToldMesh } from './foresight.fixture.ts'

/** A crash is known to all within this, at the 99th percentile, over wide-area links. */
const crashKnownMs = 8_000

describe('who lives', () => {
  it('is known of a node that dies without closing its connection, within the bound', async () => {
    const world = new AgentWorld(1)
    const home = await world.add({ role: 'gateway' })
    for (let i = 0; i < 4; i += 1) await world.meet(await world.add(), home)
    await world.untilTogether()
    const gateway = new SightedGateway(world.clock, { mesh: home.agent })
    const nodes = []
    for (const { address, identity } of world.places.slice(1)) {
      const dialled = home.transport.dial(address, identity.id)
      await world.run(100)
      nodes.push(gateway.join({ id: identity.id, connection: await dialled }))
    }
    await world.run(5_000)
    const [dying] = nodes
    assert.ok(dying)
    for (const { identity } of world.places) {
      if (identity.id !== dying.id) world.network.partition(dying.id, identity.id)
    }
    await world.run(crashKnownMs)
    // The connection is still open: nothing has failed on it.
    assert.equal(dying.describe().connected, true)
    assert.equal(home.agent.states.of(dying.id), 'dead')
    for (let i = 0; i < 100; i += 1) assert.notEqual(gateway.route().chosen, dying.id)
    const rejection = gateway.route().rejections.find(({ worker }) => worker === dying.id)
    assert.equal(rejection?.gate, 'alive')
    assert.match(rejection?.required ?? '', /holds for alive/)
    assert.match(rejection?.actual ?? '', /dead/)

    for (const { identity } of world.places) {
      if (identity.id !== dying.id) world.network.heal(dying.id, identity.id)
    }
    for (let s = 0; home.agent.states.of(dying.id) !== 'alive' && s < 60; s += 1) {
      await world.run(1_000)
    }
    assert.equal(gateway.gateOf(dying), undefined)
    await world.close()
  })

  it('is its own link’s to say, as long as that answers', async () => {
    const clock = new ManualClock()
    const mesh = new ToldMesh()
    const gateway = new SightedGateway(clock, { mesh })
    const [slandered] = [gateway.join(), gateway.join()]
    clock.advance(10_000)
    for (const state of ['suspect', 'dead'] as const) {
      mesh.says(slandered.id, state)
      // Until the answer to what is asked at once has come, others are preferred.
      assert.notEqual(gateway.gateOf(slandered), 'alive')
      for (let s = 0; s < 60; s += 1) {
        clock.advance(500)
        assert.equal(gateway.gateOf(slandered), undefined, `${state} for ${s / 2} s`)
      }
    }
  })

  it('is not said of one that could not answer yet', () => {
    const clock = new ManualClock()
    const mesh = new ToldMesh()
    const gateway = new SightedGateway(clock, { mesh })
    const id = gateway.join().id
    gateway.join()
    const link = { roundTripMs: 5, overdue: false, answeredAtMs: 9_000 }
    const asked = gateway.join({ id, connection: fixedLink(id, link) })
    clock.advance(10_000)
    mesh.says(id, 'dead')
    assert.equal(gateway.gateOf(asked), 'unsuspected')
    link.overdue = true
    clock.advance(250)
    assert.equal(gateway.gateOf(asked), 'alive')
  })

  it('is the mesh’s to say where the link is silent; alive again, it is let in at once', () => {
    const clock = new ManualClock()
    const mesh = new ToldMesh()
    const gateway = new SightedGateway(clock, { mesh })
    const id = gateway.join().id
    const link = fixedLink(id, { roundTripMs: 5, overdue: false, answeredAtMs: 9_000 })
    const silent = gateway.join({ id, connection: link })
    const other = gateway.join()
    clock.advance(10_000)
    mesh.says(id, 'suspect')
    assert.equal(gateway.gateOf(silent), 'unsuspected')
    mesh.says(other.id, 'suspect')
    // Where all are suspects, one of them is better than none.
    mesh.says(id, 'dead')
    clock.advance(2_000)
    assert.equal(gateway.gateOf(silent), 'alive')
    mesh.says(id, 'alive')
    assert.equal(gateway.gateOf(silent), undefined)
  })

  it('is told by digests of nodes in other clusters', () => {
    const clock = new ManualClock()
    const mesh = new ToldMesh()
    const gateway = new SightedGateway(clock, { mesh })
    const { id } = gateway.join()
    gateway.join()
    const link = { roundTripMs: 5, overdue: true, answeredAtMs: 0 }
    const silent = gateway.join({ id, connection: fixedLink(id, link) })
    mesh.nodes.set(id, viewed({ state: 'dead' }))
    clock.advance(5_000)
    assert.equal(gateway.gateOf(silent), 'alive')
    mesh.nodes.set(id, viewed({ state: 'late' }))
    clock.advance(250)
    assert.notEqual(gateway.gateOf(silent), 'alive')
  })
})

describe('how busy nodes are', () => {
  it('is what the fresher of report and digest says', () => {
    const clock = new ManualClock()
    const mesh = new ToldMesh()
    const gateway = new SightedGateway(clock, { mesh })
    const node = gateway.join({ decodeTokensPerSecond: 0 })
    const others = () => gateway.registry.candidates('sample-model', defaultPolicy)[0]?.others
    clock.advance(10_000)
    gateway.report(node, { running: 1 })
    mesh.nodes.set(node.id, viewed({ running: 4, ageMs: 3_000 }))
    clock.advance(1_000)
    assert.equal(others(), 1)
    clock.advance(5_000)
    mesh.nodes.set(node.id, viewed({ running: 4, ageMs: 500 }))
    clock.advance(250)
    assert.equal(others(), 4)
    gateway.report(node, { running: 2 })
    assert.equal(others(), 2)
  })

  it('counts own requests as they are, whatever the last report said', () => {
    const clock = new ManualClock()
    const gateway = new SightedGateway(clock)
    const node = gateway.join({ decodeTokensPerSecond: 0 })
    for (let i = 0; i < 2; i += 1) gateway.registry.begin(node.id)
    clock.advance(100)
    gateway.report(node, { running: 3 })
    const load = () => gateway.route().rankings[0]?.load
    assert.equal(load(), 3 / 4)
    clock.advance(50)
    gateway.registry.end(node.id)
    clock.advance(250)
    assert.equal(load(), 2 / 4)
  })

  it('goes on after the report: what was there drains by the measured speed', () => {
    const clock = new ManualClock()
    const gateway = new SightedGateway(clock)
    const node = gateway.join({ decodeTokensPerSecond: 256 })
    gateway.report(node, { running: 4 })
    const load = () => gateway.route().rankings[0]?.load ?? 1
    const before = load()
    clock.advance(2_000)
    assert.ok(load() < before - 0.4, `${before} → ${load()}`)
  })

  it('lets nobody wait for a cache that is full, where another has room', () => {
    const clock = new ManualClock()
    const gateway = new SightedGateway(clock)
    const [full, free] = [gateway.join(), gateway.join()]
    gateway.report(full, {})
    gateway.report(full, { running: 1, kvTokensFree: 10 })
    gateway.report(free, { running: 3 })
    for (let i = 0; i < 20; i += 1) assert.equal(gateway.route().chosen, free.id)
  })

  it('takes one that never says anything of a cache to have none that could be full', () => {
    const gateway = new SightedGateway(new ManualClock())
    gateway.report(gateway.join(), { running: 1, kvTokensFree: 0 })
    assert.equal(gateway.route().rankings[0]?.predictedQueueMs, 0)
  })
})

describe('how far nodes are', () => {
  const unmeasured = (id: Parameters<typeof fixedLink>[0]) =>
    fixedLink(id, { roundTripMs: undefined, overdue: false })

  it('is measured, else predicted, else by the map, else what is usual of the region', () => {
    const clock = new ManualClock()
    const mesh = new ToldMesh()
    const estimate = (_from: string, to: string) =>
      to === 'there' ? ({ medianMs: 80 } as never) : undefined
    const gateway = new SightedGateway(clock, { mesh, latencies: { cell: 'home', estimate } })
    const measured = gateway.join({ region: 'near' })
    const ids = [1, 2, 3, 4].map(() => gateway.join({ region: 'near' }).id)
    const [predicted, mapped, usual, unknown] = ids
    assert.ok(predicted && mapped && usual && unknown)
    mesh.trips.set(predicted, { ms: 33, source: 'predicted' })
    const again = { connection: unmeasured(predicted) }
    gateway.join({ ...again, id: predicted, cell: 'there', region: 'near' })
    gateway.join({ ...again, id: mapped, cell: 'there', region: 'near' })
    gateway.join({ ...again, id: usual, region: 'near' })
    gateway.join({ ...again, id: unknown, region: 'nowhere' })
    const decision = gateway.route()
    const sources = new Map(
      decision.rankings.map(({ worker, roundTripMs, roundTripSource }) => [
        worker,
        [roundTripMs, roundTripSource],
      ]),
    )
    assert.deepEqual(sources.get(measured.id), [5, 'measured'])
    assert.deepEqual(sources.get(predicted), [33, 'predicted'])
    assert.deepEqual(sources.get(mapped), [80, 'map'])
    assert.deepEqual(sources.get(usual), [5, 'region'])
    assert.deepEqual(sources.get(unknown), [null, 'assumed'])
    assert.match(renderDecision(decision), /round trip 5 ms \((measured|usual for its region)\)/)
  })
})

function viewed(more: Partial<ViewedNode> & { readonly running?: number }): ViewedNode {
  const { running = 0, ...change } = more
  const load = { running, waiting: 0, kvTokensFree: 1_000 }
  const base = { state: 'alive', slots: 4, tokensPerSecond: 0, ageMs: 500, load } as const
  return { ...base, ...change } as ViewedNode
}

it('a node that comes back with another engine has the cache that this one has', () => {
  const gateway = new SightedGateway(new ManualClock())
  const before = gateway.join()
  gateway.report(before, { kvTokensFree: 1_000 })
  const after = gateway.join({ id: before.id })
  gateway.report(after, { kvTokensFree: 0 })
  assert.equal(
    gateway.registry.candidates('sample-model', defaultPolicy)[0]?.kvTokensFree,
    undefined,
  )
})

it('prompts that wait at a node are known in tokens: what it says, and what was sent since', () => {
  const clock = new ManualClock()
  const gateway = new SightedGateway(clock)
  const node = gateway.join()
  const ahead = () =>
    Math.round(
      gateway.registry.candidates('sample-model', defaultPolicy)[0]?.promptTokensAhead ?? -1,
    )
  assert.equal(ahead(), -1)
  gateway.report(node, { running: 1, promptTokensUnread: 2_000 })
  // It reads 500 tokens a second, over a link of 5 ms.
  assert.equal(ahead(), 1_999)
  clock.advance(1_000)
  assert.equal(ahead(), 1_499)
  const prompt = gateway.registry.beginPrompt(node.id, 300)
  assert.equal(ahead(), 1_799)
  gateway.registry.endPrompt(node.id, prompt)
  assert.equal(ahead(), 1_499)
  // An engine that does not know does not count as one that has none.
  gateway.report(node, { running: 1 })
  assert.equal(ahead(), -1)
})
