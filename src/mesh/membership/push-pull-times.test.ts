import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRandom } from '../../base/index.ts'
import { type NodeId, nodeIdOf } from '../../protocol/index.ts'
import { seal } from './mini-network.fixture.ts'
import { near } from './presets.ts'
import { PushPullTimes } from './push-pull-times.ts'
import { Roster } from './roster.ts'

const random = seededRandom(5)
const [self, one, other] = Array.from({ length: 3 }, () => nodeIdOf(random.bytes(32))) as [
  NodeId,
  NodeId,
  NodeId,
]
const { joinRetryMs, pushPullIntervalMs, reconnectIntervalMs } = near

function begin(...members: NodeId[]) {
  const roster = new Roster(self, near, { verify: () => 'valid' })
  const payload = new Uint8Array(0)
  for (const subject of members) {
    roster.merge(seal({ kind: 'alive', subject, incarnation: 1, payload } as const, 0), 0)
  }
  return { roster, times: new PushPullTimes(near, { random, roster }, 0) }
}

test('comparisons come at intervals, and alone there is nobody to compare with', () => {
  const { times } = begin(one)
  assert.ok(times.nextDueMs < Math.max(pushPullIntervalMs, reconnectIntervalMs))
  assert.deepEqual(times.due(pushPullIntervalMs), [one])
  assert.deepEqual(times.due(pushPullIntervalMs + 1), [])
  assert.deepEqual(begin().times.due(pushPullIntervalMs), [])
})

test('a seed is tried until it is heard of', () => {
  const { roster, times } = begin()
  times.join([other], 0)
  assert.ok(times.nextDueMs <= joinRetryMs)
  assert.deepEqual(times.due(joinRetryMs), [other])
  const payload = new Uint8Array(0)
  const alive = { kind: 'alive', subject: other, incarnation: 1, payload } as const
  roster.merge(seal(alive, 0), 0)
  assert.deepEqual(times.due(joinRetryMs + 1), [])
  assert.deepEqual(begin().times.due(joinRetryMs), [])
})

test('who misses nobody tries nobody, until somebody is missed', () => {
  const { roster, times } = begin(one, other)
  const nowMs = 10 * pushPullIntervalMs
  assert.equal(times.due(nowMs).length, 1)
  // A comparison is next.
  assert.equal(times.nextDueMs, nowMs + pushPullIntervalMs)
  times.miss(nowMs)
  assert.ok(times.nextDueMs <= nowMs + reconnectIntervalMs)
  const accusation = seal(
    { kind: 'suspect', subject: one, incarnation: 1, accuser: other } as const,
    nowMs,
  )
  roster.accuse(accusation, nowMs)
  const suspect = roster.get(one)
  assert.ok(suspect !== undefined)
  const verdict = { kind: 'dead', subject: one, incarnation: 1, accuser: self } as const
  roster.bury(suspect, seal(verdict, nowMs), nowMs)
  assert.deepEqual(times.due(nowMs + reconnectIntervalMs), [one])
  assert.equal(times.nextDueMs, nowMs + 2 * reconnectIntervalMs)
})

test('the more members there are, the seldomer each of them tries the same ones', () => {
  const many = Array.from({ length: 31 }, () => nodeIdOf(random.bytes(32)))
  const silent = Array.from({ length: 40 }, () => nodeIdOf(random.bytes(32)))
  const { roster, times } = begin(...many, ...silent)
  for (const id of many) roster.noteAnswer(id)
  times.join([other], 0)
  const isTried = (nowMs: number) => times.due(nowMs).includes(other)
  assert.ok(isTried(joinRetryMs))
  // With oneself four times as many as try as often as the preset says. The silent share nothing.
  assert.ok(!isTried(joinRetryMs + 4 * reconnectIntervalMs - 1))
  assert.ok(isTried(joinRetryMs + 4 * reconnectIntervalMs))
})

test('one that came back is compared with soon', () => {
  const { times } = begin(one, other)
  times.reunite(other, 1_000)
  assert.ok(times.nextDueMs <= 1_000 + near.reunionMs)
  assert.deepEqual(times.due(1_000 + near.reunionMs), [other])
})

test('who has joined compares again when those who were leaving then are gone', () => {
  const { times } = begin(one)
  const [nowMs, soonMs] = [1_000_000, near.leaveMs + near.reunionMs]
  assert.deepEqual(times.due(nowMs), [one])
  times.join([one], nowMs)
  assert.deepEqual(times.due(nowMs + soonMs - 1), [])
  assert.deepEqual(times.due(nowMs + soonMs), [one])
})

test('however many share the tries, each has its turn', () => {
  const many = Array.from({ length: 200 }, () => nodeIdOf(random.bytes(32)))
  const { roster, times } = begin(...many)
  for (const id of many) roster.noteAnswer(id)
  times.join([other], 0)
  const isTried = (nowMs: number) => times.due(nowMs).includes(other)
  assert.ok(isTried(joinRetryMs))
  assert.ok(!isTried(joinRetryMs + 8 * reconnectIntervalMs - 1))
  assert.ok(isTried(joinRetryMs + 8 * reconnectIntervalMs))
})

test('where many die at once the time of the next try is drawn once', () => {
  const { times } = begin(one, other)
  const nowMs = 10 * pushPullIntervalMs
  times.due(nowMs)
  times.miss(nowMs)
  const dueMs = times.nextDueMs
  for (let i = 0; i < 50; i += 1) times.miss(nowMs)
  assert.equal(times.nextDueMs, dueMs)
})

test('a seed that has left is tried again when it is forgotten', () => {
  const { roster, times } = begin(one, other)
  times.join([other], 0)
  const left = { kind: 'left', subject: other, incarnation: 1 } as const
  roster.merge(seal(left, 0), 0)
  const isTried = (nowMs: number) => times.due(nowMs).includes(other)
  for (let nowMs = 0; nowMs <= 3 * pushPullIntervalMs; nowMs += 1_000) {
    assert.ok(!isTried(nowMs), `${nowMs} ms`)
  }
  const laterMs = near.deadSetMs + 1_000
  roster.dead.expire(laterMs)
  let isFound = false
  for (let ms = 0; ms <= pushPullIntervalMs; ms += 1_000) isFound ||= isTried(laterMs + ms)
  assert.ok(isFound)
})
