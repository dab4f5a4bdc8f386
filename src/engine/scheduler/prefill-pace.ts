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
  /** The same where runs have a high price of their own, however few tokens they read. */
  readonly slowStallMs: number
  /** The same in tokens, for a machine whose clock says that nothing takes time. */
  readonly stallTokensMax: number
}

/** A smaller run reads every weight for too few tokens: 16 cost a third more each than 128. */
export const chunkTokensMin = 32
/**
 * A stall lasts so many times as long as what a run costs before its first token. It costs two of
 * these, that of its own run and that of the step after it, in which not all slots take part.
 */
export const fixedCostsPerStall = 10
/** A stall's rest is left to the running answers unless a run of this length fits. */
const fixedCostsPerRun = 4
/** Before anything was measured. */
const firstChunkTokens = 64
/** Deeper in a prompt a token costs more: up to here as in the beginning, then by powers of two. */
const depthTokens = 128
/** Of the newest measurement in the estimate: others share the machine, so each one is noisy. */
const weightOfNewest = 0.3

/** How far a prompt is read. */
export interface PromptPlace {
  readonly position: number
  readonly unread: number
}

/** One run over a prompt, as it went. */
export interface PromptRun {
  readonly position: number
  readonly tokens: number
  readonly ms: number
}

export class PrefillPace {
  readonly #limits: PrefillLimits
  /** By depth. */
  readonly #msPerToken: number[] = []
  /** Of these the one measured last. */
  #newestMsPerToken: number | null = null
  /** The last step of the running answers. */
  #stepMs = 0
  /** What the last two steps cost beyond their tokens. */
  #fixedMs = 0
  #fixedBeforeMs = 0
  /** Read since that step. */
  #stalledMs = 0
  #stalledTokens = 0

  constructor(limits: PrefillLimits) {
    this.#limits = limits
  }

  /**
   * How many tokens to read now of a prompt.
   * @param isDelaying whether answers are running, which wait meanwhile
   * @returns 0: it is the running answers' turn
   */
  tokensNow({ position, unread }: PromptPlace, isDelaying: boolean): number {
    const { prefillChunkTokens, aloneMs, stallTokensMax } = this.#limits
    const most = Math.min(unread, prefillChunkTokens)
    const least = Math.min(chunkTokensMin, most)
    const wholeMs = this.#wholeStallMs()
    if (!isDelaying) {
      return Math.min(most, Math.max(least, this.#tokensIn(Math.max(aloneMs, wholeMs), position)))
    }
    const leftMs = wholeMs - this.#stalledMs
    const tokens = Math.min(
      most,
      this.#tokensIn(leftMs, position),
      stallTokensMax - this.#stalledTokens,
    )
    // Every step lets at least one run pass, so that no prompt waits for ever.
    if (this.#stalledTokens === 0) return Math.max(tokens, Math.min(least, stallTokensMax))
    const worthIt = Math.max(least, this.#tokensIn(fixedCostsPerRun * this.#runCostMs(), position))
    return tokens >= Math.min(worthIt, most) ? tokens : 0
  }

  /** From one step to the next. Where a step itself takes longer, prompts get half of the time. */
  #wholeStallMs(): number {
    const { stallMs, slowStallMs } = this.#limits
    const paying = Math.min(fixedCostsPerStall * this.#runCostMs(), slowStallMs)
    return Math.max(stallMs, this.#stepMs, paying)
  }

  /** Of two steps the cheaper one's: one hiccup of the machine says nothing. */
  #runCostMs(): number {
    return Math.min(this.#fixedMs, this.#fixedBeforeMs)
  }

  #tokensIn(ms: number, position: number): number {
    const msPerToken = this.#msPerToken[depthOf(position)] ?? this.#newestMsPerToken
    if (msPerToken === null) return firstChunkTokens
    return msPerToken === 0 ? Number.POSITIVE_INFINITY : Math.floor(ms / msPerToken)
  }

  read({ position, tokens, ms }: PromptRun, isDelaying: boolean): void {
    if (tokens >= chunkTokensMin) {
      const depth = depthOf(position)
      const newest = ms / tokens
      const before = this.#msPerToken[depth] ?? newest
      this.#newestMsPerToken = before + weightOfNewest * (newest - before)
      this.#msPerToken[depth] = this.#newestMsPerToken
    }
    if (!isDelaying) return
    this.#stalledMs += ms
    this.#stalledTokens += tokens
  }

  /** The running answers had a step, with a token of each. */
  stepped(ms: number, answers: number): void {
    this.#fixedBeforeMs = this.#fixedMs
    this.#fixedMs = Math.max(0, ms - answers * (this.#newestMsPerToken ?? 0))
    this.#stepMs = ms
    this.#stalledMs = 0
    this.#stalledTokens = 0
  }
}

function depthOf(position: number): number {
  return position < depthTokens ? 0 : 1 + Math.floor(Math.log2(position / depthTokens))
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
