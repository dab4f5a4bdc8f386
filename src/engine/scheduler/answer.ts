/**
 * One answer being written: one choice of one request. Takes the logits of each step and turns
 * them into events, until an end token, a stop string or the limit.
 *
 * An answer that another node began goes through the same steps without a model first: text,
 * stop strings, penalties and the count of tokens are then what they were there. Only the
 * log-probabilities of tokens whose text was still held back need the model again: such tokens are
 * given to it one by one, as if they had just been picked.
 */
import {
  type FinishReason,
  type GenerationEvent,
  type GenerationRequest,
  IsochroneError,
  type TokenLogprob,
  type TokenLogprobs,
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
  /** undefined: of a token that was taken over, and is yet to be scored. */
  entry: TokenLogprobs | undefined
}

/** The logits that a token was picked from. */
interface Row {
  readonly rows: Float32Array
  readonly offset: number
}

const noLogprobs: readonly TokenLogprobs[] = []
const noEvents: readonly GenerationEvent[] = []
const noTokens: readonly number[] = []

export class Answer {
  readonly choice: number
  readonly promptIds: readonly number[]
  /** What the model reads before it writes: the prompt, and what was taken over. */
  readonly readIds: readonly number[]
  /** Tokens picked so far, here or before, the end token included. */
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
  /** Taken over and unread, to be scored one by one. */
  #unscored: readonly number[] = noTokens
  /** Repeats what was taken over, before anything new. */
  #repeated: readonly GenerationEvent[] = noEvents

  /** Errors: `invalid_request`. */
  constructor(options: AnswerOptions) {
    const { request, choice, promptIds, vocabularySize, buffers } = options
    this.#options = options
    this.choice = choice
    this.promptIds = promptIds
    const { sampling, continued } = request
    this.#sampler = new Sampler({ sampling, choice, promptIds, vocabularySize, buffers })
    this.#stops = new StopMatcher(request.stop)
    this.#stream = options.tokenizer.textStream()
    const taken = continued?.[choice] ?? noTokens
    if (taken.length > 0) this.#takeOver(taken)
    const readTokens = taken.length - this.#unscored.length
    this.readIds = readTokens === 0 ? promptIds : [...promptIds, ...taken.slice(0, readTokens)]
  }

  /**
   * Picks the next token and returns what can be shown of it.
   * @param rows logits of a step; this answer's row begins at `offset`
   */
  advance(rows: Float32Array, offset: number): readonly GenerationEvent[] {
    if (this.#unscored.length > 0) return this.#score({ rows, offset })
    const { promptIds } = this.#options
    const id = this.#sampler.pick(rows, offset, promptIds.length + this.completionTokens)
    const text = this.#add(id, { rows, offset })
    const events = this.#events([id], text)
    return this.#repeated.length === 0 ? events : [...this.takeRepeated(), ...events]
  }

  /** What was taken over, as events; once. Of an answer that was complete, its end as well. */
  takeRepeated(): readonly GenerationEvent[] {
    const repeated = this.#repeated
    this.#repeated = noEvents
    return repeated
  }

  /** Goes over tokens of another node. Errors: `invalid_request`. */
  #takeOver(ids: readonly number[]): void {
    let text = ''
    for (const id of ids) {
      if (this.reason !== null) {
        const message = `continued[${this.choice}] goes on behind the end of its answer.`
        throw new IsochroneError('invalid_request', message, { detail: { param: 'continued' } })
      }
      this.#sampler.accept(id)
      text += this.#add(id, undefined)
    }
    this.#release()
    if (this.reason === null) this.#unscored = ids.slice(ids.length - this.#held.length)
    this.#repeated = this.#events(ids, text, noLogprobs)
  }

  /** A token that was taken over, and whose log-probability could not be. */
  #score({ rows, offset }: Row): readonly GenerationEvent[] {
    const [id = -1, ...rest] = this.#unscored
    const held = this.#held[this.#held.length - this.#unscored.length]
    this.lastTokenId = id
    if (held !== undefined) held.entry = this.#scored({ rows, offset })
    this.#unscored = rest
    return noEvents
  }

  /**
   * One token more; gives the text that can be shown now.
   * @param row undefined: it was picked elsewhere
   */
  #add(id: number, row: Row | undefined): string {
    const { endTokenIds, tokensMax } = this.#options
    this.completionTokens += 1
    this.lastTokenId = id
    const isEnd = endTokenIds.has(id)
    const text = isEnd ? '' : this.#stream.push(id)
    if (!isEnd) this.#holdLogprob(row, text.length)
    let shown = this.#pass(text)
    if (this.reason === null && (isEnd || this.completionTokens >= tokensMax)) {
      shown += this.#pass(this.#stream.flush())
      if (this.reason === null) {
        shown += this.#stops.flush()
        this.reason = isEnd ? 'stop' : 'length'
      }
    }
    this.#shown += shown.length
    return shown
  }

  /** Through the stop strings. */
  #pass(text: string): string {
    this.#decoded += text.length
    const result = this.#stops.push(text)
    if (result.stopped) this.reason = 'stop'
    return result.text
  }

  #events(
    tokenIds: readonly number[],
    text: string,
    logprobs = this.#options.request.topLogprobs === null ? noLogprobs : this.#release(),
  ): readonly GenerationEvent[] {
    const { choice, reason } = this
    const delta: GenerationEvent = { type: 'delta', choice, text, tokenIds, logprobs, extra: null }
    return reason === null ? [delta] : [delta, { type: 'finish', choice, reason }]
  }

  #holdLogprob(row: Row | undefined, textLength: number): void {
    if (this.#options.request.topLogprobs === null) return
    this.#held.push({
      start: this.#decoded,
      end: this.#decoded + textLength,
      entry: row === undefined ? undefined : this.#scored(row),
    })
  }

  /** Of the last token. */
  #scored({ rows, offset }: Row): TokenLogprobs {
    const { request, vocabularySize: size } = this.#options
    const alternatives = request.topLogprobs ?? 0
    const scores = scoresOf(rows, { offset, size, tokenId: this.lastTokenId, alternatives })
    const top = scores.topIds.map((id, at) => this.#describe(id, scores.topLogprobs[at] ?? 0))
    return { ...this.#describe(this.lastTokenId, scores.logprob), top }
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
    return held.slice(0, count).flatMap(({ entry }) => (entry === undefined ? [] : [entry]))
  }
}
