/**
 * Carries a routed request to workers until one answers.
 *
 * As long as the client has seen nothing of an answer, a failure that another worker may not have
 * is tried again elsewhere, within the request's time; so is a node's refusal that no other node
 * has confirmed. Afterwards another worker goes on with the answer where it broke off; where nobody
 * can, it is an explicit `stream_interrupted`.
 */
import {
  type EmbeddingRequest,
  type EmbeddingResult,
  type GenerationEvent,
  type GenerationRequest,
  IsochroneError,
  type OfferedModel,
  type WorkerId,
} from '../../protocol/index.ts'
import type { Continuation, Decision, MoveReason } from '../../routing/index.ts'
import type { GatewayLimits } from '../limits.ts'
import type { Billed, Worker } from '../workers/worker.ts'
import {
  type CallLimits,
  Calls,
  type CallsModules,
  clientGone,
  comesInOnePiece,
  type Journeying,
  type Target,
} from './calls.ts'
import { type Begun, FirstTokenRace, type RaceModules } from './first-token-race.ts'
import { hedgeAfterMs, SpareBudget } from './hedge-plan.ts'
import { Interruption } from './interruption.ts'
import { moveReasonOf } from './moves.ts'
import type { Passage } from './passage.ts'
import { Room, type RoomLimits } from './room.ts'
import { refusalError } from './router.ts'
import { type Figures, noFigures, type Trail } from './trail.ts'

export type DispatchModules = Omit<CallsModules, 'budget'>

export type DispatchLimits = CallLimits &
  RoomLimits &
  Pick<GatewayLimits, 'spareShareMax' | 'spareBurstMax'>

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

type Batch = readonly GenerationEvent[]

/** An answer that has to go on, and why where its worker has not failed. */
interface GoingOn {
  readonly continuation: Continuation
  readonly moved: MoveReason | undefined
}

/** Somebody who goes on with an answer. */
interface Sought {
  readonly continuation: Continuation
  /** Not this one, although it has not failed. */
  readonly leaving: WorkerId | undefined
  /** Thrown where there is nobody. */
  readonly failure: IsochroneError
}

/** Nothing new for the client, and more to come. */
const nothing: Batch = []

export class Dispatch {
  readonly #limits: DispatchLimits
  readonly #modules: DispatchModules
  readonly #calls: Calls
  readonly #race: RaceModules
  readonly #room: Room

  constructor(limits: DispatchLimits, modules: DispatchModules) {
    this.#limits = limits
    this.#modules = modules
    const budget = new SpareBudget({ share: limits.spareShareMax, burstMax: limits.spareBurstMax })
    this.#calls = new Calls(limits, { ...modules, budget })
    this.#race = { ...modules, calls: this.#calls, budget }
    this.#room = new Room(limits, modules)
  }

