/** When what a gateway tells of nodes was said, whatever its clock does. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nodeIdOf } from '../protocol/index.ts'
import { ExperienceTeller } from './experience-teller.ts'

const idOf = (number: number) => nodeIdOf(new Uint8Array(32).fill(number))

function setting() {
  let nowMs = 1_700_000_000_000
  const seen = Array.from({ length: 1_024 }, (_, i) => ({
    ...{ worker: idOf(1), model: `model-${i}`.padEnd(60, 'x'), right: 1, failed: 0 },
  }))
  const evidence = { seenSince: () => seen.values() }
  const teller = new ExperienceTeller({ clock: { now: () => nowMs }, evidence, gateway: idOf(2) })
  const times = () => teller.tell().map(({ issuedAtMs }) => issuedAtMs - nowMs)
  const pass = (ms: number) => {
    nowMs += ms
  }
  return { times, pass }
}

test('each message is later than the one before, also of those told at once', () => {
  const { times, pass } = setting()
  const first = times()
  assert.ok(first.length > 1)
  assert.deepEqual(
    first,
    first.map((_, i) => i),
  )
  assert.equal(times()[0], first.length)
  // A clock that is set right by a little.
  pass(-500)
  assert.equal(times()[0], 2 * first.length + 500)
})

test('after a clock was far ahead, what is said is of now', () => {
  const { times, pass } = setting()
  times()
  pass(-3_600_000)
  assert.equal(times()[0], 0)
})
