import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { ManualClock, seededRandom } from '../../base/index.ts'
import { createIdentity, hasCode, nodeIdOf, type WorkerId } from '../../protocol/index.ts'
import { classOf, type FaultKind, faultKinds } from './fault.ts'
import type { Incident, Ruling, SignedStep } from './incident.ts'
import type { WorkerTraits } from './mass-guard.ts'
import { StandingBook } from './standing-book.ts'

const nodeOf = (number: number): WorkerId => nodeIdOf(new Uint8Array(32).fill(number))
const identity = createIdentity()
const lift: Ruling = { decision: 'lift', reason: 'a bug, mended', appeal: null, by: 'key_1' }

function newBook(population = 100, incidentsMax = 10_000) {
  const clock = new ManualClock()
  const steps: SignedStep[] = []
  const forgotten: WorkerId[] = []
  const modules = {
    clock,
    identity,
    random: seededRandom(1),
    populationOf: () => population,
    onStep: (_: Incident, signed: SignedStep) => void steps.push(signed),
    onForgotten: (worker: WorkerId) => void forgotten.push(worker),
  }
  const book = new StandingBook(modules, incidentsMax)
  const report = (worker: number, kind: FaultKind, of: WorkerTraits = {}) =>
    book.report(nodeOf(worker), { kind, evidence: { shown: kind } }, of)
  const restored = (kept: readonly SignedStep[] = steps) => {
    const again = new StandingBook(modules)
    return { again, refused: again.restore(kept) }
  }
  return { book, clock, forgotten, report, restored, steps }
}

const stateOf = (book: StandingBook, worker = 1) => book.of(nodeOf(worker))?.state
const only = (book: StandingBook) => book.incidents()[0] as Incident

test('a severe fault quarantines at once; nothing but an operator ends it', () => {
  for (const kind of faultKinds.filter((one) => classOf(one) === 'severe')) {
    const { book, clock, report } = newBook()
    report(1, kind)
    assert.equal(stateOf(book), 'quarantined')
    assert.equal(stateOf(book, 2), undefined)
    for (let i = 0; i < 20; i += 1) book.answered(nodeOf(1))
    clock.advance(30 * 24 * 3_600_000)
    book.tick()
    assert.equal(stateOf(book), 'quarantined')
    const { id } = only(book)
    assert.match(book.of(nodeOf(1))?.words ?? '', new RegExp(`quarantined since .* ${id}: `))
    book.rule(id, { ...lift, decision: 'uphold' })
    assert.equal(stateOf(book), 'quarantined')
    book.rule(id, lift)
    assert.equal(stateOf(book), undefined)
    assert.equal(only(book).rulings.length, 2)
    assert.throws(
      () => book.rule(id, lift),
      (error) => hasCode(error, 'invalid_request'),
    )
    report(1, kind)
    assert.equal(stateOf(book), 'quarantined')
    assert.equal(book.incidents().length, 2)
  }
})

test('a minor fault is an observation; several within a while shut the gate', () => {
  const { book, clock, report } = newBook()
  for (let i = 0; i < 40; i += 1) {
    report(1, 'malformed-answer')
    clock.advance(151_000)
  }
  assert.equal(stateOf(book), undefined)
  for (let i = 0; i < 5; i += 1) report(2, i % 2 === 0 ? 'malformed-answer' : 'result-replayed')
  assert.equal(stateOf(book, 2), 'degraded')
  assert.equal(only(book).cause, 'repeated-faults')
})

test('a shut gate opens for a trial, shuts for longer after a fault, ends by good answers', () => {
  const { book, clock, report } = newBook()
  report(1, 'contradiction')
  let shutMs = 10_000
  for (let again = 0; again < 10; again += 1) {
    assert.equal(stateOf(book), 'degraded')
    clock.advance(shutMs - 1)
    book.tick()
    assert.equal(stateOf(book), 'degraded', `after ${again} recurrences`)
    clock.advance(1)
    book.tick()
    assert.equal(stateOf(book), undefined)
    assert.equal(book.hasTrials, true)
    for (let i = 0; i < 4; i += 1) book.answered(nodeOf(1))
    // On trial a single minor fault is enough.
    report(1, 'malformed-answer')
    shutMs = Math.min(2 * shutMs, 600_000)
  }
  clock.advance(shutMs)
  book.tick()
  for (let i = 0; i < 5; i += 1) book.answered(nodeOf(1))
  assert.equal(only(book).state, 'closed')
  assert.equal(book.hasTrials, false)
  assert.equal(book.incidents().length, 1)
})

test('right answers end a trial in a row only', () => {
  const { book, clock, report } = newBook()
  report(1, 'contradiction')
  clock.advance(10_000)
  book.tick()
  for (let i = 0; i < 4; i += 1) book.answered(nodeOf(1))
  book.failed(nodeOf(1))
  book.failed(nodeOf(2))
  for (let i = 0; i < 4; i += 1) book.answered(nodeOf(1))
  assert.equal(only(book).state, 'trial')
  book.answered(nodeOf(1))
  assert.equal(only(book).state, 'closed')
})

