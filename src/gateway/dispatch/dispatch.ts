/**
 * Carries a routed request to workers until one answers.
 *
 * As long as the client has seen nothing of an answer, a failure that another worker may not have
 * is tried again elsewhere, within the request's time; so is a node's refusal that no other node
 * has confirmed. Afterwards it is an explicit `stream_interrupted`.
 */
import type { Clock, Log } from '../../base/index.ts'
import {
  type EmbeddingRequest,
  type EmbeddingResult,
  type GenerationEvent,
  type GenerationRequest,
  IsochroneError,
  type OfferedModel,
} from '../../protocol/index.ts'
import type { Decision } from '../../routing/index.ts'
import type { GatewayLimits } from '../limits.ts'
import { offerOf } from '../workers/registry.ts'
import type { Worker } from '../workers/worker.ts'
import { workerError } from './attribution.ts'
import type { Departure } from './departure.ts'
import { Interruption } from './interruption.ts'
import { type Router, refusalError } from './router.ts'
import { type Figures, noFigures, type Trail, type TrailModules } from './trail.ts'
import { WorkerCall } from './worker-call.ts'

export interface DispatchModules extends TrailModules {
  readonly clock: Clock
  readonly log: Log
  readonly router: Router
}

export type DispatchLimits = Pick<
  GatewayLimits,
  'attemptsMax' | 'firstTokenMs' | 'wholeAnswerMs' | 'silenceMs' | 'totalMs'
>

/** A request on its way. */
export interface Journeying {
  readonly trail: Trail
  /** Monotonic ms at which it arrived. */
  readonly arrivedAtMs: number
  /** Told when the client left. */
  readonly departure: Departure
  /** The requests of the further prompts, where there are several. */
  readonly further: readonly GenerationRequest[]
}

/** An answer whose first batch is there. */
export interface Answer {
  readonly worker: Worker
  readonly offer: OfferedModel
  /**
   * All batches, the first of them at once. Throws `stream_interrupted`, or
   * `client_closed_request`. Must be read right away: the attempt ends when the loop over it does.
   */
  readonly batches: AsyncIterable<readonly GenerationEvent[]>
  figures(): Figures
}

export interface WholeAnswer {
  readonly worker: Worker
  readonly offer: OfferedModel
  /** Records the attempt's end; to be called once, when the answer was rendered. */
  completed(): Figures
}

interface Target {
  readonly worker: Worker
  readonly offer: OfferedModel
}

export class Dispatch {
  readonly #limits: DispatchLimits
  readonly #modules: DispatchModules

  constructor(limits: DispatchLimits, modules: DispatchModules) {
    this.#limits = limits
    this.#modules = modules
  }

