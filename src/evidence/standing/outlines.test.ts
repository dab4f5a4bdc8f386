/** What stands although there is no room for it, and what of that the disk has to say. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ManualClock, seededRandom } from '../../base/index.ts'
import { createIdentity, nodeIdOf, type WorkerId } from '../../protocol/index.ts'
import type { FaultKind } from './fault.ts'
import type { Incident, IncidentId, Ruling, SignedStep } from './incident.ts'
import { StandingBook } from './standing-book.ts'
import { signStep } from './steps.ts'

const nodeOf = (number: number): WorkerId => nodeIdOf(new Uint8Array(32).fill(number))
const identity = createIdentity()
const lift: Ruling = { decision: 'lift', reason: 'a bug, mended', appeal: null, by: 'key_1' }
const roomFor = 3

/** One process after the other, with one disk. */
class Place {
  readonly clock = new ManualClock()
  readonly disk: { id: IncidentId; signed: SignedStep }[] = []
  readonly forgotten: WorkerId[] = []
  book: StandingBook
  refused = 0

  constructor() {
    this.book = this.#open(true)
  }

  restart(reads = true): void {
    this.book = this.#open(reads)
    this.refused = this.book.restore(this.disk.map(({ signed }) => signed))
  }

  report(worker: number, kind: FaultKind = 'result-signature'): IncidentId {
    this.book.report(nodeOf(worker), { kind, evidence: {} }, {})
    return this.disk.at(-1)?.id as IncidentId
  }

  stateOf(worker: number): string | undefined {
    return this.book.of(nodeOf(worker))?.state
  }

  change(id: IncidentId, step: number, change: (signed: SignedStep) => SignedStep): void {
    const found = this.disk.filter((one) => one.id === id)[step - 1]
    assert.ok(found !== undefined)
    found.signed = change(found.signed)
  }

  #open(reads: boolean): StandingBook {
    const { clock, disk, forgotten } = this
    const modules = {
      clock,
      identity,
      random: seededRandom(disk.length),
      populationOf: () => 100,
      onStep: ({ id }: Incident, signed: SignedStep) => void disk.push({ id, signed }),
      onForgotten: (worker: WorkerId) => void forgotten.push(worker),
      recall: (id: IncidentId) => disk.filter((one) => one.id === id).map((one) => one.signed),
    }
    const { recall: _, ...blind } = modules
    return new StandingBook(reads ? modules : blind, roomFor)
  }
}

const many = Array.from({ length: 20 }, (_, i) => i + 1)
const quarantined = Array(many.length).fill('quarantined')
const lastSignature = (): string => Buffer.alloc(64).toString('base64')

test('no number of quarantines pushes out another, nor does a restart', () => {
  const place = new Place()
  for (const worker of many) place.report(worker)
  assert.deepEqual(
    many.map((worker) => place.stateOf(worker)),
    quarantined,
  )
  for (const reads of [true, false]) {
    place.restart(reads)
    assert.equal(place.refused, 0)
    assert.deepEqual(
      many.map((worker) => place.stateOf(worker)),
      quarantined,
    )
  }
  assert.deepEqual(place.forgotten, [])
  assert.equal(place.book.incidents().length, roomFor)
  assert.equal([...place.book.outlines()].length, many.length - roomFor)
})

test('who is confined stays so, in full or not, until it is over', () => {
  const place = new Place()
  const ids = many.map((worker) => place.report(worker))
  for (const reads of [true, false]) {
    place.restart(reads)
    for (const worker of many) assert.equal(place.book.isConfined(nodeOf(worker)), true)
  }
  place.restart()
  place.book.rule(ids[0] as IncidentId, lift)
  assert.equal(place.book.isConfined(nodeOf(1)), false)
  assert.equal(place.book.isConfined(nodeOf(21)), false)
})

test('what had no room is there in full when it is asked for, and can be ended', () => {
  const place = new Place()
  const ids = many.map((worker) => place.report(worker))
  const [first, second] = ids as [IncidentId, IncidentId]
  assert.equal(place.book.find(first)?.steps.length, 1)
  place.book.rule(first, lift)
  assert.equal(place.stateOf(1), undefined)
  place.restart()
  assert.deepEqual([place.refused, place.stateOf(1)], [0, undefined])
  assert.deepEqual(
    many.slice(1).map((worker) => place.stateOf(worker)),
    quarantined.slice(1),
  )
  place.clock.advance(2_000)
  place.report(2)
  assert.deepEqual(
    place.book.find(second)?.steps.map(({ step }) => step.kind),
    ['opened', 'recurred'],
  )
})

test('what is over makes room first, then what ends soon; neither leaves anything', () => {
  const place = new Place()
  const over = place.report(1)
  place.book.rule(over, lift)
  const shut = place.report(2, 'contradiction')
  place.report(3)
  place.report(4)
  assert.deepEqual([place.book.find(over), place.forgotten], [undefined, [nodeOf(1)]])
  place.report(5)
  assert.deepEqual([place.book.find(shut), place.stateOf(2)], [undefined, undefined])
  assert.deepEqual(
    [3, 4, 5].map((worker) => place.stateOf(worker)),
    Array(3).fill('quarantined'),
  )
  assert.deepEqual(place.forgotten, [nodeOf(1), nodeOf(2)])
})

test('a decision that this gateway did not sign ends nothing, whichever step it is', () => {
  for (const worker of [1, 20]) {
    const place = new Place()
    const ids = many.map((one) => place.report(one))
    const id = ids[worker - 1] as IncidentId
    place.book.rule(id, lift)
    place.report(21)
    place.change(id, 2, ({ json }) => ({ json, signature: lastSignature() }))
    place.restart()
    assert.equal(place.refused, 1)
    assert.equal(place.stateOf(worker), 'quarantined')
  }
})

test('a step between counts by its hash; one that was changed breaks the chain', () => {
  const place = new Place()
  const id = place.report(1)
  for (let i = 0; i < 3; i += 1) place.book.rule(id, { ...lift, decision: 'uphold' })
  place.change(id, 2, ({ json }) => ({ json, signature: lastSignature() }))
  place.restart()
  assert.deepEqual([place.refused, place.book.find(id)?.steps.length], [0, 4])
  place.change(id, 2, ({ json, signature }) => ({ json: json.replace('bug', 'rug'), signature }))
  place.restart()
  assert.deepEqual([place.refused, place.book.find(id)?.steps.length], [3, 1])
})

test('what nobody signed keeps nobody out once it is looked at; what was seen does', () => {
  const place = new Place()
  const id = place.report(1)
  for (const worker of many.slice(1)) place.report(worker)
  const stranger = createIdentity()
  const forge = ({ json }: SignedStep) => signStep(stranger, JSON.parse(json))
  place.change(id, 1, forge)
  assert.equal(place.stateOf(1), 'quarantined')
  place.restart()
  assert.equal(place.stateOf(1), undefined)
  assert.equal(place.stateOf(2), 'quarantined')
})

test('of one whose last step is damaged the signed part holds, in full or not', () => {
  for (const worker of [1, 20]) {
    const place = new Place()
    const id = many.map((one) => place.report(one))[worker - 1] as IncidentId
    place.clock.advance(2_000)
    place.report(worker)
    for (const one of [21, 22, 23]) if (worker === 1) place.report(one)
    place.change(id, 2, ({ json }) => ({ json, signature: lastSignature() }))
    place.restart()
    assert.equal(place.stateOf(worker), 'quarantined')
    assert.equal(place.book.find(id)?.steps.length, 1)
  }
})
