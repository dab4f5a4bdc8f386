/** What a member says of itself to its coordinator, and how often. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Federation } from './federation.fixture.ts'
import { clusterTimes } from './limits.ts'

test('a coordinator that shows old rosters again and again is told so within bounds', () => {
  const { coordinator, federation, member, old } = settled()
  const forMs = 20_000
  let told = 0
  const { node } = federation.host(member)
  for (let nowMs = federation.nowMs; nowMs < federation.nowMs + forMs; nowMs += 50) {
    const shown = { kind: 'roster', roster: old, coordinator, standings: [], cards: [] } as const
    const { sends } = node.step({ kind: 'message', from: coordinator, message: shown }, nowMs)
    for (const { message } of sends) {
      if (message.kind !== 'here') continue
      told += 1
      const { cluster, version } = node.roster
      const ack = { kind: 'here-ack', cluster, version } as const
      node.step({ kind: 'message', from: coordinator, message: ack }, nowMs)
    }
  }
  assert.ok(told >= 2, `${told} times`)
  assert.ok(told <= 1 + forMs / clusterTimes.hereTimeoutMs, `${told} times`)
})

test('who passes on what another signed does not coordinate, and is told nothing by that', () => {
  const { coordinator, federation, member, old } = settled()
  const { id, node } = federation.host(member)
  // The usual word, and what was due besides.
  let nowMs = federation.nowMs
  const heresUntil = (untilMs: number) => {
    let heres = 0
    for (; nowMs < untilMs; nowMs += 50) {
      const { sends } = node.step({ kind: 'tick' }, nowMs)
      for (const { to, message } of sends) {
        if (message.kind !== 'here') continue
        heres += 1
        const { cluster, version } = node.roster
        const ack = { kind: 'here-ack', cluster, version } as const
        node.step({ kind: 'message', from: to, message: ack }, nowMs)
      }
    }
    return heres
  }
  const more = { standings: [], cards: [] }
  const passed = { kind: 'roster', roster: old, coordinator: id, ...more } as const
  const change = {
    kind: 'roster-change',
    base: old.version - 1,
    gone: [],
    standings: [],
    roster: { ...old, coordinator: id },
  } as const
  const own = { kind: 'roster', roster: old, coordinator, ...more } as const
  while (heresUntil(nowMs + 50) === 0) assert.ok(nowMs < federation.nowMs + 60_000)
  for (const message of [passed, change]) {
    node.step({ kind: 'message', from: coordinator, message }, nowMs)
    assert.equal(heresUntil(nowMs + 2_000), 0, message.kind)
  }
  node.step({ kind: 'message', from: coordinator, message: own }, nowMs)
  assert.equal(heresUntil(nowMs + 2_000), 1)
})

function settled() {
  const federation = new Federation({ seed: 8, count: 4, roundTripMs: () => 5 })
  federation.start()
  federation.runUntil(() => federation.clusters().size === 1, 120_000)
  federation.run(60_000)
  const { coordinator } = federation.host(0).node.place
  const lead = federation.indexOf(coordinator)
  const { roster } = federation.host(lead).node
  const old = { ...roster, version: roster.version - 1 }
  return { coordinator, federation, member: lead === 0 ? 1 : 0, old }
}
