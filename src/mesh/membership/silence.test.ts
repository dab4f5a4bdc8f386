/** Whoever is heard of regularly and was not lately is probed at once, and not accused of it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRandom } from '../../base/index.ts'
import { type NodeId, nodeIdOf } from '../../protocol/index.ts'
import { Membership } from './membership.ts'
import { check, seal } from './mini-network.fixture.ts'
import { near } from './presets.ts'
import type { MembershipOutputs } from './step.ts'

const payload = new Uint8Array(0)

function pingsOf(sends: MembershipOutputs['sends']): NodeId[] {
  return sends.flatMap(({ message, to }) => (message.kind === 'ping' ? [to] : []))
}

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
  const accused = (subject: NodeId, nowMs: number, incarnation = 1) => {
    const accuser = others[0] as NodeId
    const suspect = seal({ kind: 'suspect', subject, incarnation, accuser } as const, nowMs)
    const message = { kind: 'gossip', news: [suspect] } as const
    return core.step({ kind: 'message', from: accuser, message }, nowMs)
  }
  /** Whoever was pinged is there. */
  const answer = (sends: MembershipOutputs['sends'], nowMs: number) => {
    for (const { message, to } of sends) {
      if (message.kind !== 'ping') continue
      const ack = { kind: 'ack', sequence: message.sequence, news: [] } as const
      core.step({ kind: 'message', from: to, message: ack }, nowMs)
    }
    return pingsOf(sends)
  }
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
  return { accused, answer, core, others, pinged, run, stateOf }
}

test('who is alone is not woken to tell it to nobody, and tells the first who comes', () => {
  const random = seededRandom(6)
  const [self, other] = [nodeIdOf(random.bytes(32)), nodeIdOf(random.bytes(32))]
  const core = new Membership(
    { self, incarnation: 1, payload, preset: near },
    { random, sign: (body) => seal(body, 0), verify: (statement) => check(statement, 0) },
    0,
  )
  let { wakeAtMs } = core.step({ kind: 'update', payload: Uint8Array.of(1) }, 0)
  let wakes = 0
  for (; wakeAtMs < 60_000; wakes += 1) wakeAtMs = core.step({ kind: 'tick' }, wakeAtMs).wakeAtMs
  // Two comparisons, and looks for somebody; no round of gossip.
  assert.ok(wakes <= 5, `${wakes} times`)
  const alive = seal({ kind: 'alive', subject: other, incarnation: 1, payload } as const, 0)
  const message = { kind: 'gossip', news: [alive] } as const
  const heard = core.step({ kind: 'message', from: other, message }, 60_000)
  const told = core.step({ kind: 'tick' }, heard.wakeAtMs)
  const news = told.sends.flatMap((send) => ('news' in send.message ? send.message.news : []))
  assert.ok(news.some(({ subject }) => subject === self))
})

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

test('a suspect is looked at as soon as one hears of it, out of turn', () => {
  const { accused, others, stateOf } = place()
  const suspect = others[3] as NodeId
  // In a cluster of eight all look.
  assert.deepEqual(pingsOf(accused(suspect, 1).sends), [suspect])
  assert.equal(stateOf(suspect), 'suspect')
})

test('whoever accuses one after the other makes nobody ping them all at once', () => {
  const { accused, answer, core, others } = place()
  const looked = others.slice(1).flatMap((id) => answer(accused(id, 1).sends, 1))
  assert.deepEqual(looked, others.slice(1, 5))
  const { sends } = core.step({ kind: 'tick' }, near.probeIntervalMs)
  assert.ok(pingsOf(sends).includes(others[6] as NodeId))
})

test('one that refutes and is accused again is looked at once in each turn', () => {
  const { accused, answer, core, others } = place()
  const suspect = others[3] as NodeId
  const looks = [1, 2, 3].flatMap((incarnation) => {
    const alive = seal({ kind: 'alive', subject: suspect, incarnation, payload } as const, 0)
    core.step({ kind: 'message', from: suspect, message: { kind: 'gossip', news: [alive] } }, 1)
    return answer(accused(suspect, 1, incarnation).sends, 1)
  })
  assert.deepEqual(looks, [suspect])
})

test('who holds itself for slow still probes as often as its probes allow', () => {
  const { answer, core, run } = place()
  run(60_000) // nobody answers, and all are dead
  assert.equal(core.localHealth, near.localHealthMax)
  const back = nodeIdOf(new Uint8Array(32).fill(9))
  const alive = seal({ kind: 'alive', subject: back, incarnation: 1, payload } as const, 0)
  core.step({ kind: 'message', from: back, message: { kind: 'gossip', news: [alive] } }, 60_000)
  let pings = 0
  for (let nowMs = 60_000; nowMs < 60_000 + 4 * near.probeIntervalMs; nowMs += 50) {
    pings += answer(core.step({ kind: 'tick' }, nowMs).sends, nowMs).length
  }
  assert.ok(pings >= 2)
})
