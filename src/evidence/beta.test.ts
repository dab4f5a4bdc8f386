import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { betaCumulative, betaQuantile, logGamma } from './beta.ts'

function assertClose(actual: number, expected: number, relative = 1e-9): void {
  const difference = Math.abs(actual - expected)
  assert.ok(difference <= relative * Math.abs(expected) + 1e-14, `${actual} is not ${expected}`)
}

test('ln Γ is right at known points', () => {
  assertClose(logGamma(0.5), Math.log(Math.sqrt(Math.PI)), 1e-13)
  assertClose(logGamma(10), Math.log(362_880), 1e-13)
  // Stirling's series, whose error at 1000 is below 10^-15.
  const x = 1_000
  const stirling =
    (x - 0.5) * Math.log(x) - x + 0.5 * Math.log(2 * Math.PI) + 1 / (12 * x) - 1 / (360 * x ** 3)
  assertClose(logGamma(x), stirling, 1e-13)
})

test('with whole parameters it is a sum of binomials (Abramowitz and Stegun, 26.5.24)', () => {
  const parameters = fc.tuple(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 40 }))
  fc.assert(
    fc.property(parameters, fc.double({ min: 0.001, max: 0.999, noNaN: true }), ([a, b], x) => {
      const n = a + b - 1
      let sum = 0
      for (let j = a; j <= n; j += 1) sum += binomial(n, j) * x ** j * (1 - x) ** (n - j)
      assertClose(betaCumulative(a, b, x), sum, 1e-10)
    }),
  )
})

test('quantiles in closed form come out', () => {
  assertClose(betaQuantile(1, 1, 0.05), 0.05)
  assertClose(betaQuantile(101, 1, 0.05), 0.05 ** (1 / 101))
  assertClose(betaQuantile(1, 11, 0.05), 1 - 0.95 ** (1 / 11))
  assertClose(betaQuantile(2, 2, 0.5), 0.5)
  // The arcsine distribution: quantile sin²(π p / 2).
  assertClose(betaQuantile(0.5, 0.5, 0.05), Math.sin((Math.PI * 0.05) / 2) ** 2)
  assert.equal(betaQuantile(3, 4, 0), 0)
  assert.equal(betaQuantile(3, 4, 1), 1)
})

test('tabulated quantiles come out (F distribution: x = a F / (b + a F))', () => {
  // F(0.95; 10, 10) = 2.978237 and F(0.95; 4, 20) = 2.866081, NIST/SEMATECH tables.
  assertClose(betaQuantile(5, 5, 0.95), 2.978237 / (1 + 2.978237), 1e-6)
  assertClose(betaQuantile(2, 10, 0.95), (2 * 2.866081) / (10 + 2 * 2.866081), 1e-6)
})

test('the quantile inverts the cumulative probability, also for records of a million', () => {
  const parameter = fc.double({ min: 0.5, max: 1e6, noNaN: true })
  const probability = fc.double({ min: 0.001, max: 0.999, noNaN: true })
  fc.assert(
    fc.property(parameter, parameter, probability, (a, b, p) => {
      const x = betaQuantile(a, b, p)
      assert.ok(x >= 0 && x <= 1)
      // Where x is within rounding of 1, no x gives p better.
      if (1 - x > 1e-9) assertClose(betaCumulative(a, b, x), p, 1e-6)
    }),
    // Its quantile is within 10^-8 of 1.
    { examples: [[105.59181193806415, 0.5, 0.9988763446626425]] },
  )
})

test('more successes raise every quantile, more failures lower it', () => {
  const parameter = fc.double({ min: 1, max: 2_000, noNaN: true })
  const probability = fc.constantFrom(0.05, 0.5, 0.95)
  fc.assert(
    fc.property(parameter, parameter, probability, (a, b, p) => {
      assert.ok(betaQuantile(a + 1, b, p) > betaQuantile(a, b, p))
      assert.ok(betaQuantile(a, b + 1, p) < betaQuantile(a, b, p))
    }),
  )
})

function binomial(n: number, k: number): number {
  let value = 1
  for (let i = 1; i <= k; i += 1) value = (value * (n - k + i)) / i
  return value
}