test('many of one engine that fail together are suspended, and an operator is asked', () => {
  const { book, report } = newBook(4)
  const of = { engine: 'onnx/cpu', version: '1.0' }
  for (const worker of [1, 2, 3, 4]) report(worker, 'contradiction', of)
  for (const worker of [1, 2, 3, 4]) assert.equal(stateOf(book, worker), undefined)
  const asked = book.incidents().filter(({ state }) => state === 'asked')
  assert.deepEqual(
    asked.map(({ subject }) => subject),
    [{ kind: 'shared', trait: 'engine', value: 'onnx/cpu' }],
  )
  assert.equal(book.incidents().filter(({ state }) => state === 'suspended').length, 4)
  // Another engine's fault is its own.
  report(9, 'contradiction', { engine: 'other' })
  assert.equal(stateOf(book, 9), 'degraded')
  book.rule(asked[0]?.id ?? 'inc_', lift)
  assert.equal(book.incidents().filter(({ state }) => state !== 'closed').length, 1)
})

test('upheld, each of those that failed together answers for itself', () => {
  const { book, report } = newBook(4)
  for (const worker of [1, 2, 3]) report(worker, 'contradiction', { engine: 'e' })
  const asked = book.incidents().find(({ state }) => state === 'asked')
  book.rule(asked?.id ?? 'inc_', { ...lift, decision: 'uphold' })
  for (const worker of [1, 2, 3]) assert.equal(stateOf(book, worker), 'degraded')
})

test('a few of many are bad themselves; and severe faults are never excused', () => {
  const many = newBook(100)
  for (const worker of [1, 2, 3]) many.report(worker, 'contradiction', { engine: 'e' })
  for (const worker of [1, 2, 3]) assert.equal(stateOf(many.book, worker), 'degraded')
  const few = newBook(3)
  for (const worker of [1, 2, 3]) few.report(worker, 'result-signature', { engine: 'e' })
  for (const worker of [1, 2, 3]) assert.equal(stateOf(few.book, worker), 'quarantined')
  assert.equal(few.book.incidents().filter(({ state }) => state === 'asked').length, 1)
})

test('a restart keeps every standing, whatever happened before', () => {
  const event = fc.record({
    kind: fc.constantFrom(...faultKinds),
    worker: fc.integer({ min: 1, max: 5 }),
    engine: fc.constantFrom('a', 'b'),
    waitMs: fc.integer({ min: 0, max: 20_000 }),
    next: fc.constantFrom('nothing', 'answers', 'lift', 'uphold'),
  })
  fc.assert(
    fc.property(fc.array(event, { maxLength: 40 }), (events) => {
      const { book, clock, report, restored } = newBook(5)
      for (const { engine, kind, next, waitMs, worker } of events) {
        report(worker, kind, { engine })
        clock.advance(waitMs)
        book.tick()
        if (next === 'answers') for (let i = 0; i < 5; i += 1) book.answered(nodeOf(worker))
        const open = book.incidents().find(({ state }) => state !== 'closed')
        if (open !== undefined && (next === 'lift' || next === 'uphold')) {
          book.rule(open.id, { ...lift, decision: next })
        }
      }
      const { again, refused } = restored()
      assert.equal(refused, 0)
      assert.deepEqual(again.incidents(), book.incidents())
      for (const worker of [1, 2, 3, 4, 5]) {
        assert.deepEqual(again.of(nodeOf(worker)), book.of(nodeOf(worker)))
      }
      assert.equal(again.hasTrials, book.hasTrials)
    }),
    { numRuns: 40 },
  )
})

test('a step that was changed, left out, put in between or signed by another is refused', () => {
  const { book, report, restored, steps } = newBook()
  report(1, 'result-signature')
  book.rule(only(book).id, lift)
  const [first, second] = steps as [SignedStep, SignedStep]
  const forged = { ...second, json: second.json.replace('a bug', 'no bug') }
  assert.equal(restored([first, forged]).refused, 1)
  assert.equal(stateOf(restored([first, forged]).again), 'quarantined')
  assert.equal(restored([second]).refused, 1)
  assert.equal(restored([first, first, second]).refused, 1)
  const json = first.json.replaceAll(identity.id, createIdentity().id)
  assert.equal(restored([{ json, signature: first.signature }]).refused, 1)
  assert.equal(restored([{ json: '{', signature: 'x' }]).refused, 1)
})

test('a flood of faults costs a step in a second, and incidents are bounded', () => {
  const { book, report, steps } = newBook()
  for (let i = 0; i < 1_000; i += 1) report(1, 'result-signature')
  assert.equal(steps.length, 1)
  assert.equal(book.incidents().length, 1)
})

