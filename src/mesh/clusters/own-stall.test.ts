/** What a node measures while it is stalled itself: nothing. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { origin } from '../coordinates/coordinate.ts'
import { Federation } from './federation.fixture.ts'

/** Whether the echo of one of its probes, heard so late, was taken for a round trip. */
function isMeasured(lateMs: number): boolean {
  const federation = new Federation({ seed: 3, count: 4, roundTripMs: () => 5 })
  federation.start()
  federation.run(30_000)
  const { node } = federation.host(0)
  let { nowMs } = federation
  for (;;) {
    const { sends, wakeAtMs } = node.step({ kind: 'tick' }, nowMs)
    for (const { to, message } of sends) {
      if (message.kind !== 'probe') continue
      const { nonce } = message
      const echo = { kind: 'echo', nonce, coordinate: origin, cluster: node.place.cluster } as const
      // Before its timer: what arrived meanwhile may be read first.
      const input = { kind: 'message', from: to, message: echo } as const
      const { events } = node.step(input, wakeAtMs + lateMs)
      return events.some(({ kind }) => kind === 'round-trip')
    }
    assert.ok(wakeAtMs < federation.nowMs + 600_000)
    nowMs = Math.max(nowMs, wakeAtMs)
  }
}

test('an echo is a round trip, unless it lay there while this node was stalled', () => {
  assert.ok(isMeasured(0))
  assert.ok(!isMeasured(500))
})
