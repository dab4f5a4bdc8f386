/** What one peer can do to an agent by what it sends. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ManualClock, seededRandom } from '../../base/index.ts'
import {
  createIdentity,
  emptyMeshPacket,
  encodeMeshPacket,
  type MembershipMessage,
  methods,
  signRelayedPacket,
  signStatement,
} from '../../protocol/index.ts'
import { type OutgoingCall, openCall } from '../../transport/index.ts'
import { origin as originCoordinate } from '../coordinates/coordinate.ts'
import { lan } from '../membership/presets.ts'
import { AddressBook } from './address-book.ts'
import { AgentWorld, type Place } from './agent.fixture.ts'
import { Admission } from './card.ts'
import { MeshMachine } from './machine.ts'
import { Seals } from './seals.ts'

async function settled(seed: number, count: number): Promise<AgentWorld> {
  const world = new AgentWorld(seed)
  const first = await world.add({ role: 'gateway' })
  for (let i = 1; i < count; i += 1) await world.meet(await world.add(), first)
  await world.run(60_000)
  return world
}

/** A call of a peer's own making; a stranger's, unless it is said whose. */
async function intrude(
  world: AgentWorld,
  target: Place,
  as = world.network.transport(createIdentity().id, { onStream: () => {} }),
): Promise<OutgoingCall> {
  const dialled = as.dial(target.address, target.identity.id)
  await world.run(10)
  return openCall(await dialled, methods.mesh)
}

function packetOf(target: Place, membership: readonly MembershipMessage[]): Uint8Array {
  const cluster = target.agent.place?.cluster ?? ''
  return encodeMeshPacket({ ...emptyMeshPacket, cluster, membership })
}

test('what a member asks for is its own work: short questions make nobody write much', async () => {
  const world = await settled(21, 3)
  const [, member, target] = world.places
  assert.ok(member && target)
  const call = await intrude(world, target, member.transport)
  const questions = Array.from({ length: 64 }, () => {
    return { kind: 'sync', summary: [], news: [] } as const
  })
  const packet = packetOf(target, questions)
  assert.ok(packet.length < 6_000)
  for (let i = 0; i < 20; i += 1) void call.send(packet).catch(() => {})
  await world.run(100)
  assert.ok((target.agent.faults().get('flood') ?? 0) > 0)
  await world.close()
})

test('who brings forged statements is soon not looked at', async () => {
  const world = await settled(22, 3)
  const [, victim, target] = world.places
  assert.ok(victim && target)
  const call = await intrude(world, target)
  const liar = createIdentity()
  const context = { scope: 'elsewhere', now: world.clock.now() }
  const body = { kind: 'left', subject: victim.identity.id, incarnation: 2 ** 50 } as const
  const forged = signStatement(liar, body, context)
  const gossip = { kind: 'gossip', news: [forged, forged, forged] } as const
  const packet = packetOf(
    target,
    Array.from({ length: 32 }, () => gossip),
  )
  for (let i = 0; i < 5; i += 1) void call.send(packet).catch(() => {})
  await world.run(100)
  const faults = target.agent.faults()
  assert.ok((faults.get('forged') ?? 0) > 0)
  assert.ok((faults.get('forged') ?? 0) < 100, `${faults.get('forged')} of 480 were verified`)
  assert.ok((faults.get('flood') ?? 0) > 0)
  await world.close()
})

test('a relayed packet is heard once', async () => {
  const world = await settled(23, 3)
  const [, sender, target] = world.places
  assert.ok(sender && target)
  const call = await intrude(world, target)
  const packet = packetOf(target, [{ kind: 'ping', sequence: 1, news: [] }])
  const context = { scope: 'test', now: world.clock.now() }
  const recipient = target.identity.id
  const relayed = signRelayedPacket(sender.identity, { recipient, packet }, context)
  for (let i = 0; i < 3; i += 1) {
    void call.send(encodeMeshPacket({ ...emptyMeshPacket, relayed })).catch(() => {})
  }
  await world.run(100)
  assert.deepEqual([...target.agent.faults()], [['relay-repeated', 2]])
  await world.close()
})

test('after a jump of the wall clock members say anew that they are alive', async () => {
  const world = await settled(24, 3)
  const [first] = world.places
  assert.ok(first)
  const incarnations = () => first.agent.members().map(({ incarnation }) => incarnation)
  const before = incarnations()
  assert.equal(before.length, 2)
  const now = world.clock.now.bind(world.clock)
  world.clock.now = () => now() + 3_600_000
  await world.run(20_000)
  for (const [i, incarnation] of incarnations().entries()) {
    assert.ok(incarnation > (before[i] ?? 0))
  }
  assert.ok(first.agent.members().every(({ state }) => state === 'alive'))
  await world.close()
})

test('a life that begins within the same second counts more than the one before', () => {
  const clock = new ManualClock()
  const identity = createIdentity()
  const seals = new Seals('test', {
    identity,
    clock,
    admission: new Admission('test', 'join_test'),
    book: new AddressBook(8),
  })
  const begin = () => {
    const modules = {
      seals,
      random: seededRandom(1),
      contact: () => new Uint8Array(0),
      coordinate: () => originCoordinate,
    }
    const machine = new MeshMachine({ self: identity.id, preset: lan }, modules, clock.monotonic())
    return machine.membership.incarnation
  }
  const first = begin()
  clock.advance(50)
  assert.ok(begin() > first)
})
