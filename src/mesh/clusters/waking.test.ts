/** A node lets time go on: when it is woken at the time it asked for, what was due is done. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Federation } from './federation.fixture.ts'
import { clusterTimes } from './limits.ts'

/** More than one thing may fall due at an instant; not the same one again and again. */
const stepsAtOnceMax = 10

test('who is woken when it asked for it does what was due, however times are rounded', () => {
  for (let run = 0; run < 60; run += 1) {
    const federation = new Federation({ seed: 3, count: 1, roundTripMs: () => 5 })
    federation.start()
    const { node } = federation.host(0)
    // The fractions that real clocks have: sums of such times are rounded.
    let nowMs = federation.nowMs + 245_317.62 + run / 7
    const endMs = nowMs + 2.5 * clusterTimes.cardEveryMs
    let stepsAtOnce = 0
    while (nowMs < endMs) {
      const { wakeAtMs } = node.step({ kind: 'tick' }, nowMs)
      stepsAtOnce = wakeAtMs > nowMs ? 0 : stepsAtOnce + 1
      assert.ok(stepsAtOnce <= stepsAtOnceMax, `run ${run}: for ever at ${nowMs} ms`)
      nowMs = wakeAtMs
    }
  }
})
