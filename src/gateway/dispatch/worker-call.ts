/**
 * One generation at one worker, under the request's time limits, measured as it goes.
 *
 * Time that the reader takes (a slow client) is not the worker's: the silence limit runs only while
 * a batch is awaited, and an answer whose reader was slow says nothing of the worker's speed.
 */
import type { Clock, Timer } from '../../base/index.ts'
import {
  bytesOfDelta,
  type GenerationEvent,
  type GenerationRequest,
  type GenerationUsage,
  IsochroneError,
  usageLimits,
  type WorkerId,
} from '../../protocol/index.ts'
import type { MoveReason } from '../../routing/index.ts'
import type { Billed, Worker, CallLimits as WorkerLimits } from '../workers/worker.ts'
import { sumOfBills } from './bills.ts'
import type { Departure } from './departure.ts'
import { Interruption } from './interruption.ts'
import { AnswerMoved } from './moves.ts'
import { generateEach } from './several-prompts.ts'
import { type Figures, noFigures } from './trail.ts'

export interface WorkerCallOptions {
  readonly request: GenerationRequest
  /** Of the further prompts; mostly none. */
  readonly further: readonly GenerationRequest[]
  readonly worker: Worker
  readonly firstTokenMs: number
  readonly silenceMs: number
  /** A running answer that is silent for so long may have stalled. */
  readonly stallMs: number
  /** Another worker can go on with it once it has begun. */
  readonly goesOn: boolean
  /** Tokens that are repeated first, of all choices. */
  readonly takenOver: number
  /** The answer comes at once when it is complete: there is no first token to be seen. */
  readonly inOnePiece: boolean
  /** Monotonic ms. */
  readonly deadlineAtMs: number
  /** Told when the client left. */
  readonly departure: Departure
  /** The first token is here. */
  readonly onFirst: () => void
  /**
   * Whether another worker, one that answers, could do the work.
   * @param why of a worker that has not failed; absent: it has
   */
  readonly canMove: (why?: MoveReason) => boolean
  /** Whether the mesh holds the worker for suspect. */
  readonly isSuspected: () => boolean
  /** What the request asks for, ms per token; null: nothing. */
  readonly tpotMs: number | null
  readonly late?: Late | undefined
}

/** What is done when there is no first token at this time. */
export interface Late {
  /** Monotonic ms. */
  readonly atMs: number
  readonly act: () => void
}

/** A reader that holds an answer up for longer than this blurs the time per token. */
const readerPauseMs = 5
/** How often a call that could move looks whether its worker still answers. */
const haltLookMs = 1_000
/** A worker that is late twice has been silent for two seconds at the least. */
const lateLooksMax = 2
/** A gap so many times as long as any before it is no matter of pace. */
const stallGaps = 10
/** Suspicions are refuted within two seconds, or are none. */
const suspectLooksMax = 2
/** A rate that is low for so many seconds is no hiccup. */
const slowLooksMax = 3
/** Rates this far below the objective are not within its error. */
const slowShare = 0.8
/** An answer that is done by then stays where it is: to read the prompt elsewhere takes as long. */
const nearlyDoneMs = 2_000
const tooSlow = 'The client took the answer so slowly that the request’s time was used up.'

export class WorkerCall {
  readonly #options: WorkerCallOptions
  readonly #clock: Clock
  readonly #interruption = new Interruption()
  readonly #iterator: AsyncIterator<readonly GenerationEvent[]>
  readonly #startMs: number
  /** Answers that have to come. */
  readonly #choices: number
  #timer: Timer | undefined
  #awaitingSinceMs: number | undefined
  #firstAtMs: number | undefined
  #lastTokenAtMs = 0
  #returnedAtMs = 0
  #deltas = 0
  #bytes = 0
  readonly #finished = new Set<number>()
  /** Answers of which something came, where there are several. */
  readonly #begun = new Set<number>()
  #slowReader = false
  #readerMs = 0
  #usage: GenerationUsage | undefined
  /** Of all prompts. */
  #billed: Billed | undefined
  #lateLooks = 0
  /** The longest wait for a batch behind the first one, ms. */
  #gapMaxMs = 0
  /** Looks in a row that found the same batch awaited, and since when it is. */
  #quietLooks = 0
  #quietSinceMs: number | undefined
  #wasLate = false
  #suspectLooks = 0
  #slowLooks = 0
  /** As they were at the look before. */
  #lookedAtMs = 0
  #deltasBefore = 0
  #readerMsBefore = 0