test('who goes on in its quarantine fills no file: its steps come ever less often', () => {
  const { book, clock, report, steps } = newBook()
  report(1, 'forged-statement')
  for (let second = 0; second < 3_600; second += 1) {
    clock.advance(1_000)
    report(1, 'forged-statement')
  }
  assert.equal(steps.length, 1 + 9 + 6)
  assert.equal(only(book).state, 'quarantined')
})

test('incidents of others do not push a quarantine out', () => {
  const { book, clock, report } = newBook(100, 3)
  report(1, 'result-signature')
  for (let worker = 2; worker < 10; worker += 1) {
    report(worker, 'contradiction')
    clock.advance(61_000)
  }
  assert.equal(book.incidents().length, 3)
  assert.equal(stateOf(book), 'quarantined')
})

/** Too slow with one model. */
function slow(book: StandingBook, worker = 1, model = 'large'): void {
  book.report(nodeOf(worker), { kind: 'below-floor', evidence: { floor: 20 }, model }, {})
}

test('whose incident had no room stands as if there were none, and that is told', () => {
  const { book, forgotten, report } = newBook(100, 1)
  report(1, 'contradiction')
  assert.equal(stateOf(book), 'degraded')
  report(2, 'contradiction')
  assert.deepEqual(forgotten, [nodeOf(1)])
  assert.equal(stateOf(book), undefined)
})

test('a trial goes on when an old incident of the same worker is forgotten', () => {
  const { book, clock, report } = newBook(100, 2)
  const onTrial = () => {
    report(1, 'contradiction')
    clock.advance(10_000)
    book.tick()
  }
  onTrial()
  for (let i = 0; i < 5; i += 1) book.answered(nodeOf(1))
  assert.equal(only(book).state, 'closed')
  onTrial()
  const { id } = only(book)
  report(2, 'result-signature')
  assert.equal(book.incidents().length, 2)
  for (let i = 0; i < 5; i += 1) book.answered(nodeOf(1))
  assert.equal(book.find(id)?.state, 'closed')
})

test('what is about one model holds for that one alone, and beside what is about all', () => {
  const { book, report } = newBook()
  slow(book)
  assert.equal(stateOf(book), undefined)
  assert.equal(book.of(nodeOf(1), 'small'), undefined)
  const { model, state, words } = book.of(nodeOf(1), 'large') ?? {}
  assert.deepEqual([state, model], ['degraded', 'large'])
  assert.match(words ?? '', /answers slower than the floor of their tier/)
  assert.deepEqual(book.modelsOf(nodeOf(1)), ['large'])
  slow(book, 1, 'medium')
  report(1, 'contradiction')
  assert.equal(book.incidents().length, 3)
  assert.equal(book.of(nodeOf(1), 'small')?.model, undefined)
  assert.equal(stateOf(book), 'degraded')
  report(1, 'result-signature')
  for (const one of [undefined, 'small', 'large']) {
    assert.equal(book.of(nodeOf(1), one)?.state, 'quarantined')
  }
})

test('a pace is re-checked after a minute, then after two, and not by answers alone', () => {
  const { book, clock } = newBook()
  let shutMs = 60_000
  slow(book)
  for (let again = 0; again < 6; again += 1) {
    clock.advance(shutMs - 1)
    book.tick()
    assert.equal(book.stateOf(nodeOf(1), 'large'), 'shut')
    clock.advance(1)
    book.tick()
    assert.equal(book.stateOf(nodeOf(1), 'large'), 'trial')
    assert.equal(book.of(nodeOf(1), 'large'), undefined)
    for (let i = 0; i < 20; i += 1) book.answered(nodeOf(1))
    assert.equal(book.stateOf(nodeOf(1), 'large'), 'trial')
    slow(book)
    shutMs = Math.min(2 * shutMs, 600_000)
  }
  book.kept(nodeOf(1), 'large')
  assert.equal(only(book).state, 'shut')
  clock.advance(shutMs)
  book.tick()
  book.kept(nodeOf(1), 'small')
  assert.equal(only(book).state, 'trial')
  book.kept(nodeOf(1), 'large')
  assert.equal(only(book).state, 'closed')
  assert.equal(book.stateOf(nodeOf(1), 'large'), undefined)
})

test('a restart keeps of which model an incident is', () => {
  const { book, restored } = newBook()
  slow(book)
  const { again, refused } = restored()
  assert.equal(refused, 0)
  assert.equal(again.of(nodeOf(1), 'large')?.state, 'degraded')
  assert.equal(again.of(nodeOf(1)), undefined)
})

test('many that are slow together are suspended as well', () => {
  const { book } = newBook(4)
  const report = (worker: number) =>
    book.report(nodeOf(worker), { kind: 'below-claim', evidence: {}, model: 'm' }, { engine: 'e' })
  for (const worker of [1, 2, 3]) report(worker)
  for (const worker of [1, 2, 3]) {
    assert.equal(book.of(nodeOf(worker), 'm'), undefined)
    assert.equal(book.stateOf(nodeOf(worker), 'm'), 'suspended')
  }
})
