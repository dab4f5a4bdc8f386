/**
 * What begins and what ends one attempt at one worker, for everything in dispatch that begins some:
 * the first one, the ones behind it, and the one beside it.
 */
import type { Clock, Log } from '../../base/index.ts'
import {
  type GenerationRequest,
  IsochroneError,
  type OfferedModel,
  type WorkerId,
} from '../../protocol/index.ts'
import type { MoveReason } from '../../routing/index.ts'
import type { GatewayLimits } from '../limits.ts'
import { offerOf } from '../workers/viewed.ts'
import type { Worker } from '../workers/worker.ts'
import { workerError } from './attribution.ts'
import type { Departure } from './departure.ts'
import type { SpareBudget } from './hedge-plan.ts'
import { moveReasonOf } from './moves.ts'
import { type Asked, Passage } from './passage.ts'
import type { Router } from './router.ts'
import { type Figures, noFigures, type Trail, type TrailModules } from './trail.ts'
import { type Late, WorkerCall } from './worker-call.ts'

export interface CallsModules extends TrailModules {
  readonly clock: Clock
  readonly log: Log
  readonly router: Router
  /** Of work that is done twice. */
  readonly budget: SpareBudget
}

export type CallLimits = Pick<
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

export interface Target {
  readonly worker: Worker
  readonly offer: OfferedModel
}

/** What a call is about. */
interface CallSubject {
  readonly asked: Asked
  readonly takenOver: number
  readonly passage: Passage
  readonly journeying: Journeying
  /** Told when the first token is late. */
  readonly late?: Late | undefined
}

export class Calls {
  readonly #limits: CallLimits
  readonly #modules: CallsModules

  constructor(limits: CallLimits, modules: CallsModules) {
    this.#limits = limits
    this.#modules = modules
  }

  /** Of the worker that was chosen; undefined when it left between decision and attempt. */
  target(model: string, chosen: WorkerId | null): Target | undefined {
    const worker = chosen === null ? undefined : this.#modules.registry.get(chosen)
    const offer = worker === undefined ? null : offerOf(worker.describe(), model)
    return worker === undefined || offer === null ? undefined : { worker, offer }
  }

  vanished(trail: Trail): IsochroneError {
    const error = new IsochroneError('peer_unreachable', 'The chosen node just left the network.')
    trail.failed(error, noFigures)
    return error
  }

  /** A new answer. Throws what a worker refuses with at once, as an upstream that is full does. */
  passage(
    request: GenerationRequest,
    target: Target,
    about: Pick<CallSubject, 'journeying' | 'late'>,
  ): Passage {
    const asked = { request, further: about.journeying.further }
    const passage = new Passage(asked, target.offer, this.#limits)
    passage.begin(this.call(target, { asked, takenOver: 0, passage, ...about }))
    return passage
  }

  call(target: Target, about: CallSubject): WorkerCall {
    const { worker, offer } = target
    const { asked, takenOver, passage, journeying, late } = about
    const { request, further } = asked
    const inOnePiece = comesInOnePiece(request, offer)
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
        onFirst: () => journeying.trail.begun(worker.id),
        canMove: (why) => this.#canMove(passage, journeying, why),
        isSuspected: () => this.#modules.registry.isSuspected(worker.id),
        tpotMs: journeying.trail.decision.request.objective.tpotMs,
        late,
      },
      this.#modules.clock,
    )
  }

  /**
   * @param why of a worker that has not failed: nothing is lost by staying, so only to somebody
   * who goes on at once. That all are slow may be this gateway's own doing: those have a budget.
   */
  #canMove(passage: Passage, { trail }: Journeying, why: MoveReason | undefined): boolean {
    const { router, budget } = this.#modules
    const { decision } = trail
    const { asked, continuation, written } = passage
    if (continuation !== undefined && router.couldMove(decision, continuation)) {
      return why !== 'slow' || budget.take()
    }
    if (why !== undefined) return false
    if (written?.hasBegun === true && !asked.request.whole) return false
    return decision.attempts.length < this.#limits.attemptsMax && router.couldMove(decision)
  }

  /** Stops a call, records the attempt's end, and gives what is to be thrown. */
  failed(error: unknown, { call }: Passage, journeying: Journeying): IsochroneError {
    call.stop(error)
    // Which of the two is right is not known yet: see `doubted-refusals.ts`.
    const differs = error instanceof IsochroneError && error.code === 'continuation_differs'
    return this.ended(error, differs ? noFigures : call.figures(), journeying)
  }

  /** Records the end of an attempt, and gives what is to be thrown. */
  ended(error: unknown, figures: Figures, { trail, departure }: Journeying): IsochroneError {
    const closed = error instanceof IsochroneError && error.code === 'client_closed_request'
    if (closed || departure.reason !== undefined) {
      trail.abandoned(figures)
      return closed ? error : (departure.reason ?? clientGone())
    }
    const failure = workerError(error)
    if (moveReasonOf(error) === undefined) trail.failed(failure, figures)
    else trail.moved(figures)
    const { decision } = trail
    this.#modules.log.debug('attempt failed', { decision: decision.id, code: failure.code })
    return failure
  }

  leftMs({ arrivedAtMs }: Journeying): number {
    return Math.max(1, arrivedAtMs + this.#limits.totalMs - this.#modules.clock.monotonic())
  }
}

/** The answer of such a worker has no first token to be seen. */
export function comesInOnePiece({ whole }: GenerationRequest, { runtime }: OfferedModel): boolean {
  return whole && runtime.startsWith('upstream')
}

export function clientGone(): IsochroneError {
  return new IsochroneError('client_closed_request', 'The client left before the answer was whole.')
}

function sameModel(
  further: readonly GenerationRequest[],
  { digest }: OfferedModel,
): GenerationRequest[] {
  return further.map((request) => ({ ...request, modelDigest: digest }))
}
