import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Federation } from './federation.fixture.ts'
import { type Towns, towns } from './synthetic-sites.fixture.ts'

const healingMs = 30_000

interface Settled extends Towns {
  readonly federation: Federation
}

function settled(count: number, townsCount: number, seed: number): Settled {
  const all = towns(count, townsCount, seed)
  const federation = new Federation({ seed, count, roundTripMs: all.roundTripMs })
  federation.start()
  const took = federation.runUntil(() => federation.clusters().size === townsCount, 300_000)
  assert.ok(took < 300_000, `seed ${seed}: ${federation.clusters().size} clusters`)
  federation.run(20_000)
  return { ...all, federation }
}

function membersOf(federation: Federation, index: number): number[] {
  const { members } = federation.host(index).node.place
  return members.map((id) => federation.indexOf(id)).sort((a, b) => a - b)
}

test('when the coordinator is gone the next one admits, under the same name', () => {
  const { federation } = settled(12, 1, 1)
  const { cluster, coordinator } = federation.host(0).node.place
  const gone = federation.indexOf(coordinator)
  const witness = gone === 0 ? 1 : 0
  federation.crash(gone)
  const others = federation.hosts.filter(({ isUp }) => isUp)
  const tookMs = federation.runUntil(
    () => others.every(({ node }) => node.place.coordinator !== coordinator),
    60_000,
  )
  assert.ok(tookMs <= healingMs, `took ${tookMs} ms`)
  assert.equal(new Set(others.map(({ node }) => node.place.coordinator)).size, 1)
  assert.equal(federation.host(witness).node.place.cluster, cluster)
  federation.restart(gone, [witness])
  federation.runUntil(() => federation.clusters().size === 1, 120_000)
  assert.equal(federation.host(gone).node.place.cluster, cluster)
  federation.run(20_000)
  assert.deepEqual(membersOf(federation, witness), membersOf(federation, gone))
  assert.equal(membersOf(federation, gone).length, 12)
})

test('membership’s word that the coordinator is lost counts at once', () => {
  const { federation } = settled(8, 1, 2)
  const { coordinator } = federation.host(0).node.place
  const gone = federation.indexOf(coordinator)
  const asked = gone === 0 ? 1 : 0
  federation.input(asked, { kind: 'lost', id: coordinator })
  assert.notEqual(federation.host(asked).node.place.coordinator, coordinator)
  federation.input(asked, { kind: 'alive', id: coordinator })
  assert.equal(federation.host(asked).node.place.coordinator, coordinator)
})

test('a partition leaves name and seats as they are, and heals within 30 s', (t) => {
  for (const seed of [11, 12, 13]) {
    const { federation } = settled(24, 1, seed)
    const { cluster } = federation.host(0).node.place
    for (const host of federation.hosts) host.group = host.index % 2
    federation.run(90_000)
    assert.deepEqual([...federation.clusters().keys()], [cluster])
    const coordinators = new Set(federation.hosts.map(({ node }) => node.place.coordinator))
    assert.equal(coordinators.size, 2) // one on each side
    for (const host of federation.hosts) host.group = 0
    const whole = () =>
      federation.hosts.every(({ node }) => node.place.members.length === 24) &&
      new Set(federation.hosts.map(({ node }) => node.place.coordinator)).size === 1
    const tookMs = federation.runUntil(whole, 60_000)
    t.diagnostic(`seed ${seed}: one view again after ${tookMs} ms`)
    assert.ok(tookMs <= healingMs)
    const left = federation.events.filter(
      ({ event }) => event.kind === 'placed' && event.reason !== 'admitted',
    )
    assert.deepEqual(left, []) // nobody is punished for it
  }
})

// With each of the last three, who coordinated before is seated anew on one side, and the other
// waits for it: both would wait for ever.
for (const seed of [21, 25, 48, 57]) {
  test(`both sides of a partition admit; when they meet there is one roster (${seed})`, (t) => {
    const { federation } = settled(16, 1, seed)
    const newcomers = [3, 4]
    for (const index of newcomers) federation.crash(index)
    federation.run(5_000)
    for (const host of federation.hosts) host.group = host.index % 2
    federation.run(60_000)
    federation.restart(3, [1])
    federation.restart(4, [0])
    federation.run(90_000)
    const [odd, even] = [federation.host(1).node.roster, federation.host(0).node.roster]
    assert.notDeepEqual(odd.seats, even.seats)
    for (const host of federation.hosts) host.group = 0
    const whole = () =>
      federation.clusters().size === 1 &&
      new Set(federation.hosts.map(({ node }) => JSON.stringify(node.roster.seats))).size === 1
    const tookMs = federation.runUntil(whole, 60_000)
    t.diagnostic(`seed ${seed}: one roster after ${tookMs} ms`)
    assert.ok(tookMs <= healingMs, `took ${tookMs} ms`)
    const seats = federation.host(0).node.roster.seats.map(({ id }) => id)
    assert.equal(seats.length, 16)
    assert.equal(new Set(seats).size, 16)
  })
}

