/**
 * Log-probabilities of the model's own distribution, before temperature, penalties and truncation.
 */
export interface TokenScores {
  readonly logprob: number
  /** The most probable tokens, best first, ties by lowest id. */
  readonly topIds: readonly number[]
  readonly topLogprobs: readonly number[]
}

/** OpenAI's `top_logprobs` goes to 20. */
export const alternativesMax = 20

const topIds = new Int32Array(alternativesMax)
const topLogits = new Float64Array(alternativesMax)

export interface ScoredRow {
  /** Where the row begins in `rows`. */
  readonly offset: number
  readonly size: number
  readonly tokenId: number
  /** How many of the most probable tokens, 0 to 20. */
  readonly alternatives: number
}

/** @param rows logits of one or more answers */
export function scoresOf(rows: Float32Array, row: ScoredRow): TokenScores {
  const { offset, size, tokenId, alternatives } = row
  let most = Number.NEGATIVE_INFINITY
  for (let i = 0; i < size; i += 1) {
    const logit = rows[offset + i] as number
    if (logit > most) most = logit
  }
  let sum = 0
  for (let i = 0; i < size; i += 1) sum += Math.exp((rows[offset + i] as number) - most)
  const logSum = most + Math.log(sum)
  const count = fillTop(rows, row, Math.min(alternatives, alternativesMax, size))
  return {
    logprob: (rows[offset + tokenId] as number) - logSum,
    topIds: Array.from(topIds.subarray(0, count)),
    topLogprobs: Array.from(topLogits.subarray(0, count), (logit) => logit - logSum),
  }
}

/** Insertion into a short sorted list: nearly every token fails the first comparison. */
function fillTop(rows: Float32Array, row: ScoredRow, wanted: number): number {
  const { offset, size } = row
  if (wanted === 0) return 0
  let count = 0
  for (let id = 0; id < size; id += 1) {
    const logit = rows[offset + id] as number
    if (count === wanted && !(logit > (topLogits[wanted - 1] as number))) continue
    let at = count < wanted ? count : wanted - 1
    while (at > 0 && (topLogits[at - 1] as number) < logit) {
      topLogits[at] = topLogits[at - 1] as number
      topIds[at] = topIds[at - 1] as number
      at -= 1
    }
    topLogits[at] = logit
    topIds[at] = id
    if (count < wanted) count += 1
  }
  return count
}
