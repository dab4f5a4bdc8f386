/** What gateways tell each other over their agents' calls, and what everybody else gets told. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  emptyMeshPacket,
  encodeMeshPacket,
  type MeshPacket,
  methods,
  type NodeId,
} from '../../protocol/index.ts'
import { openCall } from '../../transport/index.ts'
import { AgentWorld, type Place, untilHolds } from './agent.fixture.ts'

const signature = new Uint8Array(64)
const quiet = { told: [], held: [], asks: false, experience: null }

interface Heard {
  readonly from: NodeId
  readonly text: string
}

/** Two gateways, and a node that is a member of both their meshes. */
async function settled(seed: number) {
  const world = new AgentWorld(seed)
  const heard: Heard[][] = [[], []]
  const shared: NodeId[] = []
  const gateways: Place[] = []
  for (const list of heard) {
    const gateway = await world.add({
      role: 'gateway',
      onNotice: (from, { text }) => {
        if (text === 'lie') return 'forged'
        list.push({ from, text })
        return undefined
      },
      onExperience: (from) => {
        shared.push(from)
        return undefined
      },
    })
    gateways.push(gateway)
  }
  const node = await world.add()
  const [first, second] = gateways as [Place, Place]
  await world.meet(node, first)
  await world.meet(node, second)
  await world.untilTogether()
  await world.run(10_000)
  return { world, first, second, node, heard, shared }
}

test('what one gateway tells another hears within a moment, as its word', async () => {
  const { first, heard, second, shared, world } = await settled(31)
  first.agent.notices?.tell({ text: 'a word', signature }, true)
  const ms = await untilHolds(world, () => heard[1]?.length === 1)
  assert.ok(ms <= 200, String(ms))
  assert.deepEqual(heard, [[], [{ from: first.identity.id, text: 'a word' }]])
  second.agent.notices?.share({ bytes: new Uint8Array(9), signature })
  await untilHolds(world, () => shared.length === 1)
  assert.deepEqual(shared, [second.identity.id])
  await world.close()
})

test('who is no gateway is told nothing, and not heard', async () => {
  const { first, heard, node, world } = await settled(32)
  assert.equal(node.agent.notices, undefined)
  await say(world, { from: node, to: first }, { told: [{ text: 'a word', signature }] })
  assert.deepEqual(heard, [[], []])
  assert.equal(first.agent.faults().size, 0)
  await world.close()
})

test('what is forged, malformed or too much is refused, counted and attributed', async () => {
  const { first, heard, second, world } = await settled(33)
  const told = (text: string) => ({ told: [{ text, signature }] })
  await say(world, { from: second, to: first }, told('lie'))
  assert.equal(first.agent.faults().get('forged'), 1)
  await say(world, { from: second, to: first }, told('x'.repeat(40_000)))
  assert.equal(first.agent.faults().get('malformed'), 1)
  const many = Array.from({ length: 16 }, (_, i) => i)
  for (let round = 0; round < 8; round += 1) {
    const notices = many.map((i) => ({ text: `${round} ${i}`, signature }))
    await say(world, { from: second, to: first }, { told: notices })
  }
  assert.ok((first.agent.faults().get('flood') ?? 0) > 0)
  assert.ok((heard[0]?.length ?? 0) < 8 * many.length)
  await world.close()
})

/** Over a call of its own making. */
async function say(
  world: AgentWorld,
  { from, to }: { readonly from: Place; readonly to: Place },
  notices: Partial<MeshPacket['notices']>,
): Promise<void> {
  const transport = from.transport
  const dialled = transport.dial(to.address, to.identity.id)
  await world.run(10)
  const connection = await dialled
  const call = await openCall(connection, methods.mesh)
  const packet = encodeMeshPacket({ ...emptyMeshPacket, notices: { ...quiet, ...notices } })
  void call.send(packet).catch(() => {})
  await world.run(100)
  call.cancel('said')
  connection.close().catch(() => {})
  await world.run(10)
}
