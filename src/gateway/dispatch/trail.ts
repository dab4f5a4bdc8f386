/**
 * What happens to one request after its decision: attempts at workers. Each ends as an observation
 * for the evidence and as a line in the decision.
 */
import type { Clock } from '../../base/index.ts'
import type { EvidenceBook, Observation, ObservedOutcome } from '../../evidence/index.ts'
import type { Delivered, Terms } from '../../ledger/index.ts'
import type { UnreadPrompt } from '../../mesh/index.ts'
import type { ErrorCode, GenerationUsage, IsochroneError, WorkerId } from '../../protocol/index.ts'
import {
  type Attempt,
  type AttemptStart,
  type Decision,
  endAttempt,
  type MoveReason,
  withAttempt,
  withAttemptsOf,
  withPause,
} from '../../routing/index.ts'
import type { GatewayMetrics } from '../metrics.ts'
import type { WorkerRegistry } from '../workers/registry.ts'
import { offerOf } from '../workers/viewed.ts'
import type { Billed } from '../workers/worker.ts'
import { blameFor, provesForgery, recordedCode } from './attribution.ts'
import type { DecisionLog } from './decision-log.ts'
import { DoubtedRefusals } from './doubted-refusals.ts'
import type { Earnings } from './earnings.ts'

export interface TrailModules {
  readonly clock: Clock
  readonly registry: WorkerRegistry
  readonly evidence: EvidenceBook
  readonly observations: { append(observation: Observation): void }
  readonly decisionLog: DecisionLog
  readonly metrics: GatewayMetrics
  /** Without it, nobody notes what nodes earn. */
  readonly earnings?: Pick<Earnings, 'post' | 'terms'> | undefined
  /** Whether this gateway itself was in trouble: then what it saw is void. */
  readonly selfWatch?: { wasTroubledSince(atMs: number): boolean }
}

/** What was measured of the answer. */
export interface Figures {
  readonly ttftMs: number | null
  readonly tpotMs: number | null
  readonly usage: GenerationUsage | undefined
  /** Tokens counted as they came, at least one per delta; `usage` is better where it is known. */
  readonly deltaTokens: number
  /** undefined: it has signed none, as one that did not come to its end. */
  readonly billed?: Billed | undefined
}

export const noFigures: Figures = Object.freeze({
  ttftMs: null,
  tpotMs: null,
  usage: undefined,
  deltaTokens: 0,
})

/** An attempt that runs. */
interface Running {
  readonly worker: WorkerId
  /** Among the decision's attempts. */
  readonly at: number
  /** Monotonic ms. */
  readonly startedAtMs: number
  readonly inFlightBefore: number
  readonly loadBefore: number | null
  readonly promptTokensBefore: number | null
  /** undefined: nobody counts its worker's. */
  readonly prompt: UnreadPrompt | undefined
  /** Its worker's circuit breaker is half-open. */
  readonly isProbe: boolean
  /** Of other workers, when it began. */
  readonly takenOver: number
  /** undefined: nobody has to be paid. */
  readonly terms: Terms | undefined
}

interface Unpaid {
  readonly running: Running
  readonly deltaTokens: number
}

/** How an attempt ended. */
interface End {
  readonly outcome: Exclude<Attempt['outcome'], 'running'>
  readonly code: ErrorCode | null
  readonly figures: Figures
}

export class Trail {
  readonly #modules: TrailModules
  readonly #slot: number
  #decision: Decision
  #running: Running | undefined
  /** A second one, for the same first token. */
  #beside: Running | undefined
  #startedAtMs = 0
  #figures: Figures = noFigures
  /** Broke off, or was moved away, and nobody has gone on yet with what it delivered. */
  #unpaid: Unpaid | undefined
  readonly #refusals: DoubtedRefusals

