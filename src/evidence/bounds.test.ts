import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { FadingBounds, type Successes, successBounds } from './bounds.ts'

const halfLifeMs = 3_600_000
const fading = (record: Successes) => (ageMs: number) => {
  const left = 2 ** (-ageMs / halfLifeMs)
  return { successes: record.successes * left, failures: record.failures * left }
}
const anyRecord = fc.record({
  successes: fc.double({ min: 0, max: 1_000, noNaN: true }),
  failures: fc.double({ min: 0, max: 100, noNaN: true }),
})
const anyAge = fc.integer({ min: 0, max: 24 * halfLifeMs })

test('between two computed moments bounds are off by less than anything that decides', () => {
  fc.assert(
    fc.property(anyRecord, anyAge, (record, ageMs) => {
      const recordAt = fading(record)
      const read = new FadingBounds().at(ageMs, recordAt)
      const exact = successBounds(recordAt(ageMs))
      assert.ok(Math.abs(read.lower - exact.lower) < 1e-4, `${read.lower} / ${exact.lower}`)
      assert.ok(Math.abs(read.upper - exact.upper) < 1e-4, `${read.upper} / ${exact.upper}`)
    }),
  )
})

test('what is read depends on the moment, not on what was read before', () => {
  fc.assert(
    fc.property(anyRecord, fc.array(anyAge), anyAge, (record, before, ageMs) => {
      const recordAt = fading(record)
      const bounds = new FadingBounds()
      for (const earlier of before) bounds.at(earlier, recordAt)
      assert.deepEqual(bounds.at(ageMs, recordAt), new FadingBounds().at(ageMs, recordAt))
    }),
  )
})

test('a record that is only read is computed rarely, and anew after something was seen', () => {
  const bounds = new FadingBounds()
  let computed = 0
  const recordAt = (ageMs: number) => {
    computed += 1
    return fading({ successes: 50, failures: 1 })(ageMs)
  }
  for (let ageMs = 0; ageMs < 600_000; ageMs += 1_000) bounds.at(ageMs, recordAt)
  assert.equal(computed, 6)
  bounds.forget()
  bounds.at(0, recordAt)
  assert.equal(computed, 7)
})
