/** How a quarantine ends by work: what opens the way, what closes it, and what a restart keeps. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { ManualClock, seededRandom } from '../../base/index.ts'
import { createIdentity, hasCode, nodeIdOf, type WorkerId } from '../../protocol/index.ts'
import { exitRules } from './exit.ts'
import { classOf, type FaultKind, faultKinds } from './fault.ts'
import type { Incident, OperatorDecision, SignedStep } from './incident.ts'
import { tellable } from './notice.ts'
import { StandingBook } from './standing-book.ts'

const nodeOf = (number: number): WorkerId => nodeIdOf(new Uint8Array(32).fill(number))
const identity = createIdentity()
const byWork = ['result-signature', 'result-content', 'result-model', 'answers-differ'] as const
const severe = faultKinds.filter((kind) => classOf(kind) === 'severe')

function newBook() {
  const clock = new ManualClock()
  const steps: SignedStep[] = []
  const modules = {
    clock,
    identity,
    random: seededRandom(1),
    populationOf: () => 100,
    onStep: (_: Incident, signed: SignedStep) => void steps.push(signed),
  }
  const book = new StandingBook(modules)
  const report = (kind: FaultKind, worker: WorkerId = nodeOf(1)) =>
    book.report(worker, { kind, evidence: { shown: kind } }, {})
  const rule = (decision: OperatorDecision) =>
    book.rule(last(book).id, { decision, reason: 'said so', appeal: null, by: 'key_1' })
  const attest = () => book.attested(last(book).id, { statement: 'signed' })
  const prove = () => book.proved(last(book).id, { right: [] })
  const restored = () => {
    const again = new StandingBook(modules)
    assert.equal(again.restore(steps), 0)
    return again
  }
  return { attest, book, clock, prove, report, restored, rule, steps }
}

const last = (book: StandingBook) => book.incidents()[0] as Incident
const standing = (book: StandingBook) => book.of(nodeOf(1))
const waitOf = (book: StandingBook, clock: ManualClock) =>
  (last(book).shutUntilMs ?? Number.NaN) - clock.now()

test('a node waits, attests, proves itself, is on probation, and is as it was before', () => {
  const { attest, book, clock, prove, report } = newBook()
  report('result-model')
  assert.equal(standing(book)?.state, 'quarantined')
  assert.equal(waitOf(book, clock), exitRules.waitMs)
  clock.advance(exitRules.waitMs - 1)
  assert.equal(attest(), false)
  prove()
  assert.equal(last(book).state, 'quarantined')
  clock.advance(1)
  assert.equal(attest(), true)
  const proving = standing(book)
  assert.deepEqual([proving?.state, proving?.takes], ['probation', undefined])
  prove()
  const probation = standing(book)
  assert.deepEqual([probation?.state, probation?.takes], ['probation', true])
  assert.match(probation?.words ?? '', /on probation after a quarantine since .* another model/)
  assert.deepEqual([...book.leaving()], [last(book)])
  prove()
  assert.equal(standing(book), undefined)
  assert.deepEqual(
    last(book).steps.map(({ step }) => [step.kind, step.state]),
    [
      ['opened', 'quarantined'],
      ['attested', 'proving'],
      ['proved', 'probation'],
      ['passed', 'closed'],
    ],
  )
  assert.deepEqual(book.leaving(), [])
  assert.equal(attest(), false)
})

for (const kind of severe) {
  const isByWork = byWork.some((one) => one === kind)
  test(`${kind}: ${isByWork ? 'may be worked off' : 'an operator alone ends it'}`, () => {
    const { attest, book, clock, report, rule } = newBook()
    report(kind)
    clock.advance(365 * 24 * 3_600_000)
    assert.equal(attest(), isByWork)
    if (isByWork) return
    assert.equal(last(book).shutUntilMs, null)
    assert.throws(
      () => rule('attest'),
      (error) => hasCode(error, 'invalid_request'),
    )
    rule('lift')
    assert.equal(standing(book), undefined)
  })
}

test('one of a worse kind among them, and an operator alone ends it', () => {
  const { attest, book, clock, report } = newBook()
  report('result-model')
  // In the same moment: not the same occasion.
  report('record-identity')
  assert.equal(last(book).steps.at(-1)?.step.cause, 'record-identity')
  assert.equal(last(book).shutUntilMs, null)
  clock.advance(10 * exitRules.waitMs)
  report('result-model')
  assert.equal(last(book).shutUntilMs, null)
  assert.equal(attest(), false)
})

test('an upstream signs nothing, and attests nothing', () => {
  const { book, report } = newBook()
  report('result-model', 'upstream-a' as WorkerId)
  assert.equal(last(book).shutUntilMs, null)
})

test('each relapse doubles the wait, whether it was proving itself or on probation', () => {
  const { attest, book, clock, prove, report } = newBook()
  report('result-content')
  for (let again = 0; again < exitRules.relapsesMax; again += 1) {
    assert.equal(waitOf(book, clock), exitRules.waitMs * 2 ** again)
    clock.advance(waitOf(book, clock))
    assert.equal(attest(), true)
    if (again % 2 === 0) prove()
    report('answers-differ')
    assert.equal(standing(book)?.state, 'quarantined')
    const { cause, evidence } = last(book).steps.at(-1)?.step ?? {}
    assert.deepEqual([cause, evidence], ['answers-differ', { shown: 'answers-differ' }])
  }
  assert.equal(last(book).shutUntilMs, null)
  clock.advance(365 * 24 * 3_600_000)
  assert.equal(attest(), false)
})

test('what was worked off before counts as a relapse, until it is long ago', () => {
  const { attest, book, clock, prove, report } = newBook()
  const workOff = () => {
    clock.advance(waitOf(book, clock))
    attest()
    prove()
    prove()
  }
  report('result-content')
  workOff()
  report('result-content')
  assert.equal(book.incidents().length, 2)
  assert.equal(waitOf(book, clock), 2 * exitRules.waitMs)
  workOff()
  clock.advance(exitRules.rememberedMs)
  report('result-content')
  assert.equal(waitOf(book, clock), exitRules.waitMs)
})

test('an operator lets a node prove itself at once, or keeps it for himself to decide', () => {
  const { attest, book, clock, prove, report, rule } = newBook()
  report('result-content')
  rule('attest')
  assert.equal(attest(), true)
  prove()
  assert.throws(
    () => rule('attest'),
    (error) => hasCode(error, 'invalid_request'),
  )
  rule('uphold')
  assert.equal(standing(book)?.state, 'quarantined')
  clock.advance(1_000)
  report('result-content')
  assert.equal(last(book).steps.at(-1)?.step.kind, 'recurred')
  clock.advance(365 * 24 * 3_600_000)
  assert.equal(attest(), false)
  rule('attest')
  assert.equal(attest(), true)
  rule('lift')
  assert.equal(standing(book), undefined)
})

test('on probation what is less serious shuts the gate; until then it changes nothing', () => {
  const { attest, book, clock, prove, report } = newBook()
  report('result-content')
  clock.advance(exitRules.waitMs)
  attest()
  report('contradiction')
  assert.equal(book.incidents().length, 1)
  prove()
  report('contradiction')
  assert.equal(book.incidents().length, 2)
  assert.equal(standing(book)?.state, 'degraded')
  assert.equal(book.incidents()[1]?.state, 'probation')
  // What it has earned stays held.
  assert.equal(book.isConfined(nodeOf(1)), true)
  clock.advance(10_000)
  book.tick()
  assert.equal(standing(book)?.takes, true)
})

test('what it did before it attested is forgiven; what it does from then on is not', () => {
  const { attest, book, clock, prove, report } = newBook()
  report('result-content')
  assert.equal(book.forgivenUntilMs(nodeOf(1)), Number.NEGATIVE_INFINITY)
  clock.advance(exitRules.waitMs)
  const attestedMs = clock.now()
  attest()
  clock.advance(1_000)
  for (let i = 0; i < 3; i += 1) {
    assert.equal(book.forgivenUntilMs(nodeOf(1)), attestedMs)
    prove()
  }
  report('result-content')
  assert.equal(book.forgivenUntilMs(nodeOf(1)), attestedMs)
})

test('others are told that it ended by work, and of nothing in between', () => {
  const { attest, book, clock, prove, report, steps } = newBook()
  report('result-content')
  clock.advance(exitRules.waitMs)
  attest()
  prove()
  assert.equal(tellable(last(book))?.json, steps[0]?.json)
  prove()
  assert.equal(tellable(last(book))?.json, steps.at(-1)?.json)
})

test('whatever comes, a restart keeps it, and nobody comes nearer to the end by a fault', () => {
  const event = fc.record({
    what: fc.constantFrom('wait', 'attest', 'prove', 'lift', 'uphold', 'let', ...severe),
    waitMs: fc.constantFrom(0, 500, exitRules.waitMs, 5 * exitRules.waitMs),
  })
  fc.assert(
    fc.property(fc.array(event, { maxLength: 30 }), (events) => {
      const { attest, book, clock, prove, report, restored, rule } = newBook()
      for (const { waitMs, what } of events) {
        clock.advance(waitMs)
        const isOpen = book.incidents().length > 0 && last(book).state !== 'closed'
        const [before, hasLeft] = [standing(book), book.incidents().length === 0 || !isOpen]
        if (what === 'wait') continue
        if (what === 'attest' || what === 'prove') {
          if (hasLeft) continue
          if (what === 'attest') attest()
          else prove()
          const isFree = standing(book)?.takes === true || standing(book) === undefined
          if (isFree) assert.equal(before?.state, 'probation')
        } else if (what === 'lift' || what === 'uphold') {
          if (isOpen) rule(what)
        } else if (what === 'let') {
          const mayBeLet = isOpen && last(book).state === 'quarantined'
          const causes = isOpen ? last(book).steps.map(({ step }) => step.cause) : []
          const isByWork = causes.every((one) => one === null || byWork.some((by) => by === one))
          if (mayBeLet && isByWork) rule('attest')
        } else {
          report(what)
          assert.equal(standing(book)?.state, 'quarantined')
        }
      }
      const again = restored()
      assert.deepEqual(again.incidents(), book.incidents())
      assert.deepEqual(again.of(nodeOf(1)), standing(book))
      assert.equal(again.forgivenUntilMs(nodeOf(1)), book.forgivenUntilMs(nodeOf(1)))
    }),
    { numRuns: 60 },
  )
})
