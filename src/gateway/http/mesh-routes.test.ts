import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ManualClock, type Schema, Validator } from '../../base/index.ts'
import type { MeshMember, RegionView } from '../../mesh/index.ts'
import { createIdentity, type NodeId, nodeIdOf } from '../../protocol/index.ts'
import { MeshWatch } from '../workers/mesh-watch.ts'
import type { KnownWorker } from '../workers/registry.ts'
import type { Client } from './client.ts'
import { meshRoutes } from './mesh-routes.ts'
import { clusterAnswer, meshAnswer } from './mesh-schemas.ts'

const ids = Array.from({ length: 8 }, (_, i) => nodeIdOf(new Uint8Array(32).fill(i)))
const [a, b, c, d, e] = ids as [NodeId, NodeId, NodeId, NodeId, NodeId]
const self = createIdentity().id

function viewed(id: NodeId, cluster: string): RegionView['clusters'][number]['nodes'][number] {
  return {
    id,
    cluster,
    region: 'west',
    state: 'alive',
    health: 'good',
    load: { running: 3, waiting: 1, kvTokensFree: 500 },
    slots: 4,
    kvTokensTotal: 1_000,
    tokensPerSecond: 120,
    capabilities: new Uint8Array(32),
    ageMs: 812.4,
  }
}

function worker(
  id: NodeId,
  change: object = {},
  more: Partial<Pick<KnownWorker, 'foreseen' | 'goneSinceMs'>> = {},
): KnownWorker {
  const load = { running: 1, waiting: 0, kvTokensFree: 9, draining: false }
  const models = [{ slots: 2, decodeTokensPerSecond: 10 }]
  const base = { region: 'east', models, load, roundTripMs: 7.5, connected: true, overdue: false }
  const view = { ...base, record: {}, ...change } as unknown as KnownWorker['view']
  const shown = { worker: { id } as unknown as KnownWorker['worker'], view, inFlight: 0 }
  return { ...shown, foreseen: undefined, goneSinceMs: undefined, ...more }
}

const regions: RegionView[] = [
  {
    name: 'west',
    clusters: [{ id: 'one', coordinators: [a], nodes: [viewed(a, 'one'), viewed(b, 'one')] }],
  },
]
const gone: MeshMember = {
  id: d,
  role: 'node',
  region: 'north',
  state: 'dead',
  incarnation: 1,
  addresses: [],
  link: null,
  estimate: { ms: 40, source: 'predicted' },
}

function get(modules: Partial<ConstructorParameters<typeof MeshWatch>[0]>, path = '/v1/mesh') {
  const watch = new MeshWatch({
    self: { id: self, region: 'east' },
    registry: { all: () => [worker(b), worker(c)] },
    clock: new ManualClock(),
    federation: { regions: () => regions },
    ...modules,
  })
  const isMesh = path.startsWith('/v1/mesh')
  const [mesh, cluster] = meshRoutes({ gateway: self, mesh: watch })
  let body = ''
  const send = (_status: number, _type: string, text: string) => {
    body = text
  }
  const id = path.split('/').at(-1) ?? ''
  const client = { url: path, id, send } as Partial<Client> as Client
  const route = isMesh ? mesh : cluster
  route?.handle(client, undefined)
  const schema: Schema = isMesh ? meshAnswer : clusterAnswer
  const answer = JSON.parse(body)
  assert.deepEqual(new Validator(schema).faults(answer), [])
  return answer
}

