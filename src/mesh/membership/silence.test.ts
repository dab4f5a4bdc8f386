/** Whoever is heard of regularly and was not lately is probed at once, and not accused of it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRandom } from '../../base/index.ts'
import { type NodeId, nodeIdOf } from '../../protocol/index.ts'
import { Membership } from './membership.ts'
import { check, seal } from './mini-network.fixture.ts'
import { near } from './presets.ts'

const payload = new Uint8Array(0)

function place() {
  const random = seededRandom(5)
  const [self, ...others] = Array.from({ length: 8 }, () => nodeIdOf(random.bytes(32)))
  const core = new Membership(
    { self: self as NodeId, incarnation: 1, payload, preset: near },
    { random, sign: (body) => seal(body, 0), verify: (statement) => check(statement, 0) },
    0,
  )
  const news = others.map((id) =>
    seal({ kind: 'alive', subject: id, incarnation: 1, payload } as const, 0),
  )
  core.step({ kind: 'message', from: others[0] as NodeId, message: { kind: 'gossip', news } }, 0)
  const pinged = (id: NodeId, nowMs = 1) =>
    core
      .step({ kind: 'silent', id }, nowMs)
      .sends.filter(({ message }) => message.kind === 'ping')
      .map(({ to }) => to)
  const stateOf = (id: NodeId) => core.members().find((member) => member.id === id)?.state
  let wakeAtMs = 0
  const run = (untilMs: number) => {
    for (;;) {
      const outputs = core.step({ kind: 'tick' }, Math.min(wakeAtMs, untilMs))
      wakeAtMs = outputs.wakeAtMs
      if (wakeAtMs > untilMs) return
    }
  }
  return { core, others, pinged, run, stateOf }
}

test('it is probed at once, once, and suspected only when that has failed', () => {
  const { others, pinged, run, stateOf } = place()
  const silent = others[3] as NodeId
  assert.deepEqual(pinged(silent), [silent])
  assert.deepEqual(pinged(silent), [])
  assert.equal(stateOf(silent), 'alive')
  run(near.probeDeadlineMs)
  assert.equal(stateOf(silent), 'alive')
  run(1 + near.probeDeadlineMs)
  assert.equal(stateOf(silent), 'suspect')
})

test('of a stranger nothing is asked', () => {
  const { pinged } = place()
  assert.deepEqual(pinged(nodeIdOf(new Uint8Array(32).fill(9))), [])
})

test('where many fall silent together, the others come in turn', () => {
  const { core, others, pinged } = place()
  const asked = others.slice(0, 6).flatMap((id) => pinged(id))
  assert.deepEqual(asked, others.slice(0, 4))
  const { sends } = core.step({ kind: 'tick' }, near.probeIntervalMs)
  assert.ok(sends.some(({ message, to }) => message.kind === 'ping' && to === others[5]))
})
