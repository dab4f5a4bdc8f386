import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AgentWorld, type Place } from './agent.fixture.ts'

const facts = (running: number) => () => ({
  region: 'here',
  capabilities: new Uint8Array(32),
  slots: 8,
  kvTokensTotal: 1_000,
  tokensPerSecond: 10,
  health: 'good' as const,
  load: { running, waiting: 0, kvTokensFree: 1_000 },
})

test('gateways know the load of every node of the mesh, also when one is gone', async () => {
  const world = new AgentWorld(31)
  const first = await world.add({ role: 'gateway' })
  const second = await world.add({ role: 'gateway' })
  await world.meet(second, first)
  const nodes: Place[] = []
  for (let i = 0; i < 4; i += 1) {
    const node = await world.add({ facts: facts(i) })
    nodes.push(node)
    await world.meet(node, i % 2 === 0 ? first : second)
  }
  await world.untilTogether()
  await world.run(15_000)
  const running = (at: typeof first) =>
    nodes.map(({ identity }) => at.agent.federation?.node(identity.id, world.clock.monotonic()))
  for (const gateway of [first, second]) {
    const seen = running(gateway)
    assert.deepEqual(
      seen.map((node) => node?.load.running),
      [0, 1, 2, 3],
    )
    for (const node of seen) assert.ok((node?.ageMs ?? Number.POSITIVE_INFINITY) <= 3_000)
  }
  assert.equal(nodes[0]?.agent.federation, undefined)
  await world.crash(first)
  await world.run(30_000)
  for (const node of running(second)) assert.equal(node?.state, 'alive')
  assert.deepEqual(second.agent.federation?.lies.size, 0)
  await world.close()
})
