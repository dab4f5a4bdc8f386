import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AnswerLengths, lengthHalfLifeMs } from './answer-length.ts'

const model = 'm'

function seen(...tokens: readonly number[]): AnswerLengths {
  const lengths = new AnswerLengths()
  for (const one of tokens) lengths.add(model, one, 0)
  return lengths
}

test('nothing was seen: nothing is known', () => {
  assert.equal(new AnswerLengths().of(model, 0), undefined)
  assert.equal(seen(9).of('another', 0), undefined)
})

test('answers that are alike have that length', () => {
  assert.deepEqual(seen(9, 9, 9).of(model, 0), { tokens: 9, samples: 3 })
})

test('a few very long ones move it little', () => {
  const tokens = Array.from({ length: 100 }, (_, i) => (i % 20 === 0 ? 10_000 : 9))
  const { tokens: usual = 0 } = seen(...tokens).of(model, 0) ?? {}
  assert.ok(usual > 9 && usual < 15, `${usual}`)
})

test('older ones fade, and what has faded is nothing', () => {
  const lengths = seen(100, 100, 100, 100)
  assert.equal(lengths.of(model, lengthHalfLifeMs)?.samples, 2)
  for (let i = 0; i < 4; i += 1) lengths.add(model, 10, 10 * lengthHalfLifeMs)
  assert.equal(lengths.of(model, 10 * lengthHalfLifeMs)?.tokens, 10)
  assert.equal(lengths.of(model, 20 * lengthHalfLifeMs), undefined)
})

test('a clock that was set back loses nothing', () => {
  const lengths = new AnswerLengths()
  lengths.add(model, 9, 10 * lengthHalfLifeMs)
  lengths.add(model, 9, 0)
  assert.deepEqual(lengths.of(model, 0), { tokens: 9, samples: 2 })
  assert.equal(lengths.of(model, lengthHalfLifeMs)?.samples, 1)
})

test('what is no length is not counted, and an empty answer as one token', () => {
  for (const nonsense of [Number.NaN, -1, Number.POSITIVE_INFINITY]) {
    assert.equal(seen(nonsense).of(model, 0), undefined)
  }
  assert.equal(seen(0).of(model, 0)?.tokens, 1)
})

test('two digits are told, so that no single answer can be read from it', () => {
  const [before, after] = [seen(...Array(64).fill(123)), seen(...Array(64).fill(123), 140)]
  assert.deepEqual(before.of(model, 0), { tokens: 120, samples: 64 })
  assert.deepEqual(after.of(model, 0), { tokens: 120, samples: 65 })
})

test('of more models than there is room for, the one that answered longest ago goes', () => {
  const lengths = new AnswerLengths(2)
  for (const one of ['a', 'b', 'a', 'c']) lengths.add(one, 9, 0)
  assert.equal(lengths.of('b', 0), undefined)
  assert.equal(lengths.of('a', 0)?.samples, 2)
  assert.equal(lengths.of('c', 0)?.samples, 1)
})
