/** What a gateway keeps of an answer, whatever its node says. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { GenerationDelta } from '../../protocol/index.ts'
import { TextMark, Written } from './written.ts'

const deltaOf = (change: Partial<GenerationDelta>): GenerationDelta => {
  return { type: 'delta', choice: 0, text: '', tokenIds: [], logprobs: [], extra: null, ...change }
}

test('a node that sends tokens without end does not fill the gateway’s memory', () => {
  const written = new Written(2)
  const tokenIds = new Array(1_000).fill(7)
  for (let i = 0; i < 65; i += 1) written.add([deltaOf({ choice: i % 2, tokenIds })])
  assert.deepEqual([written.isWhole, written.tokens], [true, 65_000])
  for (let i = 0; i < 100; i += 1) written.add([deltaOf({ tokenIds })])
  assert.equal(written.isWhole, false)
  assert.deepEqual(
    written.choices.map((choice) => choice.tokenIds.length),
    [0, 0],
  )
})

test('a choice that was not asked for makes nothing that could go on', () => {
  const written = new Written(1)
  written.add([deltaOf({ choice: 1, text: 'a' })])
  assert.deepEqual([written.hasBegun, written.isWhole], [true, false])
})

test('a mark is of the text, not of how it was cut, nor of its length alone', () => {
  const markOf = (...pieces: readonly string[]) => {
    const mark = new TextMark()
    for (const piece of pieces) mark.add(piece)
    return mark
  }
  assert.ok(markOf('Lima ', '🦙').isLike(markOf('Li', 'ma', ' 🦙')))
  assert.ok(!markOf('Lima').isLike(markOf('Lime')))
  const copied = markOf('Li')
  const copy = copied.copy()
  copied.add('ma')
  assert.ok(copy.isLike(markOf('Li')))
})
