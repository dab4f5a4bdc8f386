/**
 * Carries a routed request to workers until one answers.
 *
 * As long as the client has seen nothing of an answer, a failure that another worker may not have
 * is tried again elsewhere, within the request's time; so is a node's refusal that no other node
 * has confirmed. Afterwards another worker goes on with the answer where it broke off; where nobody
 * can, it is an explicit `stream_interrupted`.
 */
import { type Clock, type Log, sleep } from '../../base/index.ts'
import {
  type EmbeddingRequest,
  type EmbeddingResult,
  type GenerationEvent,
  type GenerationRequest,
  IsochroneError,
  type OfferedModel,
} from '../../protocol/index.ts'
import type { Continuation } from '../../routing/index.ts'
import type { GatewayLimits } from '../limits.ts'
import { offerOf } from '../workers/registry.ts'
import type { Worker } from '../workers/worker.ts'
import { workerError } from './attribution.ts'
import type { Departure } from './departure.ts'
import { Interruption } from './interruption.ts'
import { type Asked, Passage } from './passage.ts'
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
  | 'attemptsMax'
  | 'continuationsMax'
  | 'firstTokenMs'
  | 'wholeAnswerMs'
  | 'silenceMs'
  | 'stallMs'
  | 'totalMs'
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

/** How often it is looked for room at whoever could go on. */
const roomLookMinMs = 50
const roomLookMaxMs = 1_000

type Batch = readonly GenerationEvent[]

