/**
 * Tokens of prompts that a node has still to read, from what it said last and from what this
 * gateway did since. A new request waits for about as long as they take: one prompt of 12,000
 * tokens is more than thirty of 300, which a number of requests does not show.
 *
 * One's own are known exactly: when they were sent, and that their first token has not come. Of
 * the others' the node says how much they are; from then on they are taken to be read at its rate.
 */
import { assert } from '../../base/index.ts'

/** A request of this gateway that is under way, and whose first token has not come. */
export interface UnreadPrompt {
  readonly tokens: number
  /** Monotonic ms. */
  readonly sentAtMs: number
}

export interface SaidPrompts {
  /** Of all prompts there, what is not read yet. */
  readonly tokens: number
  readonly saidAtMs: number
}

export interface ReadingOptions {
  /** Of the link, there and back. */
  readonly roundTripMs: number
  /** How fast prompts are read there; 0: not measured. */
  readonly tokensPerSecond: number
}

/** Longer than this a word says nothing of what others have there now. */
const saidAgeMsMax = 10_000

export class PromptsAhead {
  /** In the order in which they were sent. */
  readonly #own: UnreadPrompt[] = []
  #ownTokens = 0
  #lastReadAtMs = Number.NEGATIVE_INFINITY
  #said: SaidPrompts | undefined
  /** Of the word, what can only be others'. */
  #othersTokens = 0

  get ownTokens(): number {
    return this.#ownTokens
  }

  /** @returns to be given back at its first token, or at its end */
  sent(tokens: number, nowMs: number): UnreadPrompt {
    const prompt = { tokens: Math.max(0, tokens), sentAtMs: nowMs }
    this.#own.push(prompt)
    this.#ownTokens += prompt.tokens
    return prompt
  }

  /** Its first token came, or it ended without one; once more changes nothing. */
  read(prompt: UnreadPrompt, nowMs: number): void {
    const at = this.#own.indexOf(prompt)
    if (at === -1) return
    this.#own.splice(at, 1)
    this.#ownTokens = this.#own.length === 0 ? 0 : this.#ownTokens - prompt.tokens
    assert(this.#ownTokens >= 0, 'no more is read than was sent')
    this.#lastReadAtMs = nowMs
  }

  /**
   * The node spoke. Whatever of this gateway's it had not read by then is unread here too, since
   * a first token comes behind the word that was sent before it.
   */
  learn(said: SaidPrompts, { roundTripMs }: ReadingOptions): void {
    let own = 0
    for (const { sentAtMs, tokens } of this.#own) {
      if (sentAtMs <= said.saidAtMs - roundTripMs / 2) own += tokens
    }
    this.#said = said
    this.#othersTokens = Math.max(0, said.tokens - own)
  }

  /** A new connection: what was said is of an earlier life. */
  startAnew(): void {
    this.#said = undefined
    this.#othersTokens = 0
  }

  /** undefined: the node never said. */
  tokensAt(nowMs: number, options: ReadingOptions): number | undefined {
    const said = this.#said
    if (said === undefined) return undefined
    const perMs = options.tokensPerSecond / 1_000
    const elapsedMs = Math.max(0, nowMs - said.saidAtMs)
    const others = elapsedMs > saidAgeMsMax ? 0 : this.#othersTokens
    // All is read in its turn; but one's own is there until its first token comes.
    const left = others + this.#ownTokens - perMs * elapsedMs
    return Math.max(left, this.#ownLeft(nowMs, perMs, options.roundTripMs / 2))
  }

  /** One's own, with the first of them read in part. */
  #ownLeft(nowMs: number, perMs: number, wayMs: number): number {
    const first = this.#own[0]
    if (first === undefined) return 0
    const sinceMs = nowMs - Math.max(first.sentAtMs + wayMs, this.#lastReadAtMs - wayMs)
    return this.#ownTokens - Math.min(first.tokens, Math.max(0, sinceMs) * perMs)
  }
}