  /** Resolves with the first batch of an answer. The loop over its `batches` ends the attempt. */
  stream(request: GenerationRequest, journeying: Journeying): Promise<Answer> {
    return this.#attempts(journeying, async (target) => {
      const call = this.#call(request, target, journeying)
      try {
        const first = (await call.next()) ?? []
        const batches = this.#batches(first, call, journeying)
        return { ...target, batches, figures: () => call.figures() }
      } catch (error) {
        throw this.#failed(error, call, journeying)
      }
    })
  }

  /** Gives every batch of an answer to `collector()`, made anew for each attempt. */
  whole<T extends { batch(events: readonly GenerationEvent[]): void }>(
    request: GenerationRequest,
    journeying: Journeying,
    collector: () => T,
  ): Promise<WholeAnswer & { readonly collected: T }> {
    return this.#attempts(journeying, async (target) => {
      const collected = collector()
      const call = this.#call(request, target, journeying)
      try {
        for (;;) {
          const batch = await call.next()
          if (batch === undefined) break
          collected.batch(batch)
        }
      } catch (error) {
        throw this.#failed(error, call, journeying)
      }
      const completed = () => {
        const figures = call.figures()
        journeying.trail.completed(figures)
        return figures
      }
      return { ...target, collected, completed }
    })
  }

  embed(
    request: EmbeddingRequest,
    journeying: Journeying,
  ): Promise<{ readonly worker: Worker; readonly result: EmbeddingResult }> {
    const { trail, departure } = journeying
    return this.#attempts(journeying, async ({ worker, offer }) => {
      const interruption = new Interruption()
      departure.watch(interruption)
      const deadlineMs = this.#leftMs(journeying)
      const timer = this.#modules.clock.after(deadlineMs, () =>
        interruption.interrupt(new IsochroneError('deadline_exceeded', 'The time is used up.')),
      )
      try {
        const asked = { ...request, modelDigest: offer.digest }
        const limits = { signal: interruption.signal, deadlineMs }
        const result = await interruption.wait(worker.embed(asked, limits), asItCame)
        if (result.vectors.length !== request.input.length) {
          throw new IsochroneError('node_failed', 'The node gave another number of vectors.')
        }
        const usage = { promptTokens: result.promptTokens, completionTokens: 0, cachedTokens: 0 }
        trail.completed({ ...noFigures, usage: { type: 'usage', ...usage } })
        return { worker, result }
      } catch (error) {
        throw this.#ended(error, noFigures, journeying)
      } finally {
        timer.cancel()
        departure.unwatch(interruption)
      }
    })
  }

  /**
   * One attempt after the other, each at another worker, until one succeeds or there is no use in
   * going on.
   */
  async #attempts<T>(journeying: Journeying, attempt: (target: Target) => Promise<T>): Promise<T> {
    const { trail, departure } = journeying
    let failure = refusalError(trail.decision)
    if (failure !== undefined) throw failure
    for (let count = 1; ; count += 1) {
      const target = this.#target(trail)
      try {
        if (target === undefined) throw this.#vanished(trail)
        return await attempt(target)
      } catch (error) {
        failure = error as IsochroneError
      }
      const isLast = !(failure.retryable || trail.isInDoubt)
      if (departure.reason !== undefined || isLast) throw failure
      if (count >= this.#limits.attemptsMax || this.#leftMs(journeying) <= 1) throw failure
      trail.reroute(this.#modules.router.routeAgain(trail.decision))
      if (trail.decision.chosen === null) throw failure
    }
  }

  /**
   * Begins the attempt at the chosen worker; undefined when it left between decision and attempt.
   */
  #target(trail: Trail): Target | undefined {
    const { chosen, model } = trail.decision
    const worker = chosen === null ? undefined : this.#modules.registry.get(chosen)
    if (chosen !== null) trail.begin(chosen)
    const offer = worker === undefined ? null : offerOf(worker.describe(), model)
    return worker === undefined || offer === null ? undefined : { worker, offer }
  }

  #vanished(trail: Trail): IsochroneError {
    const error = new IsochroneError('peer_unreachable', 'The chosen node just left the network.')
    trail.failed(error, noFigures)
    return error
  }

  #call(request: GenerationRequest, target: Target, journeying: Journeying): WorkerCall {
    try {
      return this.#begin(request, target, journeying)
    } catch (error) {
      // A worker may refuse at once, as an upstream does that has too many requests.
      throw this.#ended(error, noFigures, journeying)
    }
  }

  #begin(request: GenerationRequest, target: Target, journeying: Journeying): WorkerCall {
    const { worker, offer } = target
    const inOnePiece = request.whole && offer.runtime.startsWith('upstream')
    return new WorkerCall(
      {
        request: { ...request, modelDigest: offer.digest },
        further:
          journeying.further.length === 0 ? journeying.further : sameModel(journeying, offer),
        worker,
        firstTokenMs: inOnePiece ? this.#limits.wholeAnswerMs : this.#limits.firstTokenMs,
        inOnePiece,
        silenceMs: this.#limits.silenceMs,
        deadlineAtMs: journeying.arrivedAtMs + this.#limits.totalMs,
        departure: journeying.departure,
        canMove: () => this.#canMove(journeying.trail.decision),
      },
      this.#modules.clock,
    )
  }

  #canMove(decision: Decision): boolean {
    if (decision.attempts.length >= this.#limits.attemptsMax) return false
    return this.#modules.router.couldMove(decision)
  }

  async *#batches(
    first: readonly GenerationEvent[],
    call: WorkerCall,
    journeying: Journeying,
  ): AsyncGenerator<readonly GenerationEvent[], void, undefined> {
    let running = true
    try {
      yield first
      for (;;) {
        const batch = await call.next()
        if (batch === undefined) break
        yield batch
      }
      running = false
      journeying.trail.completed(call.figures())
    } catch (error) {
      running = false
      const failure = this.#failed(error, call, journeying)
      // The client left, or the gateway stops: no word about the node.
      const isGone = journeying.departure.reason !== undefined
      if (failure.code === 'client_closed_request' || isGone) throw failure
      const message = `The node failed in the middle of its answer: ${failure.message}`
      throw new IsochroneError('stream_interrupted', message, { cause: failure })
    } finally {
      if (running) this.#failed(clientGone(), call, journeying)
    }
  }

  #failed(error: unknown, call: WorkerCall, journeying: Journeying): IsochroneError {
    call.stop(error)
    return this.#ended(error, call.figures(), journeying)
  }

  /** Records the end of an attempt, and gives what is to be thrown. */
  #ended(error: unknown, figures: Figures, { trail, departure }: Journeying): IsochroneError {
    const closed = error instanceof IsochroneError && error.code === 'client_closed_request'
    if (closed || departure.reason !== undefined) {
      trail.abandoned(figures)
      return closed ? error : (departure.reason ?? clientGone())
    }
    const failure = workerError(error)
    trail.failed(failure, figures)
    const { decision } = trail
    this.#modules.log.debug('attempt failed', { decision: decision.id, code: failure.code })
    return failure
  }

  #leftMs({ arrivedAtMs }: Journeying): number {
    return Math.max(1, arrivedAtMs + this.#limits.totalMs - this.#modules.clock.monotonic())
  }
}

function sameModel({ further }: Journeying, { digest }: OfferedModel): GenerationRequest[] {
  return further.map((request) => ({ ...request, modelDigest: digest }))
}

const asItCame = { take: (result: EmbeddingResult) => result }

export function clientGone(): IsochroneError {
  return new IsochroneError('client_closed_request', 'The client left before the answer was whole.')
}
