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
  const { book, hear, see, of } = setting()
  for (const isRight of [true, true, true, false, false]) see(isRight)
  const before = of()
  hear(1, 8, 4)
  const [successes, failures] = [3 + 8 * weight, 2 + 4 * weight]
  const { lower, upper } = successBounds({ successes, failures })
  close(of().completion.lowerBound, lower)
  close(of().completion.upperBound, upper)
  close(of().clean.lowerBound, successBounds({ successes, failures: 0 }).lower)
  assert.ok(of().clean.lowerBound > before.clean.lowerBound)
  assert.deepEqual(book.heard(node, 'm'), { successes: 2, failures: 1 })
  // How much is known of it is for one's own eyes to say.
  assert.deepEqual([of().completion.samples, of().clean.samples], [5, 3])
})

test('nobody is praised or slandered of whom this gateway has seen nothing of the kind', () => {
  const { book, clock, hear, see, of } = setting()
  see(true)
  const one = of()
  for (let gateway = 1; gateway < 10; gateway += 1) hear(gateway, 0, 10_000)
  assert.deepEqual(of().completion, one.completion)
  clock.advance(1)
  for (let gateway = 1; gateway < 10; gateway += 1) hear(gateway, 10_000, 10_000)
  // As much as it has seen: one.
  const { lower } = successBounds({ successes: 2, failures: 0 })
  close(of().completion.lowerBound, lower)
  close(of().clean.lowerBound, lower)
  const counted = book.heard(node, 'm')
  close(counted?.successes ?? 0, 1)
  assert.equal(counted?.failures, 0)
  const other = setting()
  other.see(false)
  const failed = other.of()
  other.hear(1, 10_000, 0)
  assert.deepEqual(other.of().completion, failed.completion)
  const unseen = setting()
  const before = unseen.of()
  unseen.hear(1, 10_000, 10_000)
  assert.deepEqual(unseen.of().completion, before.completion)
})

test('what it says replaces what it said; what is old, or of nobody here, is nothing', () => {
  const { clock, hear, hearsay, of, say, see } = setting()
  for (let i = 0; i < 100; i += 1) see(i % 2 === 0)
  assert.ok(hear(1, 8, 0))
  assert.ok(!hear(1, 800, 0))
  clock.advance(60_000)
  assert.ok(hear(1, 0, 4))
  const left = 2 ** (-60_000 / completionHalfLifeMs)
  const own = { successes: 50 * left, failures: 50 * left }
  const { lower } = successBounds({ ...own, failures: own.failures + 4 * weight })
  close(of().completion.lowerBound, lower)
  const { lowerBound } = of().completion
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
  const { clock, hear, of, see } = setting()
  for (let i = 0; i < 10; i += 1) see(true)
  hear(1, 8, 0)
  clock.advance(completionHalfLifeMs)
  const successes = 5 + 4 * weight
  close(of().completion.lowerBound, successBounds({ successes, failures: 0 }).lower)
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

test('one failure in a hundred is made two by a gateway that says all failed', () => {
  const { hear, see, of } = setting()
  for (let i = 0; i < 100; i += 1) see(i !== 7)
  hear(1, 0, 10_000)
  close(of().completion.lowerBound, successBounds({ successes: 99, failures: 2 }).lower)
})
