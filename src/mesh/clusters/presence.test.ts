/** What a member says of itself to its coordinator, and how often. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Federation } from './federation.fixture.ts'
import { clusterTimes } from './limits.ts'

test('a coordinator that shows old rosters again and again is told so within bounds', () => {
  const federation = new Federation({ seed: 8, count: 4, roundTripMs: () => 5 })
  federation.start()
  federation.runUntil(() => federation.clusters().size === 1, 120_000)
  federation.run(60_000)
  const { coordinator } = federation.host(0).node.place
  const lead = federation.indexOf(coordinator)
  const member = lead === 0 ? 1 : 0
  const { roster } = federation.host(lead).node
  const old = { ...roster, version: roster.version - 1 }
  const forMs = 20_000
  let told = 0
  const { node } = federation.host(member)
  for (let nowMs = federation.nowMs; nowMs < federation.nowMs + forMs; nowMs += 50) {
    const shown = { kind: 'roster', roster: old, coordinator, standings: [], cards: [] } as const
    const { sends } = node.step({ kind: 'message', from: coordinator, message: shown }, nowMs)
    told += sends.filter(({ message }) => message.kind === 'here').length
  }
  assert.ok(told >= 2, `${told} times`)
  assert.ok(told <= 1 + forMs / clusterTimes.hereTimeoutMs, `${told} times`)
  // Who passes on what another signed does not coordinate, in its own eyes either.
  const passed = { kind: 'roster', roster: old, coordinator: federation.host(member).id } as const
  const message = { ...passed, standings: [], cards: [] }
  const laterMs = federation.nowMs + forMs + clusterTimes.hereTimeoutMs
  node.step({ kind: 'tick' }, laterMs)
  const { wakeAtMs } = node.step({ kind: 'message', from: coordinator, message }, laterMs + 1)
  assert.ok(wakeAtMs > laterMs + 500)
})
