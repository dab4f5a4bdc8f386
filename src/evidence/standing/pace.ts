/**
 * Who is slower than may be: than the floor of its tier, or than its own word by far more than
 * others are. What slows everybody (a machine that they share, long prompts, a full house) lowers
 * what all keep of their word, and is nobody's lie.
 */
import type { JsonObject, WorkerId } from '../../protocol/index.ts'
import type { WorkerEvidence } from '../evidence.ts'
import type { FaultKind } from './fault.ts'
import type { IncidentState } from './incident.ts'

/** What one worker that offers a model says, and has to keep. Tokens per second. */
export interface StatedPace {
  readonly worker: WorkerId
  /** 0: it says nothing. */
  readonly claimed: number
  /** 0: nothing is asked. */
  readonly floor: number
}

export interface SlowFault {
  readonly kind: FaultKind & `below-${string}`
  readonly model: string
  readonly evidence: JsonObject
}

interface Found {
  readonly kind: SlowFault['kind']
  readonly evidence: Readonly<Record<string, number>>
}

export interface PaceModules {
  readonly evidence: { of(model: string): (worker: WorkerId) => WorkerEvidence }
  /** undefined: it does not offer the model now. */
  readonly stated: (worker: WorkerId, model: string) => StatedPace | undefined
  /** Of all who offer the model now. */
  readonly all: (model: string) => readonly StatedPace[]
  /** The least share of its word that a worker keeps, where others keep all; 0: not asked. */
  readonly claimKeptMin: () => number
  readonly stateOf: (worker: WorkerId, model: string) => IncidentState | undefined
  readonly report: (worker: WorkerId, fault: SlowFault) => void
  /** It is re-checked, and is as fast as it has to be. */
  readonly kept: (worker: WorkerId, model: string) => void
}

/** Fewer others may all be in the same trouble, or lie. */
const othersMin = 3
/** Answers that end a re-check: five within some minutes. */
const keptSamplesMin = 4

export class PaceJudge {
  readonly #modules: PaceModules
  /** Models and workers of which there is something new. */
  readonly #seen = new Map<string, Set<WorkerId>>()

  constructor(modules: PaceModules) {
    this.#modules = modules
  }

  /** It answered a request. */
  seen(worker: WorkerId, model: string): void {
    const workers = this.#seen.get(model)
    if (workers === undefined) this.#seen.set(model, new Set([worker]))
    else workers.add(worker)
  }

  /** Judges whoever was seen since the last time. */
  judge(): void {
    if (this.#seen.size === 0) return
    for (const [model, workers] of this.#seen) this.#judge(model, workers)
    this.#seen.clear()
  }

  #judge(model: string, workers: ReadonlySet<WorkerId>): void {
    const { all, evidence, kept, report, stated, stateOf } = this.#modules
    const evidenceOf = evidence.of(model)
    let everybody: readonly StatedPace[] | undefined
    for (const worker of workers) {
      const { rate } = evidenceOf(worker)
      const state = stateOf(worker, model)
      if (rate === undefined || !(state === undefined || state === 'trial')) continue
      const own = stated(worker, model)
      if (own === undefined) continue
      const usual = () => {
        everybody ??= all(model)
        return usualOf(everybody, worker, evidenceOf)
      }
      const fault = this.#faultOf(own, rate.upper, usual)
      if (fault !== undefined) {
        const { median, samples, upper } = rate
        const measured = { median, atMost: upper, answers: samples, claimed: own.claimed }
        const shown = { ...measured, ...fault.evidence }
        report(worker, { ...fault, model, evidence: roundedIn(shown) })
        continue
      }
      if (state !== 'trial' || rate.samples < keptSamplesMin) continue
      // In doubt it goes on: too good to be shut out again, too bad to be acquitted.
      if (this.#faultOf(own, rate.median, usual) === undefined) kept(worker, model)
    }
  }

  /** @param perSecond what it reaches */
  #faultOf(
    { claimed, floor }: StatedPace,
    perSecond: number,
    usual: () => number | undefined,
  ): Found | undefined {
    if (perSecond < floor) return { kind: 'below-floor', evidence: { floor } }
    const least = claimed * this.#modules.claimKeptMin()
    // Others keep all of their word at most: mostly that is enough to know.
    if (perSecond >= least) return undefined
    const othersKeep = usual()
    if (othersKeep === undefined || perSecond >= least * othersKeep) return undefined
    return { kind: 'below-claim', evidence: { othersKeep } }
  }
}

/** What the others keep of their word, 1 at most, in the middle; undefined: too few are known. */
function usualOf(
  all: readonly StatedPace[],
  self: WorkerId,
  evidenceOf: (worker: WorkerId) => WorkerEvidence,
): number | undefined {
  const shares: number[] = []
  for (const { worker, claimed } of all) {
    const { rate } = evidenceOf(worker)
    if (worker === self || rate === undefined || claimed <= 0) continue
    shares.push(Math.min(1, rate.median / claimed))
  }
  if (shares.length < othersMin) return undefined
  shares.sort((a, b) => a - b)
  // The lower of two: in doubt for whoever is judged.
  return shares[(shares.length - 1) >> 1]
}

/** For people: to the hundredth. */
function roundedIn(values: Readonly<Record<string, number>>): JsonObject {
  const entries = Object.entries(values)
  return Object.fromEntries(entries.map(([name, value]) => [name, Math.round(value * 100) / 100]))
}
