import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { hazardOf, Presence, presenceHalfLifeMs, survival } from './presence.ts'

const hourMs = 60 * 60_000

function staying(hours: number, losses = 0): Presence {
  const presence = new Presence()
  presence.seen(0, hours * hourMs)
  for (let i = 0; i < losses; i += 1) presence.lost(hours * hourMs)
  return presence
}

test('the bounds are those of a Gamma distribution', () => {
  // Quantiles of Gamma(1, 1) and Gamma(10, 1), from tables of the chi-squared distribution.
  for (const [ends, low, high] of [
    [0, 0.051, 2.996],
    [9, 5.425, 15.705],
  ] as const) {
    const { lower, upper } = hazardOf(ends, hourMs)
    const rate = hourMs + 10 * 60_000
    assert.ok(Math.abs(upper * rate - high) < 0.03, `${upper * rate} is not ${high}`)
    assert.ok(lower * rate <= low * 1.02 && lower * rate > low * 0.7, `${lower * rate}`)
  }
})

test('a longer request survives less, whatever was seen', () => {
  const cases = fc.tuple(
    fc.nat({ max: 50 }),
    fc.nat({ max: 100 }),
    fc.integer({ min: 1, max: 1e6 }),
  )
  fc.assert(
    fc.property(cases, ([losses, hours, ms]) => {
      const { upper } = staying(hours, losses).hazard(hours * hourMs)
      assert.ok(survival(upper, ms) > survival(upper, 2 * ms))
      assert.ok(survival(upper, ms) <= 1 && survival(upper, ms) > 0)
    }),
  )
})

test('a loss makes it likelier to go, time that it stays less likely', () => {
  fc.assert(
    fc.property(fc.nat({ max: 20 }), fc.integer({ min: 1, max: 100 }), (losses, hours) => {
      const now = hours * hourMs
      const { upper, mean } = staying(hours, losses).hazard(now)
      assert.ok(staying(hours, losses + 1).hazard(now).mean > mean)
      assert.ok(staying(2 * hours, losses).hazard(2 * now).upper < upper)
    }),
  )
})

test('a newcomer is taken for one that stays less long than any that was seen to stay', () => {
  const newcomer = hazardOf(0, 0)
  assert.ok(staying(0.01).hazard(0.01 * hourMs).upper < newcomer.upper)
  // A request of ten seconds; after a day, and as a newcomer.
  assert.ok(survival(newcomer.upper, 10_000) < 0.96)
  assert.ok(survival(staying(24).hazard(24 * hourMs).upper, 10_000) > 0.999)
})

test('what was seen fades; in pieces or whole, it comes to the same', () => {
  const whole = staying(24)
  const pieces = new Presence()
  for (let hour = 0; hour < 24; hour += 1) pieces.seen(hour * hourMs, (hour + 1) * hourMs)
  const now = 24 * hourMs
  assert.ok(Math.abs(pieces.hazard(now).seenMs - whole.hazard(now).seenMs) < 1)
  const later = whole.hazard(now + presenceHalfLifeMs).seenMs
  assert.ok(Math.abs(later / whole.hazard(now).seenMs - 0.5) < 1e-9)
})

test('the quick series is as good as the exponential', () => {
  for (const x of [0, 1e-6, 0.001, 0.0099, 0.0101, 0.5, 30]) {
    assert.ok(Math.abs(survival(x, 1) - Math.exp(-x)) < 2e-7)
  }
})
