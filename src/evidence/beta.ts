/**
 * The Beta distribution: its cumulative probability and quantiles, for bounds on probabilities.
 *
 * The regularised incomplete beta function by its continued fraction, evaluated by the modified
 * Lentz method (Press et al., Numerical Recipes, 3rd ed., section 6.4); the quantile by Newton's
 * method inside a bracket, which halves the bracket wherever a step would leave it, and so always
 * converges.
 */
import { assert } from '../base/index.ts'

/** The fraction needs about √max(a, b) terms; this is enough for a and b up to 10^7. */
const fractionTermsMax = 10_000
/** Halving [0, 1] this often reaches the smallest difference that a double near zero can show. */
const quantileStepsMax = 200
const relativePrecision = 1e-14
/** Newton's method doubles the digits: after a step this small another one changes nothing. */
const lastStepMax = 1e-9
const tiny = 1e-300

/**
 * P(X ≤ x) for X ~ Beta(a, b).
 * @param a above 0
 * @param b above 0
 * @param x 0 to 1
 */
export function betaCumulative(a: number, b: number, x: number): number {
  assert(a > 0 && b > 0, 'the parameters of a Beta distribution are positive')
  if (x <= 0) return 0
  if (x >= 1) return 1
  return cumulativeFrom(densityFactor({ a, b, scale: logScale(a, b) }, x), { a, b }, x)
}

/**
 * The x with P(X ≤ x) = probability for X ~ Beta(a, b).
 * @param probability 0 to 1
 */
export function betaQuantile(a: number, b: number, probability: number): number {
  assert(a > 0 && b > 0, 'the parameters of a Beta distribution are positive')
  if (probability <= 0) return 0
  if (probability >= 1) return 1
  if (b === 1) return probability ** (1 / a)
  if (a === 1) return -Math.expm1(Math.log1p(-probability) / b)
  let low = 0
  let high = 1
  let x = a / (a + b)
  const parameters = { a, b, scale: logScale(a, b) }
  for (let step = 0; step < quantileStepsMax; step += 1) {
    const factor = densityFactor(parameters, x)
    const error = cumulativeFrom(factor, parameters, x) - probability
    if (error === 0) return x
    if (error > 0) high = x
    else low = x
    // density(x) = factor / (x (1 − x)), so Newton's step needs no further special function.
    const newton = x - (error * x * (1 - x)) / factor
    const isNewton = newton > low && newton < high
    const next = isNewton ? newton : (low + high) / 2
    const step = Math.abs(next - x)
    // Near 1 it is the distance to 1 that has to be right.
    const small = isNewton ? lastStepMax * Math.min(next, 1 - next) : relativePrecision * next
    if (step <= small) return next
    x = next
  }
  return x
}

interface Parameters {
  readonly a: number
  readonly b: number
  /** What all x share; most of the work of a density. */
  readonly scale: number
}

/** −ln B(a, b). */
function logScale(a: number, b: number): number {
  return logGamma(a + b) - logGamma(a) - logGamma(b)
}

/** x^a (1 − x)^b / B(a, b). */
function densityFactor({ a, b, scale }: Parameters, x: number): number {
  return Math.exp(scale + a * Math.log(x) + b * Math.log1p(-x))
}

function cumulativeFrom(factor: number, { a, b }: Omit<Parameters, 'scale'>, x: number): number {
  // The fraction converges fast only on the near side of the mean; the other side by symmetry.
  if (x < (a + 1) / (a + b + 2)) return (factor * continuedFraction(a, b, x)) / a
  return 1 - (factor * continuedFraction(b, a, 1 - x)) / b
}

function continuedFraction(a: number, b: number, x: number): number {
  let c = 1
  let d = 1 / awayFromZero(1 - ((a + b) * x) / (a + 1))
  let value = d
  for (let m = 1; m <= fractionTermsMax; m += 1) {
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m))
    d = 1 / awayFromZero(1 + even * d)
    c = awayFromZero(1 + even / c)
    value *= c * d
    const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1))
    d = 1 / awayFromZero(1 + odd * d)
    c = awayFromZero(1 + odd / c)
    const factor = c * d
    value *= factor
    if (Math.abs(factor - 1) < relativePrecision) break
  }
  return value
}

function awayFromZero(x: number): number {
  return Math.abs(x) < tiny ? tiny : x
}

/** Lanczos' approximation with g = 7 and 9 terms; relative error about 10^-15. */
const lanczosG = 7
const lanczos = [
  0.99999999999980993, 676.5203681218851, -1259.1392167224028, 771.32342877765313,
  -176.61502916214059, 12.507343278686905, -0.13857109526572012, 9.9843695780195716e-6,
  1.5056327351493116e-7,
] as const

/** ln Γ(x) for x above 0. */
export function logGamma(x: number): number {
  if (x < 0.5) return Math.log(Math.PI / Math.sin(Math.PI * x)) - logGamma(1 - x)
  const shifted = x - 1
  let sum: number = lanczos[0]
  for (let i = 1; i < lanczos.length; i += 1) sum += (lanczos[i] ?? 0) / (shifted + i)
  const t = shifted + lanczosG + 0.5
  return 0.5 * Math.log(2 * Math.PI) + (shifted + 0.5) * Math.log(t) - t + Math.log(sum)
}
