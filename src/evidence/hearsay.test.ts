/** What others say moves a record a little, whoever lies, and less the more one sees oneself. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { ManualClock } from '../base/index.ts'
import { decisionIdOf, type ExperienceRow, type NodeId, nodeIdOf } from '../protocol/index.ts'
import { successBounds } from './bounds.ts'
import { EvidenceBook } from './evidence-book.ts'
import { Hearsay, hearsayLimits } from './hearsay.ts'
import { completionHalfLifeMs } from './record.ts'

const idOf = (number: number): NodeId => nodeIdOf(new Uint8Array(32).fill(number + 1))
const node = idOf(200)
const { perGatewayMax, totalMax, weight } = hearsayLimits

function setting() {
  const clock = new ManualClock()
  const book = new EvidenceBook({ clock })
  const hearsay = new Hearsay({
    clock,
    isKnown: (worker, model) => worker === node && model === 'm',
    count: (worker, model, heard) => book.count(worker, model, heard),
  })
  const say = (gateway: number, row: Partial<ExperienceRow>) => {
    const rows = [{ node, model: 'm', right: 0, failed: 0, ...row }]
    return hearsay.hear({ gateway: idOf(gateway), issuedAtMs: clock.now(), rows })
  }
  const hear = (gateway: number, right: number, failed: number) => say(gateway, { right, failed })
  const see = (isRight: boolean) => {
    const failed = { kind: 'failed', code: 'node_failed', phase: 'mid-stream' } as const
    book.observe({
      worker: node,
      model: 'm',
      atMs: clock.now(),
      decision: decisionIdOf(new Uint8Array(16)),
      attempt: 0,
      outcome: isRight ? { kind: 'completed' } : failed,
      blame: isRight ? 'nobody' : 'node',
      ttftMs: null,
      tpotMs: null,
      promptTokens: null,
      completionTokens: null,
      inFlight: 0,
    })
  }
  const of = () => book.evidence(node, 'm')
  return { book, clock, hear, hearsay, say, see, of }
}

const close = (a: number, b: number) => assert.ok(Math.abs(a - b) < 1e-3, `${a} is not ${b}`)

test('what another gateway has seen counts a quarter, in completion and in clean answers', () => {
  const { book, hear, of } = setting()
  const before = of()
  hear(1, 8, 4)
  const { lower, upper } = successBounds({ successes: 8 * weight, failures: 4 * weight })
  close(of().completion.lowerBound, lower)
  close(of().completion.upperBound, upper)
  close(of().clean.lowerBound, successBounds({ successes: 8 * weight, failures: 0 }).lower)
  assert.ok(of().clean.lowerBound > before.clean.lowerBound)
  assert.deepEqual(book.heard(node, 'm'), { successes: 2, failures: 1 })
  // It is still a newcomer here: nobody takes its turn to be tried away from it.
  assert.deepEqual([of().completion.samples, of().clean.samples], [0, 0])
})

test('what it says replaces what it said; what is old, or of nobody here, is nothing', () => {
  const { clock, hear, hearsay, of, say } = setting()
  assert.ok(hear(1, 8, 0))
  assert.ok(!hear(1, 800, 0))
  clock.advance(60_000)
  assert.ok(hear(1, 0, 4))
  close(of().completion.lowerBound, successBounds({ successes: 0, failures: 1 }).lower)
  const { lowerBound } = of().completion
  clock.advance(60_000)
  say(1, { right: 100, model: 'another' })
  say(1, { right: 100, node: idOf(7) })
  const late = { gateway: idOf(2), issuedAtMs: clock.now() - hearsayLimits.ageMaxMs - 1 }
  assert.ok(!hearsay.hear({ ...late, rows: [{ node, model: 'm', right: 100, failed: 0 }] }))
  close(of().completion.lowerBound, lowerBound)
})

test('a gateway whose clock was ahead is heard again when it is right', () => {
  const { clock, hear, hearsay } = setting()
  const rows = [{ node, model: 'm', right: 8, failed: 0 }]
  const ahead = { gateway: idOf(1), issuedAtMs: clock.now() + hearsayLimits.aheadMaxMs, rows }
  assert.ok(!hearsay.hear({ ...ahead, issuedAtMs: ahead.issuedAtMs + 1 }))
  assert.ok(hear(1, 8, 0))
  assert.ok(hearsay.hear(ahead))
  clock.advance(hearsayLimits.aheadMaxMs + 1)
  assert.ok(hear(1, 8, 0))
})

test('it fades as one’s own record does', () => {
  const { clock, hear, of } = setting()
  hear(1, 8, 0)
  clock.advance(completionHalfLifeMs)
  close(of().completion.lowerBound, successBounds({ successes: 4 * weight, failures: 0 }).lower)
})

test('what this gateway has seen is told, and never what it has heard', () => {
  const { book, clock, hear, see } = setting()
  hear(1, 100, 50)
  assert.deepEqual([...book.seenSince(clock.now() - 1_000)], [])
  see(true)
  see(false)
  assert.deepEqual(
    [...book.seenSince(clock.now() - 1_000)],
    [{ worker: node, model: 'm', right: 1, failed: 1 }],
  )
  assert.deepEqual([...book.seenSince(clock.now() + 1)], [])
})

test('whatever gateways say, together they move a record by no more than eight requests', () => {
  const counts = fc.double({ min: 0, max: 10_000, noNaN: true })
  const saying = fc.record({
    gateway: fc.nat(30),
    right: counts,
    failed: counts,
    waitMs: fc.constantFrom(0, 1, 60_000, 3_600_000),
  })
  const own = fc.array(fc.boolean(), { maxLength: 40, size: 'max' })
  fc.assert(
    fc.property(own, fc.array(saying, { maxLength: 30, size: 'max' }), (seen, sayings) => {
      const [at, alone] = [setting(), setting()]
      for (const isRight of seen) for (const one of [at, alone]) one.see(isRight)
      for (const { failed, gateway, right, waitMs } of sayings) {
        at.hear(gateway, right, failed)
        for (const one of [at, alone]) one.clock.advance(waitMs)
      }
      const isFew = new Set(sayings.map(({ gateway }) => gateway)).size <= 1
      const most = isFew ? perGatewayMax : totalMax
      const [successes, failures] = ownCounts(alone, seen)
      const worst = successBounds({ successes, failures: failures + most }).lower
      const best = successBounds({ successes: successes + most, failures }).lower
      const { lowerBound } = at.of().completion
      assert.ok(lowerBound >= worst - 1e-3, `${lowerBound} below ${worst}`)
      assert.ok(lowerBound <= best + 1e-3, `${lowerBound} above ${best}`)
      assert.equal(at.of().completion.samples, alone.of().completion.samples)
    }),
    { numRuns: 60 },
  )
})

function ownCounts({ book }: ReturnType<typeof setting>, seen: readonly boolean[]) {
  const [row] = [...book.seenSince(0)]
  assert.equal(row === undefined, seen.length === 0)
  return [row?.right ?? 0, row?.failed ?? 0] as const
}

test('a hundred requests of one’s own outweigh a gateway that says the opposite', () => {
  const { hear, see, of } = setting()
  for (let i = 0; i < 100; i += 1) see(true)
  const { lowerBound } = of().completion
  hear(1, 0, 10_000)
  assert.ok(of().completion.lowerBound > lowerBound - 0.07, String(of().completion.lowerBound))
})