test('the mesh is a tree of regions, clusters and members', () => {
  const answer = get({})
  assert.equal(answer.gateway, self)
  assert.equal(answer.members, 3)
  const [east, west] = answer.regions
  assert.deepEqual([east.name, west.name], ['east', 'west'])
  const [{ id: none, members }] = east.clusters
  assert.deepEqual([none, members[0].id, members[0].slots], [null, c, 2])
  // Of one generation, as digests have it.
  assert.equal(members[0].tokens_per_second, 10)
  assert.deepEqual(west.clusters[0].coordinators, [a])
  const [first, second] = west.clusters[0].members
  assert.deepEqual(first, {
    id: a,
    role: 'node',
    state: 'alive',
    region: 'west',
    cluster: 'one',
    health: 'good',
    round_trip_ms: null,
    round_trip_source: null,
    load: { running: 3, waiting: 1, kv_tokens_free: 500 },
    slots: 4,
    tokens_per_second: 120,
    age_ms: 812,
  })
  // Connected here: its own report and link are newer than the digest.
  assert.deepEqual([second.id, second.load.running, second.round_trip_ms], [b, 1, 7.5])
  assert.equal(second.age_ms, null)
})

/** The state and the cluster of one member. */
function stateAndCluster(answer: ReturnType<typeof get>, id: NodeId): readonly unknown[] {
  for (const { clusters } of answer.regions) {
    for (const { members } of clusters) {
      for (const one of members) if (one.id === id) return [one.state, one.cluster, one.region]
    }
  }
  return []
}

/** A gateway to which node `a`, alone in its cluster, was connected until ten seconds. */
function afterEnd(atMs: number, { ageMs, draining }: { ageMs?: number; draining?: boolean } = {}) {
  const clock = new ManualClock()
  clock.advance(atMs)
  const load = { running: 0, waiting: 0, kvTokensFree: 0, draining: draining ?? false }
  const foreseen = { verdict: undefined, cluster: 'one' }
  const gone = worker(a, { connected: false, load }, { foreseen, goneSinceMs: 10_000 })
  const state = (ageMs ?? 0) > 4_000 ? 'late' : 'alive'
  const node = { ...viewed(a, 'one'), state, ageMs: ageMs ?? 0 } as const
  const clusters = [{ id: 'one', coordinators: [], nodes: [node] }]
  const told = ageMs === undefined ? [] : [{ name: 'west', clusters }]
  const federation = { regions: () => told }
  return stateAndCluster(get({ clock, federation, registry: { all: () => [gone] } }), a)
}

test('a node whose connection has ended and that nobody else sees is dead after a bound', () => {
  assert.deepEqual(afterEnd(10_100, { ageMs: 900 }), ['late', 'one', 'west'])
  assert.deepEqual(afterEnd(15_000, { ageMs: 5_800 }), ['late', 'one', 'west'])
  assert.deepEqual(afterEnd(18_000, { ageMs: 8_800 }), ['dead', 'one', 'west'])
  // Stopped: it was silent before its connection ended.
  assert.deepEqual(afterEnd(10_100, { ageMs: 11_000 }), ['dead', 'one', 'west'])
  // Digests have forgotten it.
  assert.deepEqual(afterEnd(90_000), ['dead', 'one', 'east'])
  assert.deepEqual(afterEnd(12_000), ['late', 'one', 'east'])
})

test('a node that has said goodbye here has left at once', () => {
  assert.deepEqual(afterEnd(10_000, { ageMs: 900, draining: true }), ['left', 'one', 'west'])
  assert.deepEqual(afterEnd(90_000, { draining: true }), ['left', 'one', 'east'])
})

test('a node that is gone from here and speaks elsewhere is what digests say', () => {
  assert.deepEqual(afterEnd(20_000, { ageMs: 900 }), ['alive', 'one', 'west'])
  assert.deepEqual(afterEnd(20_000, { ageMs: 900, draining: true }), ['alive', 'one', 'west'])
  // Until it falls silent there too.
  assert.deepEqual(afterEnd(60_000, { ageMs: 6_000 }), ['late', 'one', 'west'])
  assert.deepEqual(afterEnd(60_000, { ageMs: 9_000 }), ['dead', 'one', 'west'])
  const answer = get({ registry: { all: () => [worker(c, { connected: false })] } })
  assert.deepEqual(stateAndCluster(answer, c), ['dead', null, 'east'])
})

