import assert from 'node:assert/strict'
import { test } from 'node:test'
import { digestTimes } from './limits.ts'
import { LoadNetwork, type LoadNetworkOptions, quantile } from './load-network.fixture.ts'

const small: LoadNetworkOptions = {
  seed: 1,
  regions: 3,
  clustersPerRegion: 3,
  nodesPerCluster: 8,
  gatewaysPerRegion: 2,
}

function started(options: Partial<LoadNetworkOptions> = {}): LoadNetwork {
  const network = new LoadNetwork({ ...small, ...options })
  for (const node of network.nodes) {
    network.load(node, { running: 1, waiting: 0, kvTokensFree: 50_000 })
    network.run(10)
  }
  network.run(4_000)
  return network
}

test('every gateway comes to know every node, in its region and cluster', () => {
  const network = started()
  for (const { view } of network.gateways) {
    assert.equal(view.size, network.nodes.length)
    const regions = view.regions(network.nowMs)
    assert.deepEqual(
      regions.map(({ name }) => name),
      ['region-0', 'region-1', 'region-2'],
    )
    for (const { clusters } of regions) {
      assert.deepEqual(
        clusters.map(({ coordinators, nodes }) => [coordinators.length, nodes.length]),
        [
          [1, 8],
          [1, 8],
          [1, 8],
        ],
      )
    }
  }
  assert.deepEqual(
    network.events.filter(({ event }) => event.kind === 'caught' || event.kind === 'refused'),
    [],
  )
})

test('what a node says of its load is known everywhere soon', () => {
  const network = started()
  const [node] = network.nodes
  assert.ok(node !== undefined)
  network.load(node, { running: 8, waiting: 20, kvTokensFree: 1_000 })
  network.run(3_000)
  for (const { view } of network.gateways) {
    const seen = view.node(node.id, network.nowMs)
    assert.deepEqual(seen?.load, { running: 8, waiting: 20, kvTokensFree: 1_000 })
    assert.equal(seen.state, 'alive')
  }
  network.load(node, { running: 8, waiting: 20, kvTokensFree: 1_000 }, 'draining')
  network.run(2_000)
  for (const { view } of network.gateways) {
    assert.equal(view.node(node.id, network.nowMs)?.health, 'draining')
  }
})

test('with 1 % loss, views are at most 3 s old at the 99th percentile', (t) => {
  for (const seed of [1, 2]) {
    const network = started({ seed, loss: 0.01, clustersPerRegion: 6 })
    network.run(10_000)
    const ages: number[] = []
    for (let i = 0; i < 60; i += 1) {
      network.run(1_010)
      ages.push(...network.ages())
    }
    const [median, high] = [quantile(ages, 0.5), quantile(ages, 0.99)]
    t.diagnostic(`seed ${seed}: ages median ${median} ms, 99th percentile ${high} ms`)
    assert.ok(high <= 3_000)
  }
})

test('10,000 nodes: a gateway takes in 2 MB/s at most, and its view is 3 s old at most', (t) => {
  const network = new LoadNetwork({
    seed: 7,
    regions: 4,
    clustersPerRegion: 100,
    nodesPerCluster: 25,
    gatewaysPerRegion: 1,
    loss: 0.005,
  })
  const busy = () => {
    for (const node of network.nodes) {
      const running = network.random.below(9)
      const waiting = network.random.below(20)
      const kvTokensFree = network.random.below(100_000)
      network.load(node, { running, waiting, kvTokensFree })
    }
  }
  busy()
  let [most, mostAtStart] = [0, 0]
  const ages: number[] = []
  for (let second = 0; second < 22; second += 1) {
    for (const gateway of network.gateways) gateway.bytesIn = 0
    network.run(1_000)
    // Everyone's load is another each second.
    busy()
    const bytes = Math.max(...network.gateways.map(({ bytesIn }) => bytesIn))
    if (second >= 17) most = Math.max(most, bytes)
    else mostAtStart = Math.max(mostAtStart, bytes)
    if (second >= 17) ages.push(...network.ages())
  }
  const high = quantile(ages, 0.99)
  t.diagnostic(`99th percentile of age ${high} ms`)
  t.diagnostic(`most bytes in a second: ${most}, while all start at once ${mostAtStart}`)
  for (const { view } of network.gateways) assert.equal(view.size, 10_000)
  assert.ok(high <= 3_000)
  assert.ok(most <= 2_000_000)
  assert.ok(mostAtStart <= 2_100_000)
  assert.ok(network.events.every(({ event }) => event.kind !== 'caught'))
})

