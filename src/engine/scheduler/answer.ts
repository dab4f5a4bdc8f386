/**
 * One answer being written: one choice of one request. Takes the logits of each step and turns
 * them into events, until an end token, a stop string or the limit.
 */
import type {
  FinishReason,
  GenerationEvent,
  GenerationRequest,
  TokenLogprob,
  TokenLogprobs,
} from '../../protocol/index.ts'
import { scoresOf } from '../sampling/logprobs.ts'
import { Sampler, type SamplingBuffers } from '../sampling/sampler.ts'
import { StopMatcher } from '../stop-strings.ts'
import type { TextStream } from '../tokenizer/text-stream.ts'
import type { Tokenizer } from '../tokenizer/tokenizer.ts'

export interface AnswerOptions {
  readonly request: GenerationRequest
  readonly choice: number
  readonly promptIds: readonly number[]
  /** At least 1. */
  readonly tokensMax: number
  readonly endTokenIds: ReadonlySet<number>
  readonly vocabularySize: number
  readonly tokenizer: Tokenizer
  readonly buffers: SamplingBuffers
}

/** A token's log-probability, kept until its text may be shown. */
interface HeldLogprob {
  readonly start: number
  readonly end: number
  readonly entry: TokenLogprobs
}

const noLogprobs: readonly TokenLogprobs[] = []

export class Answer {
  readonly choice: number
  readonly promptIds: readonly number[]
  /** Tokens picked so far, the end token included. */
  completionTokens = 0
  lastTokenId = -1
  reason: FinishReason | null = null
  readonly #options: AnswerOptions
  readonly #sampler: Sampler
  readonly #stops: StopMatcher
  readonly #stream: TextStream
  /** Characters decoded, and those of them that were shown. */
  #decoded = 0
  #shown = 0
  #held: HeldLogprob[] = []

  /** Errors: `invalid_request`. */
  constructor(options: AnswerOptions) {
    const { request, choice, promptIds, vocabularySize, buffers } = options
    this.#options = options
    this.choice = choice
    this.promptIds = promptIds
    const { sampling } = request
    this.#sampler = new Sampler({ sampling, choice, promptIds, vocabularySize, buffers })
    this.#stops = new StopMatcher(request.stop)
    this.#stream = options.tokenizer.textStream()
  }

  /**
   * Picks the next token and returns what can be shown of it.
   * @param rows logits of a step; this answer's row begins at `offset`
   */
  advance(rows: Float32Array, offset: number): GenerationEvent[] {
    const { endTokenIds, tokensMax, promptIds } = this.#options
    const id = this.#sampler.pick(rows, offset, promptIds.length + this.completionTokens)
    this.completionTokens += 1
    this.lastTokenId = id
    const isEnd = endTokenIds.has(id)
    const text = isEnd ? '' : this.#stream.push(id)
    if (!isEnd) this.#holdLogprob(rows, offset, text.length)
    let shown = this.#pass(text)
    if (this.reason === null && (isEnd || this.completionTokens >= tokensMax)) {
      shown += this.#pass(this.#stream.flush())
      if (this.reason === null) {
        shown += this.#stops.flush()
        this.reason = isEnd ? 'stop' : 'length'
      }
    }
    this.#shown += shown.length
    return this.#events(id, shown)
  }

  /** Through the stop strings. */
  #pass(text: string): string {
    this.#decoded += text.length
    const result = this.#stops.push(text)
    if (result.stopped) this.reason = 'stop'
    return result.text
  }

  #events(id: number, text: string): GenerationEvent[] {
    const delta: GenerationEvent = {
      type: 'delta',
      choice: this.choice,
      text,
      tokenIds: [id],
      logprobs: this.#options.request.topLogprobs === null ? noLogprobs : this.#release(),
      extra: null,
    }
    if (this.reason === null) return [delta]
    return [delta, { type: 'finish', choice: this.choice, reason: this.reason }]
  }

  #holdLogprob(rows: Float32Array, offset: number, textLength: number): void {
    const { request, vocabularySize: size } = this.#options
    if (request.topLogprobs === null) return
    const scores = scoresOf(rows, {
      offset,
      size,
      tokenId: this.lastTokenId,
      alternatives: request.topLogprobs,
    })
    const top = scores.topIds.map((id, at) => this.#describe(id, scores.topLogprobs[at] ?? 0))
    this.#held.push({
      start: this.#decoded,
      end: this.#decoded + textLength,
      entry: { ...this.#describe(this.lastTokenId, scores.logprob), top },
    })
  }

  #describe(id: number, logprob: number): TokenLogprob {
    const { tokenizer } = this.#options
    // JSON has no −∞; OpenAI uses −9999 for "so improbable that it does not matter".
    const finite = Number.isFinite(logprob) ? logprob : -9999
    return { token: tokenizer.tokenText(id), logprob: finite, bytes: [...tokenizer.bytesOf(id)] }
  }

  /** Tokens whose text is shown; of a stop string nothing, not even its log-probabilities. */
  #release(): readonly TokenLogprobs[] {
    const held = this.#held
    const done = this.reason !== null
    let count = 0
    while (count < held.length) {
      const { start, end } = held[count] as HeldLogprob
      if (done ? start >= this.#shown && end > this.#shown : end > this.#shown) break
      count += 1
    }
    if (count === 0) return noLogprobs
    this.#held = done ? [] : held.slice(count)
    return held.slice(0, count).map(({ entry }) => entry)
  }
}
