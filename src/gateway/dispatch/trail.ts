/**
 * What happens to one request after its decision: attempts at workers. Each ends as an observation
 * for the evidence and as a line in the decision.
 */
import type { Clock } from '../../base/index.ts'
import type { EvidenceBook, Observation, ObservedOutcome } from '../../evidence/index.ts'
import type { ErrorCode, GenerationUsage, IsochroneError, WorkerId } from '../../protocol/index.ts'
import {
  type AttemptStart,
  type Decision,
  endAttempt,
  withAttempt,
  withPause,
} from '../../routing/index.ts'
import type { GatewayMetrics } from '../metrics.ts'
import { offerOf, type WorkerRegistry } from '../workers/registry.ts'
import { blameFor, provesForgery, recordedCode } from './attribution.ts'
import type { DecisionLog } from './decision-log.ts'
import { DoubtedRefusals } from './doubted-refusals.ts'

export interface TrailModules {
  readonly clock: Clock
  readonly registry: WorkerRegistry
  readonly evidence: EvidenceBook
  readonly observations: { append(observation: Observation): void }
  readonly decisionLog: DecisionLog
  readonly metrics: GatewayMetrics
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
}

export const noFigures: Figures = Object.freeze({
  ttftMs: null,
  tpotMs: null,
  usage: undefined,
  deltaTokens: 0,
})

export class Trail {
  readonly #modules: TrailModules
  readonly #slot: number
  #decision: Decision
  /** Of the attempt that runs. */
  #worker: WorkerId | undefined
  #inFlightBefore = 0
  #loadBefore: number | null = null
  #startedAtMs = 0
  #figures: Figures = noFigures
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
    this.#startedAtMs = this.#modules.clock.monotonic()
    this.#begin({ worker, startedAtMs: this.#modules.clock.now() })
  }

  /** @param tokens that were there, of all choices */
  beginContinuation(worker: WorkerId, tokens: number): void {
    const startedAtMs = this.#modules.clock.now()
    const splice = { tokens, pauseMs: null }
    this.#begin({ worker, startedAtMs, cause: 'continuation', splice })
  }

  /** The client got something again. */
  wentOn(pauseMs: number): void {
    this.#modules.metrics.continuation(pauseMs)
    this.#decision = withPause(this.#decision, pauseMs)
  }

  #begin(start: AttemptStart): void {
    this.#worker = start.worker
    if (this.#decision.attempts.length > 0) this.#modules.metrics.retry()
    this.#loadBefore = this.#modules.registry.loadOf(start.worker, this.#decision.model)
    this.#inFlightBefore = this.#modules.registry.begin(start.worker)
    this.#decision = withAttempt(this.#decision, start)
  }

  completed(figures: Figures): void {
    this.#end({ kind: 'completed' }, null, figures)
  }

  failed(error: IsochroneError, figures: Figures): void {
    const phase = figures.ttftMs === null ? 'before-first-token' : 'mid-stream'
    const code = recordedCode(error)
    this.#end({ kind: 'failed', code, phase }, code, figures)
  }

  abandoned(figures: Figures): void {
    this.#end({ kind: 'abandoned' }, null, figures)
  }

  /** No attempt follows: the decision goes into the store. */
  close(): void {
    // An error of this gateway's own may have left it running: that says nothing of the worker.
    if (this.#worker !== undefined) this.abandoned(noFigures)
    try {
      this.#observe(this.#refusals.close())
    } finally {
      this.#modules.decisionLog.close(this.#slot, this.#decision)
    }
  }

  #end(outcome: ObservedOutcome, code: ErrorCode | null, figures: Figures): void {
    const worker = this.#worker
    if (worker === undefined) return
    this.#worker = undefined
    this.#figures = figures
    const { clock, registry, metrics } = this.#modules
    registry.end(worker, figures.usage?.completionTokens ?? figures.deltaTokens)
    metrics.attempt(outcome.kind, code)
    const observation: Observation = {
      atMs: clock.now(),
      worker,
      model: this.#decision.model,
      decision: this.#decision.id,
      attempt: this.#decision.attempts.length - 1,
      outcome,
      blame: this.#isVoid(code) ? 'gateway' : blameOf(outcome.kind, code),
      ttftMs: figures.ttftMs,
      tpotMs: figures.tpotMs,
      promptTokens: figures.usage?.promptTokens ?? null,
      completionTokens: figures.usage?.completionTokens ?? null,
      inFlight: this.#inFlightBefore,
      load: this.#loadBefore,
    }
    this.#observe(this.#refusals.judge(observation))
    const end = { outcome: outcome.kind, endedAtMs: observation.atMs, code, ttftMs: figures.ttftMs }
    this.#decision = endAttempt(this.#decision, end)
  }

  /** A forged signature is one, however busy this gateway was. */
  #isVoid(code: ErrorCode | null): boolean {
    if (provesForgery(code)) return false
    return this.#modules.selfWatch?.wasTroubledSince(this.#startedAtMs) ?? false
  }

  #observe(judged: readonly Observation[]): void {
    const { evidence, observations } = this.#modules
    for (const observation of judged) {
      evidence.observe(observation)
      observations.append(observation)
    }
  }
}

function blameOf(kind: ObservedOutcome['kind'], code: ErrorCode | null): Observation['blame'] {
  if (kind === 'abandoned') return 'client'
  if (code === null) return 'nobody'
  return blameFor(code)
}
