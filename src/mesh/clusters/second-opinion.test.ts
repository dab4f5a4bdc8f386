/** A way that became longer is known soon, though membership measures it once in minutes. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Federation } from './federation.fixture.ts'

test('a fellow member whose way became longer is measured again at once', () => {
  let roundTripMs = 5
  const federation = new Federation({ seed: 4, count: 6, roundTripMs: () => roundTripMs })
  federation.start()
  federation.runUntil(() => federation.clusters().size === 1, 120_000)
  federation.run(60_000)
  const { id } = federation.host(1)
  const trip = () => federation.host(0).node.trip(id)
  assert.equal(trip()?.isFar, false)
  const { samples = 0 } = trip() ?? {}
  // One that was held up changes nothing.
  federation.input(0, { kind: 'round-trip', id, ms: 80 })
  federation.run(1_000)
  assert.equal(trip()?.isFar, false)
  assert.equal(trip()?.samples, samples + 2)
  roundTripMs = 80
  federation.input(0, { kind: 'round-trip', id, ms: 80 })
  federation.run(1_000)
  assert.equal(trip()?.isFar, true)
})
