/** What one member keeps and does for others is bounded, and ends. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRandom } from '../../base/index.ts'
import { type NodeId, nodeIdOf } from '../../protocol/index.ts'
import { Membership } from './membership.ts'
import { check, seal } from './mini-network.fixture.ts'
import { lan, membershipLimits } from './presets.ts'
import { Roster } from './roster.ts'
import type { Statement } from './statements.ts'

const random = seededRandom(7)
const nextId = () => nodeIdOf(random.bytes(32))

/** Alone, at time 0, among whoever the test makes up. */
function begin(): Membership {
  return new Membership(
    { self: nextId(), incarnation: 1, payload: new Uint8Array(0), preset: lan },
    { random, sign: (body) => seal(body, 0), verify: (statement) => check(statement, 0) },
    0,
  )
}

function tell(core: Membership, from: NodeId, ...news: Statement[]) {
  return core.step({ kind: 'message', from, message: { kind: 'gossip', news } }, 0)
}

function join(core: Membership, subject: NodeId = nextId(), payloadBytes = 0) {
  const payload = new Uint8Array(payloadBytes)
  tell(core, subject, seal({ kind: 'alive', subject, incarnation: 1, payload } as const, 0))
  return subject
}

function leave(core: Membership, subject: NodeId): void {
  tell(core, subject, seal({ kind: 'left', subject, incarnation: 1 } as const, 0))
}

function count(core: Membership, state: string): number {
  return core.members().filter((member) => member.state === state).length
}

test('no more members are taken than there is room for', () => {
  const core = begin()
  for (let i = 0; i < membershipLimits.membersMax + 10; i += 1) join(core)
  assert.equal(count(core, 'alive'), membershipLimits.membersMax)
})

/** One that believes everything. */
function roster(): Roster {
  return new Roster(nextId(), lan, { verify: () => 'valid' })
}

function meet(known: Roster, nowMs: number, subject: NodeId = nextId()) {
  const payload = new Uint8Array(0)
  const alive = seal({ kind: 'alive', subject, incarnation: 1, payload } as const, nowMs)
  return { subject, merge: known.merge(alive, nowMs) }
}

test('who never answered makes room when its time to do so is over, who answered does not', () => {
  const known = roster()
  const { membersMax, provingMs } = membershipLimits
  const ids: NodeId[] = []
  for (let i = 0; i < membersMax; i += 1) ids.push(meet(known, 0).subject)
  for (const id of ids.slice(0, membersMax - 1)) known.noteAnswer(id)
  assert.equal(meet(known, provingMs - 1).merge.outcome, 'full')
  const { merge, subject } = meet(known, provingMs)
  const unproven = ids[membersMax - 1]
  assert.ok(merge.outcome === 'merged')
  assert.deepEqual(merge.displaced, { kind: 'displaced', id: unproven, incarnation: 1 })
  assert.ok(known.get(subject) !== undefined)
  assert.equal(known.clusterSize, membersMax + 1)
  assert.equal(meet(known, provingMs + 1).merge.outcome, 'full')
  assert.ok(ids.slice(0, membersMax - 1).every((id) => known.get(id) !== undefined))
})

test('names that came and went wash no member’s death away, nor keep it from being tried', () => {
  const known = roster()
  const leaveAt = (subject: NodeId, nowMs: number) =>
    known.merge(seal({ kind: 'left', subject, incarnation: 1 } as const, nowMs), nowMs)
  const kill = (subject: NodeId, nowMs: number) => {
    const member = known.get(subject)
    assert.ok(member)
    const body = { kind: 'dead', subject, incarnation: 1, accuser: subject } as const
    known.bury(member, seal(body, nowMs), nowMs)
  }
  const { subject: member } = meet(known, 0)
  known.noteAnswer(member)
  kill(member, 0)
  for (let i = 0; i < 100; i += 1) kill(meet(known, 1).subject, 1)
  let tries = 0
  for (let i = 0; i < 100; i += 1) if (known.oneLost([], random) === member) tries += 1
  assert.ok(tries > 50, `${tries} of 100`)
  for (let i = 0; i < membershipLimits.deadSetMax; i += 1) leaveAt(meet(known, 2).subject, 2)
  assert.equal(known.dead.size, membershipLimits.deadSetMax)
  assert.equal(known.dead.get(member)?.reason, 'dead')
})

test('of those who are gone so many are remembered, and for so long', () => {
  const core = begin()
  for (let i = 0; i < membershipLimits.deadSetMax + 10; i += 1) leave(core, join(core))
  assert.equal(count(core, 'left'), membershipLimits.deadSetMax)
  core.step({ kind: 'tick' }, lan.deadSetMs - 1)
  assert.equal(count(core, 'left'), membershipLimits.deadSetMax)
  core.step({ kind: 'tick' }, lan.deadSetMs)
  assert.equal(count(core, 'left'), 0)
})

test('a member renews its own statement before it is too old for others', () => {
  const core = begin()
  core.step({ kind: 'tick' }, lan.renewIntervalMs - 1)
  assert.equal(core.incarnation, 1)
  core.step({ kind: 'tick' }, lan.renewIntervalMs)
  assert.equal(core.incarnation, 2)
})

test('so many accusers of one suspect are kept', () => {
  const core = begin()
  const subject = join(core)
  for (let i = 0; i < membershipLimits.accusersMax + 4; i += 1) {
    const accuser = join(core)
    const body = { kind: 'suspect', subject, incarnation: 1, accuser } as const
    tell(core, accuser, seal(body, 0))
  }
  const asker = join(core)
  const message = { kind: 'sync-reply', wants: [subject], news: [] } as const
  const { sends } = core.step({ kind: 'message', from: asker, message }, 0)
  const said = sends.flatMap((send) => send.message.news)
  const accusations = said.filter(({ kind }) => kind === 'suspect')
  assert.equal(accusations.length, membershipLimits.accusersMax)
})

test('so many probes are under way for others, and so many for each', () => {
  const core = begin()
  const target = join(core)
  const pings: number[] = []
  for (let askers = 0; askers < 10; askers += 1) {
    const from = join(core)
    let sent = 0
    for (let sequence = 0; sequence < 70; sequence += 1) {
      const message = { kind: 'ping-request', sequence, target, news: [] } as const
      sent += core.step({ kind: 'message', from, message }, 0).sends.length
    }
    pings.push(sent)
  }
  assert.deepEqual(pings, [8, 8, 8, 8, 8, 8, 8, 8, 0, 0])
})

test('who says too much of itself is no member', () => {
  const core = begin()
  join(core, nextId(), membershipLimits.payloadBytesMax + 1)
  assert.equal(count(core, 'alive'), 0)
  join(core, nextId(), membershipLimits.payloadBytesMax)
  assert.equal(count(core, 'alive'), 1)
})
