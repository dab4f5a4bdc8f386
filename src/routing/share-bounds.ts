/** Bounds of a share that was seen of so many, at 5 % each (Wilson, 1927). */

/** Of the normal distribution, in deviations. */
export const percentile95 = 1.645
const z = percentile95

export function shareAtLeast(share: number, total: number): number {
  return Math.max(0, (middleOf(share, total) - spreadOf(share, total)) / scaleOf(total))
}

export function shareAtMost(share: number, total: number): number {
  return Math.min(1, (middleOf(share, total) + spreadOf(share, total)) / scaleOf(total))
}

function middleOf(share: number, total: number): number {
  return share + (z * z) / (2 * total)
}

function spreadOf(share: number, total: number): number {
  return z * Math.sqrt((share * (1 - share)) / total + (z * z) / (4 * total * total))
}

function scaleOf(total: number): number {
  return 1 + (z * z) / total
}
