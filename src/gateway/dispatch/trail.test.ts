/** What an attempt takes of what is known of its worker it gives back, however it ends. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ManualClock } from '../../base/index.ts'
import { EvidenceBook } from '../../evidence/index.ts'
import type { Delivered } from '../../ledger/index.ts'
import { IsochroneError } from '../../protocol/index.ts'
import { decide } from '../../routing/index.ts'
import { sampleInput } from '../../routing/samples.fixture.ts'
import { KeptDecisions, KeptObservations } from '../gateway.fixture.ts'
import { GatewayMetrics } from '../metrics.ts'
import { model, policy, SightedGateway } from '../workers/foresight.fixture.ts'
import { DecisionLog } from './decision-log.ts'
import { type Figures, noFigures, Trail } from './trail.ts'

const promptTokens = 100
const broke = new IsochroneError('connection_lost', 'It broke.')

/** Two nodes that say how much of prompts they have to read yet, and a request. */
function setUp() {
  const clock = new ManualClock()
  const gateway = new SightedGateway(clock)
  const { registry } = gateway
  const nodes = [gateway.join(), gateway.join()] as const
  for (const node of nodes) gateway.report(node, { promptTokensUnread: 0 })
  const candidates = registry.candidates(model, policy)
  const decision = decide(sampleInput({ candidates, policy }))
  const observations = new KeptObservations()
  const decisions = new KeptDecisions()
  const metrics = new GatewayMetrics({
    requestsInFlight: () => 0,
    workers: () => registry.counts(),
  })
  const kept = { observations, decisionLog: new DecisionLog(decisions), metrics }
  const posted: (readonly [attempt: number, Delivered])[] = []
  const free = { tier: null, hardwareClass: '', policyVersion: '' }
  const trail = new Trail(decision, {
    clock,
    registry,
    evidence: new EvidenceBook({ clock }),
    earnings: {
      terms: () => ({ ...free, promptPrice: 0, completionPrice: 0 }),
      post: (delivered, _, { attempt }) => void posted.push([attempt, delivered]),
    },
    ...kept,
  })
  const left = () =>
    nodes.map(({ id }) => [registry.promptTokensAhead(id), registry.find(id)?.inFlight])
  return { decisions, left, nodes, observations, posted, trail }
}

const ends: readonly (readonly [name: string, end: (trail: Trail) => void])[] = [
  ['completed', (trail) => trail.completed(noFigures)],
  ['failed', (trail) => trail.failed(broke, noFigures)],
  ['abandoned', (trail) => trail.abandoned(noFigures)],
  ['moved', (trail) => trail.moved(noFigures)],
  ['left running', () => {}],
]

test('a prompt that was never read is none any more when its attempt has ended', () => {
  for (const [name, end] of ends) {
    const { decisions, left, nodes, observations, trail } = setUp()
    assert.deepEqual(left(), [
      [0, 0],
      [0, 0],
    ])
    const [{ id }] = nodes
    trail.begin(id)
    assert.deepEqual(left()[0], [promptTokens, 1])
    end(trail)
    trail.close()
    assert.deepEqual(left()[0], [0, 0], name)
    assert.deepEqual([observations.all.length, decisions.all.size], [1, 1], name)
  }
})

test('an attempt beside another one does not outlive the request', () => {
  const { left, nodes, observations, trail } = setUp()
  const [first, second] = nodes
  trail.begin(first.id)
  trail.beginBeside(second.id)
  trail.close()
  assert.deepEqual(left(), [
    [0, 0],
    [0, 0],
  ])
  assert.equal(observations.all.length, 2)
})

