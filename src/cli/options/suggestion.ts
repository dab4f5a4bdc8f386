/**
 * "Did you mean …?": the nearest of the known words, when one is near enough to be meant.
 */

/** ` (did you mean "port"?)`, or nothing. */
export function suggest(given: string, known: readonly string[]): string {
  const nearest = nearestOf(given, known)
  return nearest === undefined ? '' : ` (did you mean "${nearest}"?)`
}

export function nearestOf(given: string, known: readonly string[]): string | undefined {
  // Long input is no typing error; it also bounds the work below.
  if (given.length > 64) return undefined
  let best: { readonly word: string; readonly distance: number } | undefined
  for (const word of known) {
    const distance = word.startsWith(given) && given.length >= 3 ? 1 : editDistance(given, word)
    if (best === undefined || distance < best.distance) best = { word, distance }
  }
  if (best === undefined) return undefined
  return best.distance <= Math.max(1, Math.floor(best.word.length / 3)) ? best.word : undefined
}

/**
 * Optimal string alignment: insertions, deletions, replacements, and swaps of neighbours, each
 * costs 1.
 */
function editDistance(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, j) => j)]
  for (let i = 1; i <= a.length; i += 1) {
    const row = [i]
    for (let j = 1; j <= b.length; j += 1) {
      const replaced = at(rows, i - 1, j - 1) + (a[i - 1] === b[j - 1] ? 0 : 1)
      let cost = Math.min(replaced, at(rows, i - 1, j) + 1, (row[j - 1] ?? 0) + 1)
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      if (swapped) cost = Math.min(cost, at(rows, i - 2, j - 2) + 1)
      row.push(cost)
    }
    rows.push(row)
  }
  return at(rows, a.length, b.length)
}

function at(rows: readonly (readonly number[])[], i: number, j: number): number {
  return rows[i]?.[j] ?? 0
}