test('a gateway that starts late is told everything by the others', (t) => {
  const network = started({ clustersPerRegion: 10 })
  const late = network.gateways[0]
  assert.ok(late !== undefined)
  network.restart(late)
  late.bytesIn = 0
  let seconds = 0
  while (late.view.size < network.nodes.length && seconds < 30) {
    network.run(1_000)
    seconds += 1
  }
  t.diagnostic(`${network.nodes.length} nodes in ${seconds} s, ${late.bytesIn} bytes`)
  assert.ok(seconds <= 5)
})

test('the first gateway of a region is gone: the next one is told and passes it on', () => {
  const network = started()
  const [first] = network.gateways
  assert.ok(first !== undefined)
  first.up = false
  network.run(digestTimes.gatewaySilentMs + 6_000)
  const others = network.gateways.filter((gateway) => gateway !== first)
  for (const { view } of others) {
    for (const { id } of network.nodes) {
      assert.ok((view.node(id, network.nowMs)?.ageMs ?? Number.POSITIVE_INFINITY) < 3_000)
    }
  }
})

test('a region that is cut off is late, and fresh again soon after the links return', () => {
  const network = started()
  network.isCut = (from, to) => (from === 0) !== (to === 0)
  network.run(20_000)
  const far = network.gateways.find(({ region }) => region === 1)
  assert.ok(far !== undefined)
  const states = () => network.nodes.map(({ id }) => far.view.node(id, network.nowMs)?.state)
  assert.equal(states().filter((state) => state === 'late').length, 24)
  network.isCut = () => false
  network.run(4_000)
  assert.deepEqual(new Set(states()), new Set(['alive']))
  assert.ok(network.events.every(({ event }) => event.kind !== 'caught'))
})

test('a node that says nothing is late, then forgotten, and so is its coordinator', () => {
  const network = started()
  const [node] = network.nodes
  assert.ok(node !== undefined)
  node.up = false
  network.run(10_000)
  const [{ view } = { view: undefined }] = network.gateways
  assert.equal(view?.node(node.id, network.nowMs)?.state, 'late')
  network.appoint()
  network.run(digestTimes.expireAfterMs - 4_000)
  assert.equal(view?.node(node.id, network.nowMs), undefined)
  assert.equal(view?.size, network.nodes.length - 1)
  assert.equal(view?.regions(network.nowMs)[0]?.clusters[0]?.coordinators[0], network.nodes[1]?.id)
})

test('a member that its coordinator calls dead is dead, until it speaks', () => {
  const network = started()
  const [coordinator, member] = network.nodes
  assert.ok(coordinator !== undefined && member !== undefined)
  const { publisher } = coordinator
  member.up = false
  network.run(2_000)
  const dead = [{ id: member.id, state: 'dead' as const }]
  publisher.step({ kind: 'members', members: dead }, network.nowMs)
  network.run(2_000)
  const states = () =>
    network.gateways.map(({ view }) => view.node(member.id, network.nowMs)?.state)
  assert.deepEqual(new Set(states()), new Set(['dead']))
  member.up = true
  member.wakeAtMs = network.nowMs
  publisher.step({ kind: 'members', members: [] }, network.nowMs)
  network.run(3_000)
  assert.deepEqual(new Set(states()), new Set(['alive']))
})

test('two coordinators for a moment do no harm', () => {
  const network = started()
  const second = network.nodes[1]
  assert.ok(second !== undefined)
  network.appoint([second.id])
  // Half of the members think so.
  for (const node of network.nodes.slice(4, 8)) {
    const gateways = network.gateways.filter(({ region }) => region === 0).map(({ id }) => id)
    node.own.step({ kind: 'listeners', coordinator: second.id, gateways }, network.nowMs)
  }
  network.run(30_000)
  assert.ok(quantile(network.ages(), 1) <= 3_000)
  const [{ view } = { view: undefined }] = network.gateways
  assert.equal(view?.regions(network.nowMs)[0]?.clusters[0]?.coordinators.length, 2)
  network.appoint()
  network.run(10_000)
  assert.ok(quantile(network.ages(), 1) <= 3_000)
  assert.equal(view?.regions(network.nowMs)[0]?.clusters[0]?.coordinators.length, 1)
  assert.ok(network.events.every(({ event }) => event.kind !== 'caught'))
})
