/** Means of few runs, and how far off they may be. */
export interface Interval {
  readonly mean: number
  /** Half of the 95 % confidence interval (Student, 1908); 0 for a single value. */
  readonly half: number
}

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length)
}

/** Of differences that were taken run by run. */
export function difference(values: readonly number[]): Interval {
  const middle = mean(values)
  const freedom = values.length - 1
  if (freedom < 1) return { mean: middle, half: 0 }
  const squares = values.reduce((sum, value) => sum + (value - middle) ** 2, 0)
  const deviation = Math.sqrt(squares / freedom)
  return { mean: middle, half: (studentOf(freedom) * deviation) / Math.sqrt(values.length) }
}

/** Two-sided 95 %, for 1 degree of freedom and more. */
const student = [
  12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.16, 2.145,
  2.131, 2.12, 2.11, 2.101, 2.093, 2.086,
] as const

function studentOf(freedom: number): number {
  return student[freedom - 1] ?? 2.06
}
