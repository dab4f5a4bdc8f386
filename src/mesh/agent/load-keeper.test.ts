import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ManualClock, seededRandom } from '../../base/index.ts'
import {
  createIdentity,
  emptyMeshPacket,
  encodeMeshPacket,
  type Identity,
  methods,
  type NodeId,
  nodeKeyOf,
} from '../../protocol/index.ts'
import { openCall } from '../../transport/index.ts'
import { ed25519Seals } from '../digests/seals.ts'
import { AgentWorld, type Place } from './agent.fixture.ts'
import { decodeCard, encodeCard } from './card.ts'
import { GatewayChoice } from './gateway-choice.ts'
import { agentLimits } from './limits.ts'
import { LoadKeeper, regionFirst } from './load-keeper.ts'

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

const proof = new Uint8Array(16)

/** A gateway's keeper among other gateways, and what it sends and charges. */
class Setting {
  readonly clock = new ManualClock()
  readonly self = createIdentity()
  readonly gateways: readonly NodeId[] = Array.from({ length: 12 }, () => createIdentity().id)
  readonly sent: NodeId[] = []
  readonly charged: [peer: NodeId, bytes: number][] = []
  readonly keeper: LoadKeeper
  hasWorkLeft = true
  #sequence = 0

  constructor(answerBytesMax = agentLimits.answerBytesMax) {
    const { clock, gateways, self } = this
    const random = seededRandom(1)
    const isConnected = () => true
    const options = { network: 'net', role: 'gateway', answerBytesMax } as const
    this.keeper = new LoadKeeper(options, {
      identity: self,
      clock,
      random,
      agent: { place: undefined, members: () => [] },
      book: { card: () => undefined, gateways: () => [...gateways], noteAnswer: () => {} },
      choice: new GatewayChoice({ random, isConnected, addressOf: () => undefined }),
      guests: {
        note: () => {},
        chargeLoad: (peer, bytes) => {
          this.charged.push([peer, bytes])
          return this.hasWorkLeft
        },
      },
      measurements: { nearestFirst: (ids) => [...ids] },
      onGateways: () => {},
      onSilent: () => {},
      onSkew: () => {},
      send: (to) => {
        this.sent.push(to)
        return 1_000
      },
    })
    this.keeper.look()
  }

  /** A digest that is to be passed on to all other gateways. */
  hear(coordinator: Identity): boolean {
    this.#sequence += 1
    const digest = ed25519Seals(coordinator, 'net').sealDigest({
      cluster: 'c',
      coordinator: coordinator.id,
      sequence: this.#sequence,
      base: 0,
      issuedAtMs: this.clock.now(),
      members: 0,
      told: [this.self.id],
      anchors: [],
      ticks: [],
      gone: [],
    })
    return this.keeper.hear(coordinator.id, { kind: 'digest', digest })
  }
}

test('gateways of one’s own region come first, then the others, each in their order', () => {
  const ids = ['a', 'b', 'c', 'd', 'e'] as NodeId[]
  const regions: Record<string, string> = { a: 'us', b: 'eu', c: '', d: 'eu', e: 'eu-west' }
  const regionOf = (id: NodeId) => regions[id]
  assert.deepEqual(regionFirst(ids, 'eu', regionOf), ['b', 'd', 'a', 'c', 'e'])
  for (const own of [undefined, '', 'asia']) {
    assert.deepEqual(regionFirst(ids, own, regionOf), ids)
  }
  // A card has room for so much of a name.
  const long = `${'x'.repeat(31)}äöü`
  const [card] = [encodeCard({ role: 'gateway', addresses: [], relays: [], region: long }, proof)]
  assert.deepEqual(
    regionFirst(ids, long, (id) => (id === 'd' ? decodeCard(card)?.region : 'other')),
    ['d', 'a', 'b', 'c', 'e'],
  )
})

test('who makes a member speak about load pays for what it says', () => {
  const setting = new Setting()
  const coordinator = createIdentity()
  assert.ok(setting.hear(coordinator))
  assert.equal(setting.sent.length, 13) // its acknowledgement, and to twelve gateways
  assert.deepEqual(setting.charged, [[coordinator.id, 13_000]])
  setting.hasWorkLeft = false
  assert.ok(!setting.hear(coordinator))
  setting.keeper.close()
})

test('what is due anyway is charged to nobody', () => {
  const setting = new Setting()
  const [gateway] = setting.gateways
  assert.ok(gateway)
  // Later than its timer: the next comparison is due.
  setting.clock.now()
  const later = setting.clock.monotonic() + 10_000
  setting.clock.monotonic = () => later
  assert.ok(setting.keeper.hear(gateway, { kind: 'wants', keys: [] }))
  assert.equal(setting.sent.length, 1)
  assert.deepEqual(setting.charged, [])
  setting.keeper.close()
})

test('one message makes a member say so much and no more', () => {
  const setting = new Setting(4_000)
  assert.ok(setting.hear(createIdentity()))
  assert.equal(setting.sent.length, 4)
  setting.keeper.close()
})

test('short questions about load make no gateway write without end', async () => {
  const world = new AgentWorld(33)
  const first = await world.add({ role: 'gateway' })
  const second = await world.add({ role: 'gateway' })
  await world.meet(second, first)
  const node = await world.add({ facts: facts(1) })
  await world.meet(node, first)
  await world.untilTogether()
  await world.run(15_000)
  const dialled = second.transport.dial(first.address, first.identity.id)
  await world.run(10)
  const call = await openCall(await dialled, methods.mesh)
  const keys = Array.from({ length: 100 }, () => nodeKeyOf(node.identity.id))
  const packet = encodeMeshPacket({ ...emptyMeshPacket, load: [{ kind: 'wants', keys }] })
  for (let i = 0; i < 1_500; i += 1) void call.send(packet).catch(() => {})
  await world.run(100)
  assert.ok((first.agent.faults().get('flood') ?? 0) > 0)
  await world.close()
})
