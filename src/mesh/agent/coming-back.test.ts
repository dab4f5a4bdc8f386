/** Who is killed comes back where it was, with what lay on its disk by then. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AgentWorld, alive, untilHolds } from './agent.fixture.ts'

test('one who is killed a moment after it was placed comes back where it was', async (t) => {
  const world = new AgentWorld(1)
  const gateway = await world.add({ role: 'gateway' })
  const node = await world.add()
  await world.meet(node, gateway)
  await untilHolds(world, () => gateway.agent.place?.members.length === 2)
  const { cluster = '' } = gateway.agent.place ?? {}
  const founder = cluster.slice(0, 8)
  const moved = [gateway, node].find(({ identity }) => !identity.id.startsWith(founder))
  assert.ok(moved)
  await world.run(1_500)
  // What a process that is killed leaves on the disk is what lay there before.
  const contacts = moved.saved
  await world.crash(moved)
  await world.run(3_000)
  const again = await world.add({ identity: moved.identity, contacts })
  const tookMs = await untilHolds(world, () => alive(again).length === 1)
  t.diagnostic(`back after ${tookMs} ms`)
  assert.ok(tookMs <= 2_000, `${tookMs} ms`)
  assert.equal(again.agent.place?.cluster, cluster)
  await world.close()
})

test('who founded a cluster comes back into it by a fellow whose card came too late', async () => {
  const world = new AgentWorld(1)
  const gateway = await world.add({ role: 'gateway' })
  const node = await world.add()
  await world.meet(node, gateway)
  await world.run(7_000)
  const early = [...gateway.saved, ...node.saved]
  await untilHolds(world, () => gateway.agent.place?.members.length === 2)
  const { cluster = '' } = gateway.agent.place ?? {}
  const founder = [gateway, node].find(({ identity }) =>
    cluster.startsWith(identity.id.slice(0, 8)),
  )
  assert.ok(founder)
  await world.run(1_500)
  const contacts = founder.saved.map((one, i) => {
    return i === 0 ? one : { ...one, card: early.find(({ id }) => id === one.id)?.card }
  })
  assert.notEqual(contacts[1]?.card, undefined)
  assert.notDeepEqual(contacts[1]?.card, founder.saved[1]?.card)
  await world.crash(founder)
  await world.run(3_000)
  const again = await world.add({ identity: founder.identity, contacts })
  assert.ok((await untilHolds(world, () => alive(again).length === 1)) <= 2_000)
  assert.equal(again.agent.place?.cluster, cluster)
  await world.close()
})
