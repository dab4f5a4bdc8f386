import assert from 'node:assert/strict'
import { it } from 'node:test'
import { Exchange, exchangeMemory, windowsAhead } from './exchange.ts'

interface Said {
  readonly by: string
  readonly window: number
}

const said = (by: string, window: number): Said => ({ by, window })

it('who is ahead does not wait before the others have to have said what arrives next', () => {
  const memory = exchangeMemory(2)
  const [fast, slow] = [new Exchange<Said>(memory, 0), new Exchange<Said>(memory, 1)]
  for (let window = 1; window < windowsAhead; window += 1) {
    assert.deepEqual(fast.swap([[], [said('fast', window)]]), [])
  }
  assert.deepEqual(slow.swap([[said('slow', 1)], []]), [])
  assert.deepEqual(fast.swap([[], [said('fast', windowsAhead)]]), [said('slow', 1)])
})

it('nothing is written over before it was read, however far one is ahead', () => {
  const memory = exchangeMemory(2)
  const [fast, slow] = [new Exchange<Said>(memory, 0), new Exchange<Said>(memory, 1)]
  const heard: { fast: Said[]; slow: Said[] } = { fast: [], slow: [] }
  let [ahead, behind] = [0, 0]
  const step = (who: 'fast' | 'slow', exchange: Exchange<Said>, window: number) => {
    const items = [said(who, window)]
    heard[who].push(...exchange.swap(who === 'fast' ? [[], items] : [items, []]))
  }
  for (let turn = 0; turn < 20; turn += 1) {
    // As far as it may without waiting for ever, here where both run in one thread.
    while (ahead < behind + windowsAhead - 1) step('fast', fast, ++ahead)
    // And then the other overtakes it.
    while (behind < ahead + windowsAhead - 1) step('slow', slow, ++behind)
  }
  const expected = (by: string, count: number) =>
    Array.from({ length: count }, (_, at) => said(by, at + 1))
  assert.deepEqual(heard.fast, expected('slow', ahead + 1 - windowsAhead))
  assert.deepEqual(heard.slow, expected('fast', behind + 1 - windowsAhead))
})

it('bytes arrive as a copy that keeps nothing else in memory', () => {
  const memory = exchangeMemory(2)
  const exchanges = [0, 1].map((part) => new Exchange<Uint8Array>(memory, part))
  const [one, other] = exchanges as [Exchange<Uint8Array>, Exchange<Uint8Array>]
  const [short, long] = [new Uint8Array(8).fill(3), new Uint8Array(800).fill(4)]
  one.swap([[], [short, long]])
  let arrived: readonly Uint8Array[] = []
  for (let window = 1; window <= windowsAhead; window += 1) arrived = other.swap([[], []])
  assert.deepEqual(arrived, [short, long])
  assert.deepEqual(
    arrived.map(({ buffer }) => buffer.byteLength),
    [8, 800],
  )
})