  constructor(options: WorkerCallOptions, clock: Clock) {
    this.#options = options
    this.#clock = clock
    this.#startMs = clock.monotonic()
    const { worker, request, further, departure } = options
    this.#choices = request.choices * (1 + further.length)
    const deadlineMs = Math.max(1, Math.ceil(options.deadlineAtMs - this.#startMs))
    const limits = new OwnLimits(this.#interruption, {
      isLeftByReturn: further.length === 0,
      deadlineMs,
      readerMs: () => this.#readerMs,
      onBill: (billed) => {
        this.#billed = sumOfBills(this.#billed, billed)
      },
    })
    this.#iterator =
      further.length === 0
        ? worker.generate(request, limits)[Symbol.asyncIterator]()
        : generateEach(worker, [request, ...further], limits)
    departure.watch(this.#interruption)
    this.#watch(this.#startMs)
  }

  /** The next batch; undefined at the end of a complete answer. */
  next(): Promise<readonly GenerationEvent[] | undefined> {
    this.#noteReader()
    this.#awaitingSinceMs = this.#clock.monotonic()
    return this.#interruption.wait(this.#iterator.next(), this)
  }

  /** What came; for `next` only. */
  take(
    step: IteratorResult<readonly GenerationEvent[], unknown>,
  ): readonly GenerationEvent[] | undefined {
    const askedAtMs = this.#awaitingSinceMs
    this.#awaitingSinceMs = undefined
    this.#returnedAtMs = this.#clock.monotonic()
    if (this.#firstAtMs !== undefined && askedAtMs !== undefined) {
      this.#gapMaxMs = Math.max(this.#gapMaxMs, this.#returnedAtMs - askedAtMs)
    }
    if (step.done !== true) {
      for (const event of step.value) this.#count(event)
      return step.value
    }
    this.#release()
    if (this.#finished.size >= this.#choices) return undefined
    throw new IsochroneError('node_failed', 'The answer ended without a finish reason.')
  }

  /** Stops the worker's work, where it still runs. */
  stop(reason: unknown): void {
    this.#release()
    this.#interruption.interrupt(reason)
    this.#iterator.return?.()?.catch(() => {})
  }

  get worker(): WorkerId {
    return this.#options.worker.id
  }

  /** Since the call began. */
  get waitedMs(): number {
    return this.#clock.monotonic() - this.#startMs
  }

  /** Monotonic ms at which the latest text came, or the call began. */
  get lastTokenAtMs(): number {
    return this.#firstAtMs === undefined ? this.#startMs : this.#lastTokenAtMs
  }

  figures(): Figures {
    const usage = this.#usage
    const billed = this.#billed
    if (this.#firstAtMs === undefined) return { ...noFigures, usage, billed }
    const written = (usage?.completionTokens ?? this.#deltas) - this.#options.takenOver
    const tokens = written / this.#choices
    if (this.#options.inOnePiece) {
      const wholeMs = this.#lastTokenAtMs - this.#startMs
      const tpotMs = tokens < 1 ? null : wholeMs / tokens
      return { ttftMs: null, tpotMs, usage, deltaTokens: this.#deltaTokens, billed }
    }
    const spentMs = this.#lastTokenAtMs - this.#firstAtMs
    return {
      ttftMs: this.#firstAtMs - this.#startMs,
      tpotMs: tokens < 2 || this.#slowReader ? null : spentMs / (tokens - 1),
      usage,
      deltaTokens: this.#deltaTokens,
      billed,
    }
  }

  /** No more than were asked for, nor than can be in what came: ids alone are a claim. */
  get #deltaTokens(): number {
    const { maxTokens } = this.#options.request
    const most = this.#bytes + usageLimits.unseenTokensMax * this.#choices
    return Math.min(this.#deltas, most, (maxTokens ?? Number.MAX_SAFE_INTEGER) * this.#choices)
  }

  #count(event: GenerationEvent): void {
    if (event.type !== 'usage' && this.#choices > 1) this.#begun.add(event.choice)
    if (event.type === 'delta') {
      this.#deltas += Math.max(1, event.tokenIds.length)
      this.#bytes += bytesOfDelta(event)
      if (this.#firstAtMs === undefined) {
        this.#firstAtMs = this.#returnedAtMs
        this.#options.onFirst()
      }
      this.#lastTokenAtMs = this.#returnedAtMs
    } else if (event.type === 'finish') this.#finished.add(event.choice)
    else this.#usage = event
  }

  #noteReader(): void {
    if (this.#firstAtMs === undefined) return
    const pausedMs = this.#clock.monotonic() - this.#returnedAtMs
    this.#readerMs += pausedMs
    if (pausedMs > readerPauseMs) this.#slowReader = true
  }

  /** One timer at a time, set again only when it ran out: a batch costs no timer. */
  #watch(nowMs: number): void {
    const waiting = this.#awaitingSinceMs ?? nowMs
    const limitMs =
      this.#firstAtMs === undefined ? this.#options.firstTokenMs : this.#options.silenceMs
    const dueMs = Math.min(waiting + limitMs, this.#options.deadlineAtMs)
    if (dueMs <= nowMs) {
      this.#interruption.interrupt(this.#timeoutError(nowMs))
      return
    }
    const nextMs = this.#canMove ? Math.min(dueMs, nowMs + haltLookMs) : dueMs
    const { late } = this.#options
    if (late !== undefined && !this.#wasLate && late.atMs < nextMs) {
      this.#timer = this.#clock.after(Math.max(0, late.atMs - nowMs), () => {
        this.#wasLate = true
        if (this.#firstAtMs === undefined) late.act()
        this.#watch(this.#clock.monotonic())
      })
      return
    }
    this.#timer = this.#clock.after(nextMs - nowMs, () => {
      const reason = this.#reasonToMove()
      if (reason !== undefined) this.#interruption.interrupt(reason)
      else this.#watch(this.#clock.monotonic())
    })
  }

  /** The client has nothing of the answer yet, or somebody else could go on with it. */
  get #canMove(): boolean {
    const { request, goesOn } = this.#options
    return this.#firstAtMs === undefined || request.whole || goesOn
  }

  /** A worker that may come back is left only for one that is there. */
  #reasonToMove(): IsochroneError | undefined {
    if (!this.#canMove) return undefined
    const { overdue, load } = this.#options.worker.describe()
    this.#lateLooks = overdue ? this.#lateLooks + 1 : 0
    const hasHalted = this.#lateLooks >= lateLooksMax
    const hasStalled = this.#hasStalled()
    if (!(hasHalted || hasStalled)) return this.#reasonToLeave(load.draining)
    if (!this.#options.canMove()) return undefined
    return hasHalted ? halted() : stalled(this.#quietLooks * haltLookMs)
  }

  /** A worker that works is left only in mid-answer, for one that goes on at once. */
  #reasonToLeave(isDraining: boolean): IsochroneError | undefined {
    if (!this.#options.goesOn || this.#firstAtMs === undefined) return undefined
    const { isSuspected, canMove } = this.#options
    this.#suspectLooks = isSuspected() ? this.#suspectLooks + 1 : 0
    this.#slowLooks = this.#isSlow() ? this.#slowLooks + 1 : 0
    let reason: MoveReason | undefined
    if (isDraining && !this.#isNearlyDone) reason = 'draining'
    else if (this.#suspectLooks >= suspectLooksMax) reason = 'suspected'
    else if (this.#slowLooks >= slowLooksMax) reason = 'slow'
    return reason !== undefined && canMove(reason) ? new AnswerMoved(reason) : undefined
  }

  /** Since the look before; what a slow reader held up says nothing. */
  #isSlow(): boolean {
    const { tpotMs } = this.#options
    if (tpotMs === null) return false
    const nowMs = this.#clock.monotonic()
    const sinceMs = nowMs - Math.max(this.#lookedAtMs, this.#firstAtMs ?? nowMs)
    const tokens = this.#deltas - this.#deltasBefore
    const heldUpMs = this.#readerMs - this.#readerMsBefore
    this.#lookedAtMs = nowMs
    this.#deltasBefore = this.#deltas
    this.#readerMsBefore = this.#readerMs
    if (heldUpMs > readerPauseMs || sinceMs < haltLookMs / 2) return false
    const open = this.#choices - this.#finished.size
    return tokens < ((open * sinceMs) / tpotMs) * slowShare
  }

  /** By its own pace, were it to use all that it may. */
  get #isNearlyDone(): boolean {
    const { maxTokens } = this.#options.request
    if (maxTokens === null || this.#deltas === 0) return false
    const left = maxTokens * this.#choices - this.#deltas
    const spentMs = this.#clock.monotonic() - (this.#firstAtMs ?? 0)
    return (spentMs / this.#deltas) * left < nearlyDoneMs
  }

  /**
   * Whether a running answer stands still, by its own pace. Looks are counted, not time: a gateway
   * that stood still itself looks only once.
   */
  #hasStalled(): boolean {
    const sinceMs = this.#awaitingSinceMs
    const isQuiet = sinceMs !== undefined && sinceMs === this.#quietSinceMs
    this.#quietLooks = isQuiet ? this.#quietLooks + 1 : 0
    this.#quietSinceMs = sinceMs
    if (!this.#options.goesOn || this.#firstAtMs === undefined) return false
    if (this.#isBetweenAnswers) return false
    const limitMs = Math.max(this.#options.stallMs, stallGaps * this.#gapMaxMs)
    return this.#quietLooks * haltLookMs >= limitMs
  }

  /** All that began are complete, and others wait for a slot, or their prompts are being read. */
  get #isBetweenAnswers(): boolean {
    const { size } = this.#begun
    return this.#choices > 1 && size < this.#choices && size === this.#finished.size
  }

  #timeoutError(nowMs: number): IsochroneError {
    if (nowMs >= this.#options.deadlineAtMs) {
      if (this.#heldUpByReader(nowMs)) return new IsochroneError('client_closed_request', tooSlow)
      return new IsochroneError('deadline_exceeded', 'The request’s time is used up.')
    }
    const { firstTokenMs, silenceMs } = this.#options
    const message =
      this.#firstAtMs === undefined
        ? `The node gave no first token within ${firstTokenMs} ms.`
        : `The node was silent for ${silenceMs} ms in the middle of its answer.`
    return new IsochroneError('node_failed', message)
  }

  /** A client that lets the time run out must not spoil the worker's record. */
  #heldUpByReader(nowMs: number): boolean {
    if (this.#firstAtMs === undefined) return false
    const running = this.#awaitingSinceMs === undefined ? nowMs - this.#returnedAtMs : 0
    return this.#readerMs + running > (nowMs - this.#startMs) / 2
  }

  #release(): void {
    this.#timer?.cancel()
    this.#options.departure.unwatch(this.#interruption)
  }
}

/** A class: a getter in an object of each call would be a shape of its own in V8, for each call. */
class OwnLimits implements WorkerLimits {
  readonly isLeftByReturn: boolean
  readonly deadlineMs: number
  readonly readerMs: () => number
  readonly onBill: (billed: Billed) => void
  readonly #interruption: Interruption

  constructor(interruption: Interruption, rest: Required<Omit<WorkerLimits, 'signal'>>) {
    this.#interruption = interruption
    this.isLeftByReturn = rest.isLeftByReturn
    this.deadlineMs = rest.deadlineMs
    this.readerMs = rest.readerMs
    this.onBill = rest.onBill
  }

  get signal(): AbortSignal {
    return this.#interruption.signal
  }
}

function stalled(quietMs: number): IsochroneError {
  const message = `The node’s answer stood still for ${quietMs} ms.`
  return new IsochroneError('node_failed', message)
}

function halted(): IsochroneError {
  return new IsochroneError('peer_unreachable', 'The node does not answer any more.')
}