  /** Resolves with the first batch of an answer. The loop over its `batches` ends the attempt. */
  stream(request: GenerationRequest, journeying: Journeying): Promise<Answer> {
    this.#race.budget.request()
    return this.#attempts(journeying, async (chosen) => {
      const { target, passage, first } = await this.#begin(request, chosen, journeying)
      const batches = this.#batches(passage.take(first ?? []), passage, journeying)
      return { ...target, batches, figures: () => passage.figures() }
    })
  }

  /** Gives every batch of an answer to `collector()`, made anew where the answer begins anew. */
  whole<T extends { batch(events: readonly GenerationEvent[]): void }>(
    request: GenerationRequest,
    journeying: Journeying,
    collector: () => T,
  ): Promise<WholeAnswer & { readonly collected: T }> {
    this.#race.budget.request()
    return this.#attempts(journeying, async (chosen) => {
      const beginning = this.#begin(request, chosen, journeying)
      // While the worker is at it.
      const collected = collector()
      const { target, passage, first } = await beginning
      try {
        let fresh = this.#fresh(first, passage, journeying)
        while (fresh !== undefined) {
          collected.batch(fresh)
          try {
            fresh = this.#fresh(await passage.call.next(), passage, journeying)
          } catch (error) {
            await this.#goOn(error, passage, journeying)
            fresh = nothing
          }
        }
      } catch (error) {
        throw this.#calls.failed(error, passage, journeying)
      }
      const completed = () => {
        journeying.trail.completed(passage.call.figures())
        return passage.figures()
      }
      return { ...target, collected, completed }
    })
  }

  /** Resolves with what came first; a second worker is asked for it where it is late. */
  async #begin(request: GenerationRequest, target: Target, journeying: Journeying): Promise<Begun> {
    const startMs = this.#modules.clock.monotonic()
    const { trail, arrivedAtMs } = journeying
    const afterMs = hedgeAfterMs(trail.decision, startMs - arrivedAtMs)
    if (afterMs !== undefined && !comesInOnePiece(request, target.offer)) {
      const subject = { request, target, journeying, lateAtMs: startMs + afterMs }
      return new FirstTokenRace(subject, this.#race).run()
    }
    let passage: Passage
    try {
      passage = this.#calls.passage(request, target, { journeying })
    } catch (error) {
      throw this.#calls.ended(error, noFigures, journeying)
    }
    try {
      return { target, passage, first: await passage.call.next() }
    } catch (error) {
      throw this.#calls.failed(error, passage, journeying)
    }
  }

  embed(
    request: EmbeddingRequest,
    journeying: Journeying,
  ): Promise<{ readonly worker: Worker; readonly result: EmbeddingResult }> {
    const { trail, departure } = journeying
    return this.#attempts(journeying, async ({ worker, offer }) => {
      const interruption = new Interruption()
      departure.watch(interruption)
      const deadlineMs = this.#calls.leftMs(journeying)
      const timer = this.#modules.clock.after(deadlineMs, () =>
        interruption.interrupt(new IsochroneError('deadline_exceeded', 'The time is used up.')),
      )
      try {
        const asked = { ...request, modelDigest: offer.digest }
        let billed: Billed | undefined
        const onBill = (bill: Billed) => {
          billed = bill
        }
        const limits = { signal: interruption.signal, deadlineMs, onBill }
        const result = await interruption.wait(worker.embed(asked, limits), asItCame)
        if (result.vectors.length !== request.input.length) {
          throw new IsochroneError('node_failed', 'The node gave another number of vectors.')
        }
        const usage = { promptTokens: result.promptTokens, completionTokens: 0, cachedTokens: 0 }
        trail.completed({ ...noFigures, usage: { type: 'usage', ...usage }, billed })
        return { worker, result }
      } catch (error) {
        throw this.#calls.ended(error, noFigures, journeying)
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
    if (trail.decision.chosen === null) await this.#waitForRoom(journeying)
    let failure = departure.reason ?? refusalError(trail.decision)
    if (failure !== undefined) throw failure
    for (let count = 1; ; count += 1) {
      const target = this.#target(trail)
      try {
        if (target === undefined) throw this.#calls.vanished(trail)
        return await attempt(target)
      } catch (error) {
        failure = error as IsochroneError
      }
      const isLast = !(failure.retryable || trail.isInDoubt)
      if (departure.reason !== undefined || isLast) throw failure
      if (count >= this.#limits.attemptsMax || this.#calls.leftMs(journeying) <= 1) throw failure
      trail.reroute(this.#modules.router.routeAgain(trail.decision))
      if (trail.decision.chosen === null) await this.#waitForRoom(journeying)
      if (trail.decision.chosen === null || departure.reason !== undefined) throw failure
    }
  }

  #waitForRoom(journeying: Journeying): Promise<void> {
    return this.#room.waitFor(journeying, this.#calls.leftMs(journeying))
  }

  /**
   * Begins the attempt at the chosen worker; undefined when it left between decision and attempt.
   */
  #target(trail: Trail, goingOn?: GoingOn): Target | undefined {
    const { chosen, model } = trail.decision
    if (chosen !== null) {
      if (goingOn === undefined) trail.begin(chosen)
      else trail.beginContinuation(chosen, goingOn.continuation.tokens, goingOn.moved)
    }
    return this.#calls.target(model, chosen)
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
      const failure = this.#calls.failed(error, passage, journeying)
      // The client left, or the gateway stops: no word about the node.
      const isGone = journeying.departure.reason !== undefined
      if (failure.code === 'client_closed_request' || isGone) throw failure
      const message = `The answer broke off in the middle: ${failure.message}`
      throw new IsochroneError('stream_interrupted', message, { cause: failure })
    } finally {
      if (running) this.#calls.failed(clientGone(), passage, journeying)
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
    let failure = this.#calls.failed(error, passage, journeying)
    let moved = moveReasonOf(error)
    const leaving = moved === undefined ? undefined : passage.call.worker
    for (;;) {
      const { continuation } = passage
      if (continuation === undefined || this.#calls.leftMs(journeying) <= 1) throw failure
      passage.breakOff()
      await this.#successor({ continuation, leaving, failure }, journeying)
      const target = this.#target(trail, { continuation, moved })
      moved = undefined
      try {
        if (target === undefined) throw this.#calls.vanished(trail)
        const asked = passage.continued()
        const takenOver = continuation.tokens
        passage.begin(this.#calls.call(target, { asked, takenOver, passage, journeying }))
        return
      } catch (refusal) {
        failure = this.#calls.ended(refusal, noFigures, journeying)
      }
    }
  }

  /** Chooses who goes on; throws where nobody can. */
  async #successor(
    { continuation, leaving, failure }: Sought,
    journeying: Journeying,
  ): Promise<void> {
    const forMs = Math.min(this.#limits.silenceMs, this.#calls.leftMs(journeying))
    const look = (before: Decision) =>
      this.#modules.router.routeAgain(before, { continuation, leaving })
    await this.#room.waitToGoOn(journeying, { forMs, look })
    if (journeying.trail.decision.chosen === null) throw failure
  }
}

const asItCame = { take: (result: EmbeddingResult) => result }
