import assert from 'node:assert/strict'
import { it } from 'node:test'
import { Exchange, exchangeMemory, windowsAhead } from './exchange.ts'
import type { Words } from './words.ts'

const noWords: Words = { numbers: new Float64Array(0), bytes: new Uint8Array(0) }

/** Two parts, each of which says the number of its window. In one thread: none may wait. */
function pair() {
  const memory = exchangeMemory(2)
  const partOf = (part: number) => {
    const exchange = new Exchange(memory, part)
    const heard: Words[] = []
    let window = 0
    return {
      heard,
      window: () => window,
      swap() {
        window += 1
        const words = { numbers: Float64Array.of(window), bytes: Uint8Array.of(window) }
        exchange.swap(part === 0 ? [noWords, words] : [words, noWords], ({ numbers, bytes }) => {
          heard.push({ numbers: numbers.slice(), bytes: bytes.slice() })
        })
      },
    }
  }
  return { fast: partOf(0), slow: partOf(1) }
}

it('who is ahead does not wait before the others have to have said what arrives next', () => {
  const { fast, slow } = pair()
  for (let window = 1; window < windowsAhead; window += 1) fast.swap()
  assert.deepEqual(fast.heard, [])
  slow.swap()
  fast.swap()
  assert.deepEqual(fast.heard, [{ numbers: Float64Array.of(1), bytes: Uint8Array.of(1) }])
})

it('nothing is written over before it was read, however far one is ahead', () => {
  const { fast, slow } = pair()
  for (let turn = 0; turn < 20; turn += 1) {
    while (fast.window() < slow.window() + windowsAhead - 1) fast.swap()
    // And then the other overtakes it.
    while (slow.window() < fast.window() + windowsAhead - 1) slow.swap()
  }
  const numbersOf = (heard: readonly Words[]) => heard.map(({ numbers }) => numbers[0])
  const upTo = (count: number) => Array.from({ length: count }, (_, at) => at + 1)
  assert.deepEqual(numbersOf(fast.heard), upTo(fast.window() + 1 - windowsAhead))
  assert.deepEqual(numbersOf(slow.heard), upTo(slow.window() + 1 - windowsAhead))
})