test('so it is of an attempt beside another one, whichever of them goes on', () => {
  for (const [name, end] of ends) {
    for (const turns of [false, true]) {
      const { left, nodes, observations, trail } = setUp()
      const [first, second] = nodes
      trail.begin(first.id)
      trail.beginBeside(second.id)
      assert.deepEqual(left(), [
        [promptTokens, 1],
        [promptTokens, 1],
      ])
      if (turns) trail.turnToBeside(trail.decision)
      trail.besideFailed(broke, noFigures)
      trail.begun(turns ? second.id : first.id)
      end(trail)
      trail.close()
      assert.deepEqual(
        left(),
        [
          [0, 0],
          [0, 0],
        ],
        name,
      )
      assert.equal(observations.all.length, 2)
      const outcomes = trail.decision.attempts.map(({ outcome }) => outcome)
      assert.equal(outcomes[turns ? 0 : 1], 'failed')
      assert.ok(!outcomes.includes('running'))
    }
  }
})

const wrote = (deltaTokens: number): Figures => ({ ...noFigures, ttftMs: 1, deltaTokens })
const continued = (takenOver: number, completionTokens: number): Delivered => ({
  ...{ how: 'continued', takenOver, promptTokens, completionTokens },
})

test('who broke off is paid when another one has gone on, and only for what it took over', () => {
  const { nodes, posted, trail } = setUp()
  const [{ id: first }, { id: second }] = nodes
  trail.begin(first)
  trail.failed(broke, wrote(5))
  trail.beginContinuation(second, 3)
  assert.deepEqual(posted, [])
  // It repeated, and got no further.
  trail.failed(broke, wrote(2))
  trail.beginContinuation(first, 3)
  assert.deepEqual(posted, [])
  trail.wentOn(10)
  assert.deepEqual(posted, [[0, continued(0, 3)]])
  trail.failed(broke, wrote(7))
  trail.beginContinuation(second, 7)
  // Nothing that is new, but the end.
  trail.completed(wrote(7))
  trail.close()
  assert.deepEqual(posted, [
    [0, continued(0, 3)],
    [2, continued(3, 7)],
  ])
})

test('with whom nobody could go on is not paid, nor whose answer began anew', () => {
  for (const isAnew of [false, true]) {
    const { nodes, posted, trail } = setUp()
    const [{ id: first }, { id: second }] = nodes
    trail.begin(first)
    trail.failed(broke, wrote(5))
    if (isAnew) trail.begin(second)
    else trail.beginContinuation(second, 5)
    if (isAnew) trail.completed(wrote(9))
    else trail.failed(new IsochroneError('continuation_differs', 'It differs.'), noFigures)
    trail.close()
    assert.deepEqual(posted, [])
  }
})

test('tokens that another one repeats without their text earn nothing', () => {
  const { nodes, posted, trail } = setUp()
  const [{ id: first }, { id: second }] = nodes
  trail.begin(first)
  trail.failed(broke, wrote(66))
  trail.beginContinuation(second, 60_000)
  trail.wentOn(10)
  assert.deepEqual(posted, [[0, continued(0, 66)]])
})

test('a client that leaves while an answer is repeated owes what it had', () => {
  const { nodes, posted, trail } = setUp()
  const [{ id: first }, { id: second }] = nodes
  trail.begin(first)
  trail.moved(wrote(5))
  trail.beginContinuation(second, 5)
  trail.abandoned(wrote(2))
  trail.close()
  const left: Delivered = { how: 'left', takenOver: 5, promptTokens, completionTokens: 2 }
  assert.deepEqual(posted, [
    [0, continued(0, 5)],
    [1, left],
  ])
})

test('a bill counts with its answer; one that is false is noted however the answer ended', () => {
  const bill = { promptTokens: 7, completionTokens: 900 }
  for (const isFalse of [false, true]) {
    const { nodes, posted, trail } = setUp()
    const [{ id }] = nodes
    trail.begin(id)
    trail.failed(broke, { ...wrote(5), billed: { bill, counted: bill, isFalse } })
    trail.close()
    const answered: Delivered = {
      ...{ how: 'answered', takenOver: 0, billed: bill, counted: bill, isFalse },
    }
    assert.deepEqual(posted, isFalse ? [[0, answered]] : [])
  }
})
