/** Medians and quantiles: what a noisy machine leaves of many measurements. */

/**
 * The value below which the given share lies, between neighbours by a straight line; NaN for none.
 */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  const position = (sorted.length - 1) * share
  const below = sorted[Math.floor(position)] ?? Number.NaN
  const above = sorted[Math.ceil(position)] ?? Number.NaN
  return below + (above - below) * (position - Math.floor(position))
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5)
}

/** Without the largest of the given share: of many alike, what was held up says nothing. */
export function meanWithoutSlowest(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  const kept = sorted.slice(0, Math.max(1, Math.ceil(sorted.length * (1 - share))))
  return kept.reduce((sum, value) => sum + value, 0) / kept.length
}

/** The same order turned by `by`: each round begins with another target. */
export function rotated<T>(values: readonly T[], by: number): readonly T[] {
  const start = values.length === 0 ? 0 : by % values.length
  return [...values.slice(start), ...values.slice(0, start)]
}
