import assert from 'node:assert/strict'
import { test } from 'node:test'
import { IsochroneError } from '../../protocol/index.ts'
import { Departure } from './departure.ts'

const gone = new IsochroneError('client_closed_request', 'gone')
const later = new IsochroneError('node_draining', 'later')

class Attempt {
  readonly reasons: IsochroneError[] = []
  interrupt(reason: IsochroneError): void {
    this.reasons.push(reason)
  }
}

test('the attempt that runs is told, once, the first reason', () => {
  const departure = new Departure()
  const [first, second] = [new Attempt(), new Attempt()]
  departure.watch(first)
  departure.unwatch(first)
  departure.watch(second)
  assert.equal(departure.reason, undefined)
  departure.depart(gone)
  departure.depart(later)
  assert.deepEqual([first.reasons, second.reasons], [[], [gone]])
  assert.equal(departure.reason, gone)
})

test('who begins after the client left is told at once', () => {
  const departure = new Departure()
  departure.depart(gone)
  const attempt = new Attempt()
  departure.watch(attempt)
  assert.deepEqual(attempt.reasons, [gone])
})

test('the end of an earlier attempt does not make the present one deaf', () => {
  const departure = new Departure()
  const [earlier, present] = [new Attempt(), new Attempt()]
  departure.watch(earlier)
  departure.watch(present)
  departure.unwatch(earlier)
  departure.depart(gone)
  assert.deepEqual(present.reasons, [gone])
})

test('of two that run at once both are told, and the one that is left is not forgotten', () => {
  const departure = new Departure()
  const [first, second] = [new Attempt(), new Attempt()]
  departure.watch(first)
  departure.watch(second)
  departure.depart(gone)
  assert.deepEqual([first.reasons, second.reasons], [[gone], [gone]])
  for (const leaves of [0, 1]) {
    const both = [new Attempt(), new Attempt()]
    const other = new Departure()
    for (const attempt of both) other.watch(attempt)
    other.unwatch(both[leaves] as Attempt)
    other.depart(gone)
    assert.deepEqual(both[leaves]?.reasons, [])
    assert.deepEqual(both[1 - leaves]?.reasons, [gone])
  }
})