/** Of a node that is connected here, and of which the gateway's own cluster says something. */
function whileSaid(state: MeshMember['state'], verdict?: 'suspect' | 'dead', overdue = false) {
  const place = { cluster: 'one', epoch: 1, coordinator: e, members: [self, e] }
  const mesh = { members: () => [{ ...gone, id: b, state }], place }
  const foreseen = { verdict, cluster: 'one' }
  const all = () => [worker(b, { overdue }, { foreseen, goneSinceMs: undefined })]
  return stateAndCluster(get({ registry: { all }, mesh }), b)[0]
}

test('a connected node that leaves the gateway’s cluster for another one is alive', () => {
  assert.equal(whileSaid('left'), 'alive')
  assert.equal(whileSaid('left', 'suspect'), 'alive')
  // It has said so, and is silent since.
  assert.equal(whileSaid('left', 'dead', true), 'left')
  const mesh = {
    members: () => [{ ...gone, id: a, state: 'left' as const }],
    place: { cluster: 'home', epoch: 1, coordinator: e, members: [self, e] },
  }
  assert.deepEqual(stateAndCluster(get({ mesh }), a), ['alive', 'one', 'west'])
})

test('a connected node that is doubted is what the gateway itself makes of it', () => {
  assert.equal(whileSaid('suspect', 'suspect', true), 'suspect')
  assert.equal(whileSaid('dead', 'dead', true), 'dead')
  // It answers here: gossip alone makes nobody dead.
  assert.equal(whileSaid('dead'), 'alive')
  assert.equal(whileSaid('alive', undefined, true), 'late')
})

test('a late link, a leaving node and an upstream are told apart', () => {
  const draining = { running: 0, waiting: 0, kvTokensFree: 0, draining: true }
  const all = () => [
    worker(a, { overdue: true }),
    worker(b, { load: draining }),
    worker(c, { record: null }),
  ]
  const answer = get({ registry: { all }, federation: undefined })
  const [{ members }] = answer.regions[0].clusters
  assert.deepEqual(
    members.map(({ health, state }: { health: string; state: string }) => [state, health]),
    [
      ['late', 'good'],
      ['alive', 'draining'],
    ],
  )
})

test('the gateway’s own cluster: its members’ states and round trips, itself among them', () => {
  const place = { cluster: 'home', epoch: 1, coordinator: e, members: [self, d] }
  const mesh = { members: () => [gone], place }
  const answer = get({ federation: undefined, registry: { all: () => [] }, mesh })
  const [{ clusters }] = answer.regions
  assert.deepEqual([clusters[0].id, clusters[0].coordinators], ['home', [e]])
  const byId = new Map(clusters[0].members.map((one: { id: string }) => [one.id, one]))
  const shown = byId.get(d) as Record<string, unknown>
  assert.deepEqual(
    [shown['state'], shown['round_trip_ms'], shown['round_trip_source']],
    ['dead', 40, 'predicted'],
  )
  assert.equal(shown['region'], 'north')
  const own = byId.get(self) as { role: string; region: string }
  assert.deepEqual([own.role, own.region], ['gateway', 'east'])
})

test('members over the limit are counted, all clusters are named', () => {
  const answer = get({}, '/v1/mesh?limit=1')
  assert.deepEqual([answer.members, answer.omitted], [3, 2])
  assert.equal(answer.regions.length, 2)
  assert.equal(get({}, '/v1/mesh?limit=9999').omitted, 0)
  assert.throws(() => get({}, '/v1/mesh?limit=all'), { code: 'invalid_request' })
})

test('a cluster is told by its id; one that is not known is said to be so', () => {
  const cluster = get({}, '/v1/clusters/one')
  assert.deepEqual([cluster.region, cluster.members.length], ['west', 2])
  assert.throws(() => get({}, '/v1/clusters/two'), { code: 'not_found' })
})
