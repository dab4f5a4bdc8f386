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
