import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Federation } from './federation.fixture.ts'
import { greedyPlaced, plane, towns } from './synthetic-sites.fixture.ts'

/** Runs it, looking every second: no cluster may break the bound. */
function runChecked(federation: Federation, forMs: number): void {
  for (let ranMs = 0; ranMs < forMs; ranMs += 1_000) {
    federation.run(1_000)
    assert.deepEqual(federation.violations(), [])
  }
}

/** Members of each cluster agree on roster and coordinator. */
function assertAgreed(federation: Federation): void {
  for (const members of federation.clusters().values()) {
    const views = members.map((index) => {
      const { coordinator, members: ids } = federation.host(index).node.place
      return JSON.stringify([coordinator, [...ids].sort()])
    })
    assert.equal(new Set(views).size, 1)
    const first = federation.host(members[0] ?? 0).node.place.members
    assert.equal(first.length, members.length)
  }
}

test('nodes of each town find each other, with few round trips measured', (t) => {
  const count = 240
  const { roundTripMs, townOf } = towns(count, 12, 3)
  const federation = new Federation({ seed: 1, count, roundTripMs })
  federation.start()
  runChecked(federation, 120_000)
  const pairs = (count * (count - 1)) / 2
  const share = federation.measured.size / pairs
  t.diagnostic(`${federation.clusters().size} clusters, ${(share * 100).toFixed(1)} % of pairs`)
  // One may be between two clusters just then: it waits after a try in vain, and finds another.
  const tookMs = federation.runUntil(() => federation.placed() === count, 60_000)
  t.diagnostic(`all placed ${tookMs} ms later`)
  assert.equal(federation.placed(), count)
  for (const members of federation.clusters().values()) {
    assert.equal(new Set(members.map(townOf)).size, 1)
  }
  assert.ok(federation.clusters().size <= 18)
  // 8 witnesses are 7 % of 240 nodes already, towns of 20 are 8 %.
  assert.ok(share <= 0.2)
  federation.run(20_000)
  assertAgreed(federation)
})

test('without towns, with loss and jitter, nearly all are placed that could be', (t) => {
  const count = 200
  const roundTripMs = plane(count, 90, 5)
  const options = { seed: 2, count, roundTripMs, loss: 0.02, jitterShare: 0.02 }
  const federation = new Federation(options)
  federation.start()
  runChecked(federation, 240_000)
  const most = greedyPlaced(count, roundTripMs)
  t.diagnostic(`${federation.placed()} placed; a greedy cover with all round trips: ${most}`)
  assert.ok(federation.placed() >= 0.9 * most)
})

test('no cluster has more members than it may', () => {
  const count = 30
  const rules = { boundMs: 15, membersMax: 8 }
  const { roundTripMs } = towns(count, 1, 4)
  const federation = new Federation({ seed: 3, count, roundTripMs, rules })
  federation.start()
  runChecked(federation, 90_000)
  assert.ok(federation.placed() >= 24)
})

test('the same seed gives the same run', () => {
  const { roundTripMs } = towns(40, 3, 9)
  const [one, other] = [1, 2].map(() => {
    const federation = new Federation({ seed: 8, count: 40, roundTripMs, loss: 0.01 })
    federation.start()
    federation.run(60_000)
    return federation.hosts.map(({ node }) => [node.place, node.card])
  })
  assert.deepEqual(one, other)
})

test('a restart knows from kept cards whom to ask, without any seed', () => {
  const { roundTripMs } = towns(20, 1, 4)
  const federation = new Federation({ seed: 5, count: 20, roundTripMs })
  federation.start()
  federation.run(60_000)
  const kept = [...federation.host(3).node.cards()]
  federation.crash(3)
  federation.run(5_000)
  federation.restart(3, [])
  federation.input(3, { kind: 'restore', cards: kept })
  federation.run(60_000)
  assert.ok(federation.host(3).node.place.members.length > 1)
})
