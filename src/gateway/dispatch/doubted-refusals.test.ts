/** Whose fault it is when a node says that the request is at fault. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Observation, ObservedOutcome } from '../../evidence/index.ts'
import {
  type Blame,
  type DecisionId,
  type ErrorCode,
  nodeIdOf,
  type WorkerId,
} from '../../protocol/index.ts'
import { DoubtedRefusals } from './doubted-refusals.ts'

const nodeOf = (number: number): WorkerId => nodeIdOf(new Uint8Array(32).fill(number))
const [first, second, third] = [nodeOf(1), nodeOf(2), nodeOf(3)]

function seen(worker: WorkerId, outcome: ObservedOutcome, more: Partial<Observation> = {}) {
  return {
    atMs: 0,
    worker,
    model: 'm',
    decision: 'dec' as DecisionId,
    attempt: 0,
    outcome,
    blame: 'client' as Blame,
    ttftMs: null,
    tpotMs: null,
    promptTokens: null,
    completionTokens: null,
    inFlight: 0,
    ...more,
  }
}

const refused = (worker: WorkerId, code: ErrorCode = 'invalid_request') =>
  seen(worker, { kind: 'failed', code, phase: 'before-first-token' })
const completed = (worker: WorkerId) => seen(worker, { kind: 'completed' }, { blame: 'nobody' })
const contexts = new Map([
  [first, 1_000],
  [second, 1_000],
  [third, 9_000],
])
const doubts = () => new DoubtedRefusals(({ worker }) => contexts.get(worker) ?? 0)
const blames = (judged: readonly Observation[]) =>
  judged.map(({ worker, blame }) => [worker, blame])

test('a refusal is held back; who answers after it contradicts it', () => {
  for (const answer of [
    completed(second),
    seen(second, { kind: 'abandoned' }, { ttftMs: 5 }),
    seen(second, { kind: 'failed', code: 'node_failed', phase: 'mid-stream' }, { ttftMs: 5 }),
  ]) {
    const refusals = doubts()
    assert.deepEqual(refusals.judge(refused(first)), [])
    assert.equal(refusals.isInDoubt, true)
    const judged = blames(refusals.judge(answer))
    assert.deepEqual(judged, [
      [first, 'node'],
      [second, answer.blame],
    ])
    assert.equal(refusals.isInDoubt, false)
    assert.deepEqual(refusals.close(), [])
  }
})

test('who refuses likewise confirms it, also for those that follow', () => {
  const refusals = doubts()
  refusals.judge(refused(first))
  const confirmed = blames(refusals.judge(refused(second)))
  assert.deepEqual(confirmed, [
    [first, 'client'],
    [second, 'client'],
  ])
  assert.equal(refusals.isInDoubt, false)
  assert.deepEqual(blames(refusals.judge(refused(third))), [[third, 'client']])
})

test('another failure, or another refusal, says nothing of it', () => {
  const refusals = doubts()
  refusals.judge(refused(first))
  const busy = seen(second, {
    kind: 'failed',
    code: 'all_nodes_busy',
    phase: 'before-first-token',
  })
  assert.deepEqual(refusals.judge(busy), [busy])
  assert.equal(refusals.isInDoubt, false)
  assert.deepEqual(refusals.judge(refused(third, 'upstream_rejected')), [])
  const left = blames(refusals.close())
  assert.deepEqual(left, [
    [first, 'nobody'],
    [third, 'nobody'],
  ])
})

test('too long a prompt: right for a smaller context than that of who answered', () => {
  for (const [by, blame] of [
    [third, 'nobody'],
    [second, 'node'],
  ] as const) {
    const refusals = doubts()
    refusals.judge(refused(first, 'context_length_exceeded'))
    assert.deepEqual(blames(refusals.judge(completed(by)))[0], [first, blame])
  }
})

test('a node that has begun to answer cannot find fault with the request', () => {
  const outcome = { kind: 'failed', code: 'invalid_request', phase: 'mid-stream' } as const
  assert.deepEqual(blames(doubts().judge(seen(first, outcome, { ttftMs: 3 }))), [[first, 'node']])
})

test('an upstream of the operator’s own is believed', () => {
  const refusals = doubts()
  const judged = refusals.judge(refused('upstream-own' as WorkerId))
  assert.equal(judged[0]?.blame, 'client')
  assert.equal(refusals.isInDoubt, false)
})
