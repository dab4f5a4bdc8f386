import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { quantiseRow } from './int4.ts'

function roundTrip(row: Float32Array): { readonly values: Float32Array; scales: Float32Array } {
  const blocks = Math.ceil(row.length / 32)
  const packed = new Uint8Array(blocks * 16)
  const scales = new Float32Array(blocks)
  quantiseRow(row, packed, scales)
  const values = row.map((_, i) => {
    const byte = packed[i >> 1] ?? 0
    return (((i % 2 === 0 ? byte : byte >> 4) & 15) - 8) * (scales[i >> 5] ?? 0)
  })
  return { values, scales }
}

test('values on a grid of sixteen steps come back as they were', () => {
  const row = Float32Array.from({ length: 64 }, (_, i) => ((i % 16) - 8) * 0.25)
  assert.deepEqual(roundTrip(row).values, row)
})

test('zeros come back as zeros', () => {
  assert.deepEqual(roundTrip(new Float32Array(40)).values, new Float32Array(40))
})

test('no error is larger than plain rounding would make it, summed over a block', () => {
  // Scales of values near the least that float32 can hold have no digits left; no weight is so
  // small.
  const element = fc
    .float({ min: -100, max: 100, noNaN: true })
    .map((value) => (Math.abs(value) < 1e-30 ? 0 : value))
  fc.assert(
    fc.property(fc.array(element, { minLength: 1, maxLength: 32 }), (elements) => {
      const row = Float32Array.from(elements)
      const { values } = roundTrip(row)
      const extreme = Math.max(...row.map(Math.abs))
      const error = row.reduce((sum, value, i) => sum + (value - (values[i] ?? 0)) ** 2, 0)
      // Steps of an eighth of the extreme; its mirror image, +8, is out of reach by one step.
      const bound = row.length * (extreme / 8) ** 2
      assert.ok(error <= bound * 1.0001, `${error} > ${bound}`)
    }),
  )
})
