/**
 * How much of the waiting prompts is read between two steps of the running answers: chunked
 * prefill with a bounded stall (Agrawal et al., "Sarathi-Serve", OSDI 2024). A decision only; the
 * scheduler tells it what each run took.
 */

export interface PrefillLimits {
  /** Prompt tokens in one run. */
  readonly prefillChunkTokens: number
  /** Time of one run while nobody is being answered. */
  readonly aloneMs: number
  /** What reading prompts may add to the time between two tokens of a running answer. */
  readonly stallMs: number
  /** The same in tokens, for a machine whose clock says that nothing takes time. */
  readonly stallTokensMax: number
}

/** A smaller run reads every weight for too few tokens: 16 cost a third more each than 128. */
export const chunkTokensMin = 32
/** Before anything was measured. */
const firstChunkTokens = 64
/** Of the newest measurement in the estimate: others share the machine, so each one is noisy. */
const weightOfNewest = 0.3

export class PrefillPace {
  readonly #limits: PrefillLimits
  #msPerToken: number | null = null
  /** The last step of the running answers. */
  #stepMs = 0
  /** Read since that step. */
  #stalledMs = 0
  #stalledTokens = 0

  constructor(limits: PrefillLimits) {
    this.#limits = limits
  }

  /**
   * How many tokens to read now, of a prompt with `unread` left.
   * @param isDelaying whether answers are running, which wait meanwhile
   * @returns 0: it is the running answers' turn
   */
  tokensNow(unread: number, isDelaying: boolean): number {
    const { prefillChunkTokens, aloneMs, stallMs, stallTokensMax } = this.#limits
    const most = Math.min(unread, prefillChunkTokens)
    const least = Math.min(chunkTokensMin, most)
    if (!isDelaying) return Math.min(most, Math.max(least, this.#tokensIn(aloneMs)))
    // Where a step itself takes longer, prompts get half of the time.
    const leftMs = Math.max(stallMs, this.#stepMs) - this.#stalledMs
    const tokens = Math.min(most, this.#tokensIn(leftMs), stallTokensMax - this.#stalledTokens)
    if (tokens >= least) return tokens
    // Every step lets at least one run pass, so that no prompt waits for ever.
    return this.#stalledTokens === 0 ? Math.min(least, stallTokensMax) : 0
  }

  #tokensIn(ms: number): number {
    return this.#msPerToken === null ? firstChunkTokens : Math.floor(ms / this.#msPerToken)
  }

  /** A run read so many tokens. */
  read(tokens: number, ms: number, isDelaying: boolean): void {
    if (tokens >= chunkTokensMin) {
      const newest = ms / tokens
      const before = this.#msPerToken ?? newest
      this.#msPerToken = before + weightOfNewest * (newest - before)
    }
    if (!isDelaying) return
    this.#stalledMs += ms
    this.#stalledTokens += tokens
  }

  /** The running answers had a step. */
  stepped(ms: number): void {
    this.#stepMs = ms
    this.#stalledMs = 0
    this.#stalledTokens = 0
  }
}

/**
 * Whose turn it is among prompts that are not read yet: the oldest's, and every other time that of
 * the one with the least left. So a short prompt does not wait behind a long one, and a long one
 * always gets half.
 * @param unread tokens left of each, the oldest first
 * @returns an index; −1 for none
 */
export function promptInTurn(unread: readonly number[], turn: number): number {
  if (unread.length === 0 || turn % 2 === 0) return unread.length === 0 ? -1 : 0
  let shortest = 0
  for (const [i, tokens] of unread.entries()) {
    if (tokens < (unread[shortest] ?? 0)) shortest = i
  }
  return shortest
}
