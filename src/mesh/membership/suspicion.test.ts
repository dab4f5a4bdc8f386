import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { NodeId } from '../../protocol/index.ts'
import type { Accusation } from './statements.ts'
import { Suspicion } from './suspicion.ts'

const times = { shortestMs: 2_000, longestMs: 10_000, confirmations: 3 }
const accusationBy = (accuser: string) => ({ accuser: accuser as NodeId }) as Accusation

test('a suspect is told once, at half of its time, and may refute until the end', () => {
  const suspicion = new Suspicion(times, 1_000.25)
  suspicion.add(accusationBy('a'))
  assert.equal(suspicion.nextDueMs, 6_000.25)
  assert.equal(suspicion.takeReminder(6_000.2), undefined)
  assert.equal(suspicion.takeReminder(suspicion.nextDueMs)?.accuser, 'a')
  assert.equal(suspicion.takeReminder(6_001), undefined)
  assert.equal(suspicion.nextDueMs, suspicion.deadlineMs)
  assert.equal(suspicion.deadlineMs, 11_000.25)
})

test('further accusers bring the reminder forward with the end', () => {
  const suspicion = new Suspicion(times, 0)
  for (const accuser of 'abcd') suspicion.add(accusationBy(accuser))
  assert.equal(suspicion.deadlineMs, 2_000)
  assert.equal(suspicion.nextDueMs, 1_000)
})
