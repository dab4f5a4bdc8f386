import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { hasCode } from '../protocol/index.ts'
import { StopMatcher } from './stop-strings.ts'

/** What a matcher gives for pieces of text: the text that came out, and whether it stopped. */
function run(stops: readonly string[], pieces: readonly string[]) {
  const matcher = new StopMatcher(stops)
  let text = ''
  for (const piece of pieces) {
    const result = matcher.push(piece)
    text += result.text
    if (result.stopped) return { text, stopped: true }
  }
  return { text: text + matcher.flush(), stopped: false }
}

function naive(stops: readonly string[], text: string) {
  for (let end = 1; end <= text.length; end += 1) {
    const lengths = stops.filter((stop) => text.slice(0, end).endsWith(stop)).map((s) => s.length)
    if (lengths.length > 0)
      return { text: text.slice(0, end - Math.max(...lengths)), stopped: true }
  }
  return { text, stopped: false }
}

test('however the text is cut, the answer ends where the naive search ends it', () => {
  const text = fc.array(fc.constantFrom('a', 'b', 'c'), { maxLength: 30 }).map((s) => s.join(''))
  const stop = fc
    .array(fc.constantFrom('a', 'b', 'c'), { minLength: 1, maxLength: 5 })
    .map((s) => s.join(''))
  fc.assert(
    fc.property(
      fc.array(text, { maxLength: 6 }),
      fc.array(stop, { maxLength: 4 }),
      (pieces, stops) => {
        assert.deepEqual(run(stops, pieces), naive(stops, pieces.join('')))
      },
    ),
    { numRuns: 1000 },
  )
})

test('nothing of a stop string leaks before it is known to be none', () => {
  const matcher = new StopMatcher(['\n\nUser:'])
  assert.equal(matcher.push('Lima.\n').text, 'Lima.')
  assert.equal(matcher.push('\nUs').text, '')
  assert.equal(matcher.push('ually').text, '\n\nUsually')
  assert.deepEqual(matcher.push(' so.\n\nUser: x'), { text: ' so.', stopped: true })
})

test('text is held no longer than it may become a stop string', () => {
  const matcher = new StopMatcher(['aab'])
  assert.equal(matcher.push('a'.repeat(1000)).text.length, 998)
})

test('empty, overlong and too many stop strings are refused', () => {
  for (const stops of [[''], ['x'.repeat(1025)], new Array(1_000_000).fill('x')]) {
    assert.throws(
      () => new StopMatcher(stops),
      (error) => hasCode(error, 'invalid_request'),
    )
  }
})