/** What a call is about. */
interface CallSubject {
  readonly asked: Asked
  readonly takenOver: number
  readonly passage: Passage
  readonly journeying: Journeying
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
      const passage = this.#passage(request, target, journeying)
      try {
        const first = passage.take((await passage.call.next()) ?? [])
        const batches = this.#batches(first, passage, journeying)
        return { ...target, batches, figures: () => passage.figures() }
      } catch (error) {
        throw this.#failed(error, passage, journeying)
      }
    })
  }

  /** Gives every batch of an answer to `collector()`, made anew where the answer begins anew. */
  whole<T extends { batch(events: readonly GenerationEvent[]): void }>(
    request: GenerationRequest,
    journeying: Journeying,
    collector: () => T,
  ): Promise<WholeAnswer & { readonly collected: T }> {
    return this.#attempts(journeying, async (target) => {
      const collected = collector()
      const passage = this.#passage(request, target, journeying)
      try {
        for (;;) {
          let fresh: Batch | undefined
          try {
            fresh = this.#fresh(await passage.call.next(), passage, journeying)
          } catch (error) {
            await this.#goOn(error, passage, journeying)
            continue
          }
          if (fresh === undefined) break
          collected.batch(fresh)
        }
      } catch (error) {
        throw this.#failed(error, passage, journeying)
      }
      const completed = () => {
        journeying.trail.completed(passage.call.figures())
        return passage.figures()
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
  #target(trail: Trail, continuation?: Continuation): Target | undefined {
    const { chosen, model } = trail.decision
    const worker = chosen === null ? undefined : this.#modules.registry.get(chosen)
    if (chosen !== null) {
      if (continuation === undefined) trail.begin(chosen)
      else trail.beginContinuation(chosen, continuation.tokens)
    }
    const offer = worker === undefined ? null : offerOf(worker.describe(), model)
    return worker === undefined || offer === null ? undefined : { worker, offer }
  }

  #vanished(trail: Trail): IsochroneError {
    const error = new IsochroneError('peer_unreachable', 'The chosen node just left the network.')
    trail.failed(error, noFigures)
    return error
  }

  #passage(request: GenerationRequest, target: Target, journeying: Journeying): Passage {
    const asked = { request, further: journeying.further }
    const passage = new Passage(asked, target.offer, this.#limits)
    try {
      passage.begin(this.#call(target, { asked, takenOver: 0, passage, journeying }))
      return passage
    } catch (error) {
      // A worker may refuse at once, as an upstream does that has too many requests.
      throw this.#ended(error, noFigures, journeying)
    }
  }

  #call({ worker, offer }: Target, about: CallSubject): WorkerCall {
    const { asked, takenOver, passage, journeying } = about
    const { request, further } = asked
    const inOnePiece = request.whole && offer.runtime.startsWith('upstream')
    return new WorkerCall(
      {
        request: { ...request, modelDigest: offer.digest },
        further: further.length === 0 ? further : sameModel(further, offer),
        worker,
        firstTokenMs: inOnePiece ? this.#limits.wholeAnswerMs : this.#limits.firstTokenMs,
        inOnePiece,
        silenceMs: this.#limits.silenceMs,
        stallMs: this.#limits.stallMs,
        goesOn: passage.written !== undefined,
        takenOver,
        deadlineAtMs: journeying.arrivedAtMs + this.#limits.totalMs,
        departure: journeying.departure,
        canMove: () => this.#canMove(passage, journeying),
      },
      this.#modules.clock,
    )
  }

  #canMove({ asked, continuation, written }: Passage, { trail }: Journeying): boolean {
    const { router } = this.#modules
    const { decision } = trail
    if (continuation !== undefined && router.couldMove(decision, continuation)) return true
    if (written?.hasBegun === true && !asked.request.whole) return false
    return decision.attempts.length < this.#limits.attemptsMax && router.couldMove(decision)
  }

  async *#batches(
    first: Batch,
    passage: Passage,
    journeying: Journeying,
  ): AsyncGenerator<Batch, void, undefined> {
    let running = true
    try {
      yield first
      for (;;) {
        let fresh: Batch | undefined
        try {
          fresh = this.#fresh(await passage.call.next(), passage, journeying)
        } catch (error) {
          await this.#goOn(error, passage, journeying)
          continue
        }
        if (fresh === undefined) break
        if (fresh.length > 0) yield fresh
      }
      running = false
      journeying.trail.completed(passage.call.figures())
    } catch (error) {
      running = false
      const failure = this.#failed(error, passage, journeying)
      // The client left, or the gateway stops: no word about the node.
      const isGone = journeying.departure.reason !== undefined
      if (failure.code === 'client_closed_request' || isGone) throw failure
      const message = `The node failed in the middle of its answer: ${failure.message}`
      throw new IsochroneError('stream_interrupted', message, { cause: failure })
    } finally {
      if (running) this.#failed(clientGone(), passage, journeying)
    }
  }

  /** What is new to the client; undefined at the end. */
  #fresh(batch: Batch | undefined, passage: Passage, { trail }: Journeying): Batch | undefined {
    if (batch === undefined || passage.written === undefined) return batch
    const fresh = passage.take(batch)
    const sinceMs = fresh.length === 0 ? undefined : passage.takePause()
    if (sinceMs !== undefined) trail.wentOn(this.#modules.clock.monotonic() - sinceMs)
    return fresh
  }

  /** Begins an attempt at whoever goes on where a call failed; throws where nobody can. */
  async #goOn(error: unknown, passage: Passage, journeying: Journeying): Promise<void> {
    const { trail, departure } = journeying
    if (departure.reason !== undefined || !passage.goesOnAfter(error)) throw error
    let failure = this.#failed(error, passage, journeying)
    for (;;) {
      const { continuation } = passage
      if (continuation === undefined || this.#leftMs(journeying) <= 1) throw failure
      passage.breakOff()
      await this.#successor(continuation, failure, journeying)
      const target = this.#target(trail, continuation)
      try {
        if (target === undefined) throw this.#vanished(trail)
        const asked = passage.continued()
        const takenOver = continuation.tokens
        passage.begin(this.#call(target, { asked, takenOver, passage, journeying }))
        return
      } catch (refusal) {
        failure = this.#ended(refusal, noFigures, journeying)
      }
    }
  }

  /**
   * Chooses who goes on. Where all who could are busy, there will be room: a client that waits is
   * better off than one that is left with half an answer.
   */
  async #successor(
    continuation: Continuation,
    failure: IsochroneError,
    journeying: Journeying,
  ): Promise<void> {
    const { router, clock } = this.#modules
    const { trail, departure } = journeying
    const untilMs = clock.monotonic() + this.#limits.silenceMs
    for (;;) {
      trail.reroute(router.routeAgain(trail.decision, continuation))
      const { chosen, retryAfterMs } = trail.decision
      if (chosen !== null) return
      if (retryAfterMs === null) throw failure
      const lookMs = Math.min(Math.max(retryAfterMs, roomLookMinMs), roomLookMaxMs)
      const isLate = clock.monotonic() + lookMs >= untilMs || this.#leftMs(journeying) <= lookMs
      if (isLate) throw failure
      await sleep(clock, lookMs)
      if (departure.reason !== undefined) throw failure
    }
  }

  #failed(error: unknown, { call }: Passage, journeying: Journeying): IsochroneError {
    call.stop(error)
    // Which of the two is right is not known yet: see `doubted-refusals.ts`.
    const differs = error instanceof IsochroneError && error.code === 'continuation_differs'
    return this.#ended(error, differs ? noFigures : call.figures(), journeying)
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

function sameModel(
  further: readonly GenerationRequest[],
  { digest }: OfferedModel,
): GenerationRequest[] {
  return further.map((request) => ({ ...request, modelDigest: digest }))
}

const asItCame = { take: (result: EmbeddingResult) => result }

export function clientGone(): IsochroneError {
  return new IsochroneError('client_closed_request', 'The client left before the answer was whole.')
}
