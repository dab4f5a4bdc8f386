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

test('answers that are alike have about that length, told in steps', () => {
  for (const [tokens, told] of [
    [1, 1],
    [9, 8],
    [16, 16],
    [100, 91],
    [137, 128],
    [300, 256],
    [310, 362],
  ] as const) {
    assert.deepEqual(seen(...Array(4).fill(tokens)).of(model, 0), { tokens: told, samples: 4 })
  }
})

test('of fewer than four answers nothing is told; further ones are told where they double', () => {
  const told = (count: number) => seen(...Array(count).fill(137)).of(model, 0)?.samples
  assert.deepEqual([1, 2, 3].map(told), [undefined, undefined, undefined])
  assert.deepEqual([4, 7, 8, 14, 16, 100].map(told), [4, 4, 8, 8, 16, 64])
})

test('a few very long ones move it little', () => {
  const tokens = Array.from({ length: 100 }, (_, i) => (i % 20 === 0 ? 10_000 : 9))
  const { tokens: usual = 0 } = seen(...tokens).of(model, 0) ?? {}
  assert.ok(usual > 8 && usual < 15, `${usual}`)
})

test('older ones fade, and what has faded is nothing', () => {
  const lengths = seen(...Array(8).fill(100))
  assert.equal(lengths.of(model, lengthHalfLifeMs)?.samples, 4)
  assert.equal(lengths.of(model, lengthHalfLifeMs + lengthHalfLifeMs / 15)?.samples, 4)
  assert.equal(lengths.of(model, 2 * lengthHalfLifeMs), undefined)
  for (let i = 0; i < 4; i += 1) lengths.add(model, 10, 10 * lengthHalfLifeMs)
  assert.equal(lengths.of(model, 10 * lengthHalfLifeMs)?.tokens, 11)
  assert.equal(lengths.of(model, 20 * lengthHalfLifeMs), undefined)
})

test('a clock that was set back loses nothing', () => {
  const lengths = new AnswerLengths()
  for (let i = 0; i < 4; i += 1) lengths.add(model, 8, 10 * lengthHalfLifeMs)
  for (let i = 0; i < 4; i += 1) lengths.add(model, 8, 0)
  assert.deepEqual(lengths.of(model, 0), { tokens: 8, samples: 8 })
  assert.equal(lengths.of(model, lengthHalfLifeMs)?.samples, 4)
})

test('what is no length is not counted, and an empty answer as one token', () => {
  for (const nonsense of [Number.NaN, -1, Number.POSITIVE_INFINITY]) {
    assert.equal(seen(...Array(4).fill(nonsense)).of(model, 0), undefined)
  }
  assert.equal(seen(0, 0, 0, 0).of(model, 0)?.tokens, 1)
})

test('no single answer is read from what is told', () => {
  const told = (...one: readonly number[]) => seen(...Array(4).fill(123), ...one).of(model, 0)
  for (const one of [80, 100, 140, 200]) assert.deepEqual(told(one), told())
  // What moves it by steps is no length of its own.
  assert.deepEqual(told(100_000), { tokens: 512, samples: 4 })
})

test('of more models than there is room for, the one that answered longest ago goes', () => {
  const lengths = new AnswerLengths(2)
  for (const one of ['a', 'b', 'a', 'c']) for (let i = 0; i < 4; i += 1) lengths.add(one, 9, 0)
  assert.equal(lengths.of('b', 0), undefined)
  assert.equal(lengths.of('a', 0)?.samples, 8)
  assert.equal(lengths.of('c', 0)?.samples, 4)
})
