// What every benchmark ends with: checks, tables, one line of JSON.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { check, reaches, renderChecks, renderLastLine, renderTable } from './report.ts'
import { median, quantile, rotated } from './statistics.ts'

test('a check passes exactly when its value reaches the limit', () => {
  assert.equal(reaches(0.4, '<= 0.4'), true)
  assert.equal(reaches(0.401, '<= 0.4'), false)
  assert.equal(reaches(3, '>= 3'), true)
  assert.equal(reaches(2.999, '>= 3'), false)
  assert.equal(reaches(150, '< 150'), false)
  assert.equal(reaches(-1, '> -2'), true)
  assert.throws(() => reaches(1, '= 1'), /no comparison/)
  assert.throws(() => reaches(1, 'about 1'), /no comparison/)
})

test('a check is judged before it is rounded', () => {
  const made = check({ name: 'a', value: 0.400001, unit: 'ms', reach: '<= 0.4' })
  assert.deepEqual(made, { name: 'a', value: 0.4, unit: 'ms', reach: '<= 0.4', pass: false })
})

test('a check without a figure falls short', () => {
  for (const value of [null, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
    const made = check({ name: 'a', value, unit: 'ms', reach: '<= 1' })
    assert.equal(made.value, null)
    assert.equal(made.pass, false)
  }
})

test('the last line is one line of JSON with every check', () => {
  const checks = [
    check({ name: 'speed\nof light', value: 4, unit: '×', reach: '>= 3' }),
    check({ name: 'memory', value: null, unit: 'MB', reach: '< 150' }),
  ]
  const line = renderLastLine({ bench: 'gateway', checks, context: { machine: {}, seeds: [1] } })
  assert(!line.includes('\n'))
  assert.deepEqual(JSON.parse(line), {
    bench: 'gateway',
    checks: [
      { name: 'speed\nof light', value: 4, unit: '×', reach: '>= 3', pass: true },
      { name: 'memory', value: null, unit: 'MB', reach: '< 150', pass: false },
    ],
    context: { machine: {}, seeds: [1] },
  })
})

test('a table aligns figures to the right and text to the left', () => {
  const rows = [
    { name: 'é', value: 1 },
    { name: 'longer', value: 100 },
  ]
  assert.deepEqual(
    renderTable(rows, [
      { title: 'way', align: 'left', cell: ({ name }) => name },
      { title: 'ms', cell: ({ value }) => String(value) },
    ]),
    ['way      ms', '───────────', 'é         1', 'longer  100'],
  )
})

test('the table of checks names what fell short', () => {
  const lines = renderChecks([check({ name: 'memory', value: 151, unit: 'MB', reach: '< 150' })])
  assert.match(lines.join('\n'), /memory +151 MB +< 150 +falls short/)
})

test('a quantile lies between its neighbours, whatever the order', () => {
  assert.equal(median([3, 1, 2]), 2)
  assert.equal(median([4, 1, 2, 3]), 2.5)
  assert.equal(quantile([0, 10], 0.99), 9.9)
  assert(Number.isNaN(median([])))
  const values = fc.array(fc.double({ noNaN: true, min: -1e6, max: 1e6 }), { minLength: 1 })
  fc.assert(
    fc.property(values, fc.double({ min: 0, max: 1, noNaN: true }), (samples, share) => {
      const value = quantile(samples, share)
      assert(value >= Math.min(...samples) && value <= Math.max(...samples))
      assert.equal(value, quantile([...samples].reverse(), share))
    }),
  )
})

test('rotation begins each round with another target and keeps all', () => {
  assert.deepEqual(rotated(['a', 'b', 'c'], 0), ['a', 'b', 'c'])
  assert.deepEqual(rotated(['a', 'b', 'c'], 4), ['b', 'c', 'a'])
  assert.deepEqual(rotated([], 4), [])
})