test('a cluster whose parts drift apart splits; the larger part keeps the name', (t) => {
  const { federation, roundTripMs } = settled(20, 1, 31)
  const { cluster } = federation.host(0).node.place
  const isAway = (index: number) => index % 3 === 0
  federation.roundTripMs = (one, other) =>
    roundTripMs(one, other) + (isAway(one) === isAway(other) ? 0 : 30)
  // Membership's probes measure all pairs within some minutes; here they are given at once.
  for (const { index: one } of federation.hosts) {
    for (const { index: other, id } of federation.hosts) {
      if (one === other || isAway(one) === isAway(other)) continue
      for (let i = 0; i < 3; i += 1) {
        federation.input(one, { kind: 'round-trip', id, ms: federation.roundTripMs(one, other) })
      }
    }
  }
  const measuredBefore = federation.measured.size
  assert.ok(federation.violations().length > 0)
  const tookMs = federation.runUntil(() => federation.violations().length === 0, 60_000)
  t.diagnostic(`no violation after ${tookMs} ms`)
  assert.ok(tookMs <= healingMs)
  federation.run(60_000)
  const kept = federation.clusters().get(cluster) ?? []
  assert.ok(kept.length >= 12 && kept.every((index) => !isAway(index)))
  const others = [...federation.clusters()].filter(([id]) => id !== cluster)
  assert.equal(others.length, 1)
  assert.equal(others[0]?.[1].length, 7)
  assert.equal(federation.measured.size, measuredBefore) // all of it was known
})

test('two clusters that turn out to be near become one, with the name of the larger', () => {
  const { federation, roundTripMs } = settledApart()
  const large = federation.host(0).node.place.cluster
  federation.roundTripMs = roundTripMs
  for (const { index: one } of federation.hosts) {
    for (const { index: other, id } of federation.hosts) {
      if (one % 3 === 0 && other % 3 !== 0) continue
      if (one % 3 !== 0 && other % 3 === 0) continue
      if (one !== other) federation.input(one, { kind: 'round-trip', id, ms: 5 })
    }
  }
  federation.run(5_000)
  for (const { index: one } of federation.hosts) {
    for (const { index: other, id } of federation.hosts) {
      if (one === other) continue
      for (let i = 0; i < 3; i += 1) {
        federation.input(one, { kind: 'round-trip', id, ms: roundTripMs(one, other) })
      }
    }
  }
  federation.runUntil(() => federation.clusters().size === 1, 400_000)
  assert.deepEqual([...federation.clusters().keys()], [large])
})

/** One town, of which every third node is 30 ms away from the others. */
function settledApart(): Settled {
  const all = towns(15, 1, 41)
  const isAway = (index: number) => index % 3 === 0
  const apart = (one: number, other: number) =>
    all.roundTripMs(one, other) + (isAway(one) === isAway(other) ? 0 : 30)
  const federation = new Federation({ seed: 41, count: 15, roundTripMs: apart })
  // Node 0 shall be of the larger part.
  const swapped = (index: number) => (index === 0 ? 1 : index === 1 ? 0 : index)
  federation.roundTripMs = (one, other) => apart(swapped(one), swapped(other))
  federation.start()
  federation.runUntil(() => federation.clusters().size === 2, 300_000)
  assert.equal(federation.clusters().size, 2)
  federation.run(20_000)
  const roundTripMs = (one: number, other: number) => all.roundTripMs(swapped(one), swapped(other))
  return { ...all, roundTripMs, federation }
}

test('who leaves loses its seat, and comes back with a later epoch', () => {
  const { federation } = settled(10, 1, 51)
  const { epoch } = federation.host(4).node.place
  federation.input(4, { kind: 'leave' })
  federation.crash(4)
  federation.run(10_000)
  const leaver = federation.host(4).id
  for (const { node, isUp } of federation.hosts) {
    if (isUp) assert.ok(!node.roster.seats.some(({ id }) => id === leaver))
  }
  federation.restart(4, [0])
  federation.runUntil(() => federation.clusters().size === 1, 120_000)
  assert.equal(federation.clusters().size, 1)
  assert.ok(federation.host(4).node.place.epoch > epoch)
})
