/** What an attempt comes to: each token once, to whom it came from, at the price of its time. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { decisionIdOf, nodeIdOf } from '../protocol/index.ts'
import { viewOf } from './account.ts'
import { type Delivered, type Entry, entryOf } from './entry.ts'
import { amountMaxNanoDollars, amountOf, type Terms, termsOf } from './terms.ts'

const about = {
  decision: decisionIdOf(new Uint8Array(16)),
  attempt: 0,
  worker: nodeIdOf(new Uint8Array(32)),
  atMs: 5,
  model: 'm',
}
const place = { tier: 'small', hardwareClass: 'cpu', policyVersion: 'p-1' }
const terms: Terms = { ...place, promptPrice: 100_000, completionPrice: 400_000 }
const made = (delivered: Delivered) => entryOf(delivered, terms, about)
const tokens = (promptTokens: number, completionTokens: number) => ({
  promptTokens,
  completionTokens,
})

test('what is owed is the counted tokens at the price of then, in whole nano-dollars', () => {
  const billed = tokens(7, 42)
  const counted = tokens(7, 40)
  const entry = made({ how: 'answered', takenOver: 0, billed, counted, isFalse: false })
  // 7 × 100,000 + 40 × 400,000 picodollars.
  assert.equal(entry?.amountNanoDollars, 16_700)
  assert.deepEqual([entry.state, entry.completionTokens, entry.billed], ['owed', 40, billed])
  assert.deepEqual([entry.tier, entry.hardwareClass, entry.policyVersion], ['small', 'cpu', 'p-1'])
})

test('of a false bill nothing is owed, also not what was delivered', () => {
  const billed = tokens(7, 900)
  const counted = tokens(7, 40)
  const entry = made({ how: 'answered', takenOver: 0, billed, counted, isFalse: true })
  assert.deepEqual(
    [entry?.state, entry?.amountNanoDollars, entry?.completionTokens],
    ['void', 0, 0],
  )
  assert.deepEqual(entry?.billed, billed)
})

test('a client that leaves pays for what it got, and for a prompt only with an answer', () => {
  const left = { how: 'left', takenOver: 0, promptTokens: 9 } as const
  assert.equal(made({ ...left, completionTokens: 0 }), undefined)
  const some = made({ ...left, completionTokens: 3 })
  assert.deepEqual([some?.promptTokens, some?.completionTokens, some?.billed], [9, 3, null])
})

test('every token of an answer is owed once, however often it went on elsewhere', () => {
  const parts = fc.array(fc.nat(50), { minLength: 1, maxLength: 6 })
  fc.assert(
    fc.property(parts, fc.nat(1_000), (written, promptTokens) => {
      let takenOver = 0
      const entries: (Entry | undefined)[] = []
      for (const [i, count] of written.entries()) {
        const completionTokens = takenOver + count
        const counted = tokens(promptTokens, completionTokens)
        const isLast = i === written.length - 1
        entries.push(
          isLast
            ? made({ how: 'answered', takenOver, billed: counted, counted, isFalse: false })
            : made({ how: 'continued', takenOver, completionTokens, promptTokens }),
        )
        takenOver = completionTokens
      }
      const sum = entries.reduce((all, entry) => all + (entry?.completionTokens ?? 0), 0)
      assert.equal(sum, takenOver)
      for (const entry of entries) assert.ok((entry?.amountNanoDollars ?? 0) >= 0)
    }),
  )
})

test('who counts less than it took over has read no more than it counted', () => {
  const billed = tokens(7, 3)
  const entry = made({ how: 'answered', takenOver: 50, billed, counted: billed, isFalse: false })
  assert.deepEqual([entry?.promptTokens, entry?.completionTokens], [7 + 3, 0])
})

test('amounts are whole, grow with tokens and prices, and have a bound', () => {
  const count = fc.nat(10_000_000)
  const price = fc.oneof(fc.nat(1_000_000_000), fc.double({ min: 0, max: 1e15, noNaN: true }))
  fc.assert(
    fc.property(count, count, price, price, (prompt, completion, a, b) => {
      const [cheap, dear] = [Math.min(a, b), Math.max(a, b)]
      const of = (promptPrice: number, completionPrice: number) =>
        amountOf(tokens(prompt, completion), { ...place, promptPrice, completionPrice })
      assert.ok(Number.isSafeInteger(of(cheap, dear)))
      assert.ok(of(cheap, cheap) <= of(cheap, dear) && of(cheap, dear) <= amountMaxNanoDollars)
    }),
  )
})

test('a policy caps what a node asks, and makes nobody dearer', () => {
  const offer = { promptPrice: 100, completionPrice: 200 }
  const cap = { promptPriceMax: 50, completionPriceMax: null }
  assert.deepEqual(termsOf(offer, undefined, place), { ...place, ...offer })
  assert.deepEqual(termsOf(offer, cap, place), { ...place, ...offer, promptPrice: 50 })
  const high = { promptPriceMax: 500, completionPriceMax: 500 }
  assert.deepEqual(termsOf(offer, high, place), { ...place, ...offer })
})

test('an account that is held is worth the same, and owed nothing', () => {
  const totals = {
    ...{ worker: about.worker, answers: 2, voids: 1, firstAtMs: 1, lastAtMs: 2 },
    ...{ ...tokens(1, 2), amountNanoDollars: 30 },
  }
  const held = viewOf(totals, true)
  assert.deepEqual([held.owedNanoDollars, held.heldNanoDollars], [0, 30])
  const owed = viewOf(totals, false)
  assert.deepEqual([owed.owedNanoDollars, owed.heldNanoDollars], [30, 0])
})
