/** What a member makes of answers that came while it was stalled itself. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRandom } from '../../base/index.ts'
import { nodeIdOf } from '../../protocol/index.ts'
import { Membership } from './membership.ts'
import { check, seal } from './mini-network.fixture.ts'
import { lan } from './presets.ts'

/** Probes its only peer, which answers after so long. */
function answeredAfter(ms: number) {
  const random = seededRandom(5)
  const [self, peer] = [nodeIdOf(random.bytes(32)), nodeIdOf(random.bytes(32))]
  const core = new Membership(
    { self, incarnation: 1, payload: new Uint8Array(0), preset: lan },
    { random, sign: (body) => seal(body, 0), verify: (statement) => check(statement, 0) },
    0,
  )
  const payload = new Uint8Array(0)
  const alive = seal({ kind: 'alive', subject: peer, incarnation: 1, payload } as const, 0)
  let { wakeAtMs } = core.step(
    { kind: 'message', from: peer, message: { kind: 'gossip', news: [alive] } },
    0,
  )
  for (;;) {
    const nowMs = wakeAtMs
    const outputs = core.step({ kind: 'tick' }, nowMs)
    wakeAtMs = outputs.wakeAtMs
    for (const { message } of outputs.sends) {
      if (message.kind !== 'ping') continue
      const { sequence } = message
      const ack = { kind: 'ack', sequence, news: [] } as const
      return core.step({ kind: 'message', from: peer, message: ack }, nowMs + ms).events
    }
  }
}

test('an answer that came in time is a round trip', () => {
  assert.deepEqual(
    answeredAfter(3).map((event) => event.kind === 'round-trip' && event.ms),
    [3],
  )
})

test('an answer that lay there while one was stalled is none, nor a loss', () => {
  assert.deepEqual(answeredAfter(5_000), [])
})
