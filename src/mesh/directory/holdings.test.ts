import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRandom } from '../../base/index.ts'
import { Holdings } from './holdings.ts'

const random = seededRandom(3)
const marks = (count: number) => Array.from({ length: count }, () => random.below(2 ** 32))

test('what is held is known for sure, and little else is taken for it', () => {
  const held = marks(96)
  let mistaken = 0
  for (let times = 0; times < 50; times += 1) {
    const { said } = Holdings.of(held, { reachMs: 0, random })
    const theirs = new Holdings(said)
    assert.ok(said.filter.length <= held.length)
    assert.ok(held.every((mark) => theirs.has(mark)))
    for (const mark of marks(100)) if (theirs.has(mark)) mistaken += 1
  }
  assert.ok(mistaken / 5_000 < 0.04, `${mistaken} of 5,000`)
})

test('another salt is mistaken in others', () => {
  const held = marks(96)
  const strangers = marks(400)
  const mistakenOnes = () => {
    const theirs = Holdings.of(held, { reachMs: 0, random })
    return strangers.filter((mark) => theirs.has(mark))
  }
  const again = mistakenOnes().filter((mark) => mistakenOnes().includes(mark))
  assert.ok(again.length <= 2)
})

test('who holds nothing, or says nonsense, is taken at its word', () => {
  const nothing = Holdings.of([], { reachMs: 0, random })
  assert.ok(!nothing.has(5))
  assert.equal(nothing.reachMs, Number.POSITIVE_INFINITY)
  const all = new Holdings({ filter: new Uint8Array(4).fill(255), salt: 1, reachMs: 3 })
  assert.ok(all.has(5))
  assert.equal(all.reachMs, 3)
  const nan = new Holdings({ filter: new Uint8Array(4), salt: 1, reachMs: Number.NaN })
  assert.equal(nan.reachMs, Number.POSITIVE_INFINITY)
})
