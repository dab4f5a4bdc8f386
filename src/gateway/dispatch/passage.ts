/**
 * One answer on its way to its client, from one worker, or from several that go on one behind the
 * other.
 *
 * What the client has is noted only where it is of use: of answers by workers that say they can go
 * on, with a model that is known by its digest.
 */
import {
  asIsochroneError,
  type GenerationEvent,
  type GenerationRequest,
  type OfferedModel,
} from '../../protocol/index.ts'
import type { Continuation } from '../../routing/index.ts'
import { provesForgery } from './attribution.ts'
import { Splice } from './splice.ts'
import type { Figures } from './trail.ts'
import type { WorkerCall } from './worker-call.ts'
import { Written } from './written.ts'

export interface Asked {
  readonly request: GenerationRequest
  /** Of the further prompts, where there are several. */
  readonly further: readonly GenerationRequest[]
}

export interface PassageLimits {
  /** In a row, without that the client got anything of them. */
  readonly attemptsMax: number
  /** Of one answer. */
  readonly continuationsMax: number
}

export class Passage {
  readonly asked: Asked
  readonly offer: OfferedModel
  /** undefined: nobody could go on with this answer. */
  readonly written: Written | undefined
  readonly #limits: PassageLimits
  #call: WorkerCall | undefined
  #splice: Splice | undefined
  /** Of the first worker: what the client waited. */
  #ttftMs: number | null | undefined
  #continuations = 0
  #inVain = 0
  /** Monotonic ms of what the client got last; undefined: no pause to be told. */
  #pausedSinceMs: number | undefined

  constructor(asked: Asked, offer: OfferedModel, limits: PassageLimits) {
    this.asked = asked
    this.offer = offer
    this.#limits = limits
    const { request, further } = asked
    const isOne = offer.digest !== null && offer.features.includes('continuation')
    this.written = isOne ? new Written(request.choices * (1 + further.length)) : undefined
  }

  begin(call: WorkerCall): void {
    this.#call = call
  }

  /** Of the worker that is at it. */
  get call(): WorkerCall {
    if (this.#call === undefined) throw new TypeError('a passage begins with a call')
    return this.#call
  }

  /** What is new to the client; throws `continuation_differs`. */
  take(batch: readonly GenerationEvent[]): readonly GenerationEvent[] {
    const { written } = this
    if (written === undefined) return batch
    const fresh = this.#splice === undefined ? batch : this.#splice.pass(batch)
    written.add(fresh)
    if (fresh.length > 0) this.#inVain = 0
    return fresh
  }

  /** What somebody has to be able to do to go on; undefined: nobody can, or need. */
  get continuation(): Continuation | undefined {
    const { written, offer } = this
    if (written === undefined || !written.hasBegun || !written.isWhole) return undefined
    if (offer.digest === null || this.#continuations >= this.#limits.continuationsMax) {
      return undefined
    }
    if (this.#inVain >= this.#limits.attemptsMax) return undefined
    const { maxTokens } = this.asked.request
    const contextTokensMax = maxTokens === null ? offer.contextTokensMax : null
    return { digest: offer.digest, tokens: written.tokens, contextTokensMax }
  }

  /**
   * Whether somebody may go on after this failure. What a proven forger wrote is not completed
   * under another one's signature; of one that was caught elsewhere, only what the client has.
   */
  goesOnAfter(error: unknown): boolean {
    const { code } = asIsochroneError(error)
    if (code === 'client_closed_request' || provesForgery(code)) return false
    if (code === 'node_quarantined' && this.asked.request.whole) return false
    return this.continuation !== undefined
  }

  /** The worker that was at it failed: another one's turn to go on. */
  breakOff(): void {
    const { call } = this
    this.#ttftMs ??= call.figures().ttftMs
    this.#pausedSinceMs ??= call.lastTokenAtMs
    this.#continuations += 1
    this.#inVain += 1
  }

  /** The requests that bring what is there. */
  continued(): Asked {
    const { written, asked } = this
    if (written === undefined) return asked
    this.#splice = new Splice(written)
    const all = written.choices.map(({ tokenIds }) => [...tokenIds])
    const { choices } = asked.request
    const part = (request: GenerationRequest, index: number) => ({
      ...request,
      continued: all.slice(index * choices, (index + 1) * choices),
    })
    return {
      request: part(asked.request, 0),
      further: asked.further.map((request, i) => part(request, i + 1)),
    }
  }

  /** Monotonic ms of what the client got before a pause, told once; undefined: there was none. */
  takePause(): number | undefined {
    const sinceMs = this.#pausedSinceMs
    this.#pausedSinceMs = undefined
    return sinceMs
  }

  figures(): Figures {
    const figures = this.call.figures()
    if (this.#ttftMs === undefined) return figures
    // Who was to go on and did not has counted less than what the client has.
    const deltaTokens = Math.max(figures.deltaTokens, this.written?.tokens ?? 0)
    return { ...figures, ttftMs: this.#ttftMs, deltaTokens }
  }
}
