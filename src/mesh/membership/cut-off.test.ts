/** What a member said while it was cut off counts for nothing when it is back. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRandom } from '../../base/index.ts'
import { type NodeId, nodeIdOf } from '../../protocol/index.ts'
import { Membership } from './membership.ts'
import { check, seal } from './mini-network.fixture.ts'
import { near } from './presets.ts'
import type { Statement } from './statements.ts'
import type { MembershipOutputs } from './step.ts'

const payload = new Uint8Array(0)

/** A member, one that answers it, and four that it holds for dead since they were cut off. */
class Parted {
  readonly self: NodeId
  readonly fellow: NodeId
  readonly beyond: readonly NodeId[]
  readonly core: Membership
  nowMs = 0

  constructor() {
    const random = seededRandom(5)
    const nextId = () => nodeIdOf(random.bytes(32))
    const [self, fellow] = [nextId(), nextId()]
    this.self = self
    this.fellow = fellow
    this.beyond = Array.from({ length: 4 }, nextId)
    this.core = new Membership(
      { self, incarnation: 1, payload, preset: near },
      {
        random,
        sign: (body) => seal(body, this.nowMs),
        verify: (statement) => check(statement, this.nowMs),
      },
      0,
    )
    for (const id of [fellow, ...this.beyond]) this.tell(id, this.alive(id, 1))
    this.run(120_000)
    assert.deepEqual(
      this.beyond.map((id) => this.stateOf(id)),
      ['dead', 'dead', 'dead', 'dead'],
    )
  }

  alive(subject: NodeId, incarnation: number): Statement {
    return seal({ kind: 'alive', subject, incarnation, payload }, this.nowMs)
  }

  verdict(subject: NodeId, accuser: NodeId, atMs: number): Statement {
    return seal({ kind: 'dead', subject, incarnation: 1, accuser }, atMs)
  }

  tell(from: NodeId, ...news: Statement[]): MembershipOutputs {
    const message = { kind: 'sync-reply', wants: [], news } as const
    return this.core.step({ kind: 'message', from, message }, this.nowMs)
  }

  /** The fellow answers each ping, and says nothing else. */
  run(forMs: number): void {
    const endMs = this.nowMs + forMs
    for (;;) {
      const { sends, wakeAtMs } = this.core.step({ kind: 'tick' }, this.nowMs)
      for (const { to, message } of sends) {
        if (to !== this.fellow || message.kind !== 'ping') continue
        const ack = { kind: 'ack', sequence: message.sequence, news: [] } as const
        this.core.step({ kind: 'message', from: to, message: ack }, this.nowMs)
      }
      if (wakeAtMs >= endMs) break
      this.nowMs = Math.max(this.nowMs, wakeAtMs)
    }
    this.nowMs = endMs
  }

  stateOf(id: NodeId): string | undefined {
    return this.core.members().find((member) => member.id === id)?.state
  }
}

test('those who were cut off bury nobody with what they said meanwhile; it is told', () => {
  const parted = new Parted()
  const { beyond, core, fellow, nowMs } = parted
  const news = beyond.map((accuser) => parted.verdict(fellow, accuser, nowMs - 20_000))
  for (const [index, id] of beyond.entries()) {
    const said = news[index] as Statement
    const { sends } = parted.tell(id, parted.alive(id, 2), said)
    assert.equal(parted.stateOf(id), 'alive')
    assert.equal(parted.stateOf(fellow), 'alive')
    const toFellow = sends.filter(({ to }) => to === fellow)
    assert.deepEqual(toFellow, [{ to: fellow, message: { kind: 'gossip', news: [said] } }])
  }
  const self = core.aliveStatement(fellow)
  parted.run(3_000)
  assert.equal(core.aliveStatement(fellow), self)
  assert.equal(parted.stateOf(fellow), 'alive')
})