  constructor(decision: Decision, modules: TrailModules) {
    this.#decision = decision
    this.#modules = modules
    this.#refusals = new DoubtedRefusals(({ worker, model }) => {
      const known = modules.registry.find(worker)
      return known === undefined ? 0 : (offerOf(known.view, model)?.contextTokensMax ?? 0)
    })
    this.#slot = modules.decisionLog.open(this)
  }

  get decision(): Decision {
    return this.#decision
  }

  /** Whether another node has to say what the latest one said. */
  get isInDoubt(): boolean {
    return this.#refusals.isInDoubt
  }

  /** Monotonic ms at which the latest attempt began that was to begin the answer. */
  get startedAtMs(): number {
    return this.#startedAtMs
  }

  /** Of the latest attempt that ended. */
  get figures(): Figures {
    return this.#figures
  }

  /** The same request was routed again, after a failure. */
  reroute(decision: Decision): void {
    this.#decision = decision
  }

  begin(worker: WorkerId): void {
    this.#countRetry()
    // An answer that begins anew has nothing of the one before.
    this.#unpaid = undefined
    this.#running = this.#begin({ worker, startedAtMs: this.#modules.clock.now() })
    this.#startedAtMs = this.#running.startedAtMs
  }

  /**
   * @param tokens that were there, of all choices
   * @param moved why, where the one before has not failed
   */
  beginContinuation(worker: WorkerId, tokens: number, moved?: MoveReason): void {
    const startedAtMs = this.#modules.clock.now()
    if (moved === undefined) {
      this.#countRetry()
      const splice = { tokens, pauseMs: null }
      this.#running = this.#begin({ worker, startedAtMs, cause: 'continuation', splice })
      return
    }
    this.#modules.metrics.migration(moved)
    const splice = { tokens, pauseMs: null, reason: moved }
    this.#running = this.#begin({ worker, startedAtMs, cause: 'migration', splice })
  }

  /** Another attempt at the first token, beside the one that runs. */
  beginBeside(worker: WorkerId): void {
    this.#beside = this.#begin({ worker, startedAtMs: this.#modules.clock.now(), cause: 'hedge' })
  }

  /**
   * The attempt beside is from now on the one that counts, and the other one is beside it.
   * @param decision by which it was chosen
   */
  turnToBeside(decision: Decision): void {
    this.#decision = withAttemptsOf(decision, this.#decision)
    const before = this.#running
    this.#running = this.#beside
    this.#beside = before
    if (this.#running !== undefined) this.#startedAtMs = this.#running.startedAtMs
  }

  /** The client got something again. */
  wentOn(pauseMs: number): void {
    this.#modules.metrics.continuation(pauseMs)
    this.#continued(this.#running)
    this.#decision = withPause(this.#decision, pauseMs)
  }

  /** The first token of an attempt came: its prompt is read. */
  begun(worker: WorkerId): void {
    const running = this.#running?.worker === worker ? this.#running : this.#beside
    if (running?.worker === worker) this.#modules.registry.endPrompt(worker, running.prompt)
  }

  #countRetry(): void {
    if (this.#decision.attempts.length > 0) this.#modules.metrics.retry()
  }

  #begin(start: AttemptStart): Running {
    const { clock, earnings, registry } = this.#modules
    const { model, request } = this.#decision
    const { worker, splice } = start
    const promptTokens = request.promptTokens + (splice?.tokens ?? 0)
    const running = {
      worker,
      at: this.#decision.attempts.length,
      startedAtMs: clock.monotonic(),
      loadBefore: registry.loadOf(worker, model),
      promptTokensBefore: registry.promptTokensAhead(worker),
      inFlightBefore: registry.begin(worker),
      prompt: registry.beginPrompt(worker, promptTokens),
      isProbe: registry.breakers.began(worker, model),
      takenOver: splice?.tokens ?? 0,
      terms: earnings?.terms(worker, model),
    }
    this.#decision = withAttempt(this.#decision, start)
    return running
  }

  completed(figures: Figures): void {
    this.#end({ outcome: 'completed', code: null, figures })
  }

  failed(error: IsochroneError, figures: Figures): void {
    if (this.#running !== undefined) this.#askedToWait(this.#running.worker, error)
    this.#end({ outcome: 'failed', code: recordedCode(error), figures })
  }

  abandoned(figures: Figures): void {
    this.#end({ outcome: 'abandoned', code: null, figures })
  }

  /** The worker did well as far as it came; somebody else goes on. */
  moved(figures: Figures): void {
    this.#end({ outcome: 'cancelled', code: null, figures })
  }

  /** The attempt beside failed; the other one goes on. */
  besideFailed(error: IsochroneError, figures: Figures): void {
    const beside = this.#beside
    this.#beside = undefined
    if (beside === undefined) return
    this.#askedToWait(beside.worker, error)
    const end: End = { outcome: 'failed', code: recordedCode(error), figures }
    this.#observe(this.#refusals.judge(this.#finish(beside, end)), beside)
  }

  /**
   * The attempt beside is not needed any more: nobody's fault.
   * @param waitedMs its first token took longer than this; null: that says nothing of it
   */
  besideCancelled(waitedMs: number | null): void {
    const beside = this.#beside
    this.#beside = undefined
    if (beside === undefined) return
    const seen = this.#finish(beside, { outcome: 'cancelled', code: null, figures: noFigures })
    // Only its worker could count them; without any, its response curve would learn nothing of it.
    const promptTokens = waitedMs === null ? null : this.#decision.request.promptTokens
    // It answered nothing, so it contradicts nobody's refusal.
    this.#observe([{ ...seen, ttftMs: waitedMs, promptTokens }], beside)
  }

  /** No attempt follows: the decision goes into the store. */
  close(): void {
    // An error of this gateway's own may have left it running: that says nothing of the worker.
    if (this.#running !== undefined) this.abandoned(noFigures)
    this.besideCancelled(null)
    try {
      const still = this.#refusals.close()
      if (still.length > 0) this.#observe(still)
    } finally {
      this.#modules.decisionLog.close(this.#slot, this.#decision)
    }
  }

  #end(end: End): void {
    const running = this.#running
    if (running === undefined) return
    this.#running = undefined
    this.#figures = end.figures
    this.#observe(this.#refusals.judge(this.#finish(running, end)), running)
  }

  /** Notes the end everywhere, and gives what was seen. */
  #finish(running: Running, { outcome, code, figures }: End): Observation {
    const { clock, registry, metrics } = this.#modules
    const { worker, at } = running
    const { id, model } = this.#decision
    registry.endPrompt(worker, running.prompt)
    registry.end(worker, figures.usage?.completionTokens ?? figures.deltaTokens)
    if (running.isProbe) registry.breakers.probeEnded(worker, model)
    this.#earn(running, outcome, figures)
    metrics.attempt(outcome, code)
    const atMs = clock.now()
    const { ttftMs, tpotMs, usage } = figures
    this.#decision = endAttempt(this.#decision, { outcome, endedAtMs: atMs, code, ttftMs }, at)
    return {
      atMs,
      worker,
      model,
      decision: id,
      attempt: at,
      outcome: observedOf(outcome, code, ttftMs),
      blame: this.#isVoid(running, code) ? 'gateway' : blameOf(outcome, code),
      ttftMs,
      tpotMs,
      promptTokens: usage?.promptTokens ?? null,
      completionTokens: usage?.completionTokens ?? null,
      inFlight: running.inFlightBefore,
      load: running.loadBefore,
      promptTokensAhead: running.promptTokensBefore,
    }
  }

  /** What is owed is known at the end, or when another one has gone on. */
  #earn(running: Running, outcome: End['outcome'], { billed, deltaTokens, ttftMs }: Figures): void {
    const isOver = outcome === 'completed' || outcome === 'abandoned'
    if (isOver) this.#continued(running)
    if (billed !== undefined && (isOver || billed.isFalse)) {
      const { bill, counted, isFalse } = billed
      const { takenOver } = running
      this.#post(running, { how: 'answered', takenOver, billed: bill, counted, isFalse })
    } else if (ttftMs === null) return
    else if (outcome === 'abandoned') this.#estimate(running, 'left', deltaTokens)
    else this.#unpaid ??= { running, deltaTokens }
  }

  /** What it took over was delivered by the one before: it had only to be repeated. */
  #continued(running: Running | undefined): void {
    const before = this.#unpaid
    this.#unpaid = undefined
    if (before === undefined || running === undefined) return
    const tokens = Math.min(running.takenOver, before.deltaTokens)
    this.#estimate(before.running, 'continued', tokens)
  }

  #estimate(running: Running, how: 'left' | 'continued', completionTokens: number): void {
    const { takenOver } = running
    const { promptTokens } = this.#decision.request
    this.#post(running, { how, takenOver, promptTokens, completionTokens })
  }

  #post({ at, terms, worker }: Running, delivered: Delivered): void {
    if (terms === undefined) return
    const { id, model } = this.#decision
    this.#modules.earnings?.post(delivered, terms, { decision: id, attempt: at, worker, model })
  }

  /** A forged signature is one, however busy this gateway was. */
  #isVoid({ startedAtMs }: Running, code: ErrorCode | null): boolean {
    if (provesForgery(code)) return false
    return this.#modules.selfWatch?.wasTroubledSince(startedAtMs) ?? false
  }

  /** Of what was said at other attempts of this request, the latest one's beginning is told. */
  #observe(judged: readonly Observation[], { startedAtMs }: Pick<Running, 'startedAtMs'> = this) {
    const { evidence, observations, registry } = this.#modules
    for (const observation of judged) {
      evidence.observe(observation)
      registry.changed(observation.worker)
      observations.append(observation)
      registry.breakers.observe(observation, startedAtMs)
    }
  }

  #askedToWait(worker: WorkerId, { detail }: IsochroneError): void {
    const { retryAfterMs } = detail
    if (typeof retryAfterMs !== 'number') return
    const { model } = this.#decision
    this.#modules.registry.breakers.asked({ worker, model, retryAfterMs })
  }
}

function observedOf(
  outcome: End['outcome'],
  code: ErrorCode | null,
  ttftMs: number | null,
): ObservedOutcome {
  if (outcome === 'completed') return { kind: 'completed' }
  if (outcome !== 'failed' || code === null) return { kind: 'abandoned' }
  return { kind: 'failed', code, phase: ttftMs === null ? 'before-first-token' : 'mid-stream' }
}

function blameOf(outcome: End['outcome'], code: ErrorCode | null): Observation['blame'] {
  if (outcome === 'abandoned') return 'client'
  if (outcome !== 'failed' || code === null) return 'nobody'
  return blameFor(code)
}