test('what one says once it is back counts as anybody’s', () => {
  const parted = new Parted()
  const { beyond, fellow } = parted
  for (const id of beyond) parted.tell(id, parted.alive(id, 2))
  parted.nowMs += 1
  for (const id of beyond) parted.tell(id, parted.verdict(fellow, id, parted.nowMs))
  assert.equal(parted.stateOf(fellow), 'suspect')
  parted.run(3_000)
  assert.equal(parted.stateOf(fellow), 'dead')
})

test('who is accused by those who were cut off refutes, and does not hold itself for slow', () => {
  const parted = new Parted()
  const { beyond, core, nowMs, self } = parted
  parted.run(60_000)
  assert.equal(core.localHealth, 0)
  for (const id of beyond) {
    const { sends } = parted.tell(id, parted.alive(id, 2), parted.verdict(self, id, nowMs))
    assert.ok(id !== beyond[0] || sends.some(({ to }) => to === id))
  }
  assert.deepEqual([core.incarnation, core.localHealth], [2, 0])
})

test('what one says who has left is answered, and slows nobody', () => {
  const parted = new Parted()
  parted.run(60_000)
  const { core, fellow, self } = parted
  parted.tell(fellow, seal({ kind: 'left', subject: fellow, incarnation: 1 }, parted.nowMs))
  assert.equal(parted.stateOf(fellow), 'left')
  const { sends } = parted.tell(fellow, parted.verdict(self, fellow, parted.nowMs))
  assert.ok(sends.some(({ to }) => to === fellow))
  assert.deepEqual([core.incarnation, core.localHealth], [2, 0])
})

/** What one member hears of another that speaks, in full. */
function wordsTo(parted: Parted, from: NodeId, ...news: Statement[]): Statement[][] {
  const message = { kind: 'gossip', news } as const
  const { sends } = parted.core.step({ kind: 'message', from, message }, parted.nowMs)
  assert.ok(sends.every(({ to }) => to === from))
  return sends.map((one) => [...one.message.news])
}

test('one that is dead here and speaks is told so, now and then, and says that it is not', () => {
  const parted = new Parted()
  const [back = parted.self] = parted.beyond
  const [words = []] = wordsTo(parted, back)
  assert.deepEqual(
    words.map(({ kind, subject }) => [kind, subject]),
    [
      ['alive', back],
      ['dead', back],
    ],
  )
  for (let word = 0; word < 5; word += 1) assert.deepEqual(wordsTo(parted, back), [])
  parted.nowMs += near.reunionMs
  assert.equal(wordsTo(parted, back).length, 1)
  wordsTo(parted, back, parted.alive(back, 2))
  assert.equal(parted.stateOf(back), 'alive')
})

test('it is told by whom it counts as dead here, not by somebody whom it may not know', () => {
  const parted = new Parted()
  const { beyond, fellow, self } = parted
  const [back = self] = beyond
  const word = { kind: 'suspect', subject: back, incarnation: 2, accuser: fellow } as const
  parted.tell(back, parted.alive(back, 2))
  parted.nowMs += 1
  parted.tell(fellow, seal(word, parted.nowMs))
  parted.run(10_000)
  assert.equal(parted.stateOf(back), 'dead')
  const [[, verdict] = []] = wordsTo(parted, back)
  assert.ok(verdict !== undefined && 'accuser' in verdict)
  assert.equal(verdict.accuser, self)
})

test('members’ news is not spent on the dead, and who left or is left hears nothing', () => {
  const parted = new Parted()
  const { beyond, core, fellow } = parted
  const [back = fellow, left = fellow] = beyond
  parted.tell(left, parted.alive(left, 2))
  parted.tell(left, seal({ kind: 'left', subject: left, incarnation: 2 }, parted.nowMs))
  assert.deepEqual(wordsTo(parted, left), [])
  const [words = []] = wordsTo(parted, back)
  assert.ok(words.every(({ subject }) => subject === back))
  parted.nowMs += near.reunionMs
  core.step({ kind: 'leave' }, parted.nowMs)
  assert.deepEqual(wordsTo(parted, back), [])
})
