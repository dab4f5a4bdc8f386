/**
 * An attempt at an answer whose first token may be late, and then a second one beside it. Whoever
 * gives something first goes on; the other one is stopped, which is nobody's fault.
 *
 *   lead ──────── late ──────────── first token: the second one is stopped
 *                  └ second ── first token: the lead is stopped
 *
 * Where one fails the other goes on alone; where both fail the last failure counts.
 */
import type { GenerationEvent, GenerationRequest } from '../../protocol/index.ts'
import type { Decision } from '../../routing/index.ts'
import type { GatewayMetrics } from '../metrics.ts'
import { workerError } from './attribution.ts'
import type { Calls, Journeying, Target } from './calls.ts'
import type { SpareBudget } from './hedge-plan.ts'
import type { Passage } from './passage.ts'
import type { Router } from './router.ts'
import { noFigures } from './trail.ts'

type Batch = readonly GenerationEvent[]

/** An attempt that has begun. */
export interface Begun {
  readonly target: Target
  readonly passage: Passage
  /** undefined: the answer is over already. */
  readonly first: Batch | undefined
}

type Runner = Pick<Begun, 'target' | 'passage'>

export interface RaceModules {
  readonly calls: Calls
  readonly router: Pick<Router, 'routeBeside'>
  readonly budget: SpareBudget
  readonly metrics: Pick<GatewayMetrics, 'hedge'>
}

export interface RaceSubject {
  readonly request: GenerationRequest
  readonly target: Target
  readonly journeying: Journeying
  /** Monotonic ms. */
  readonly lateAtMs: number
}

export class FirstTokenRace {
  readonly #subject: RaceSubject
  readonly #modules: RaceModules
  #lead: Runner | undefined
  #second: Runner | undefined
  /** How the second one was chosen. */
  #decision: Decision | undefined
  #isOver = false
  #resolve: (begun: Begun) => void = () => {}
  #reject: (error: unknown) => void = () => {}

  constructor(subject: RaceSubject, modules: RaceModules) {
    this.#subject = subject
    this.#modules = modules
  }

  /** Rejects when every attempt failed and is recorded as such. */
  run(): Promise<Begun> {
    const { request, target, journeying, lateAtMs } = this.#subject
    return new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
      const late = { atMs: lateAtMs, act: () => this.#late() }
      try {
        const passage = this.#modules.calls.passage(request, target, { journeying, late })
        this.#lead = { target, passage }
      } catch (error) {
        reject(this.#modules.calls.ended(error, noFigures, journeying))
        return
      }
      this.#follow(this.#lead)
    })
  }

  #late(): void {
    const { calls, router, budget, metrics } = this.#modules
    const { request, journeying } = this.#subject
    const { trail, departure } = journeying
    if (this.#isOver || departure.reason !== undefined) return
    const decision = router.routeBeside(trail.decision)
    const target = decision && calls.target(decision.model, decision.chosen)
    if (target === undefined) return
    if (!budget.take()) {
      metrics.hedge('refused')
      return
    }
    this.#decision = decision
    trail.beginBeside(target.worker.id)
    try {
      this.#second = { target, passage: calls.passage(request, target, { journeying }) }
    } catch (error) {
      metrics.hedge('failed')
      trail.besideFailed(workerError(error), noFigures)
      return
    }
    this.#follow(this.#second)
  }

  #follow(one: Runner): void {
    one.passage.call.next().then(
      (first) => this.#came(one, first),
      (error) => this.#broke(one, error),
    )
  }

  #came(one: Runner, first: Batch | undefined): void {
    if (this.#isOver) return
    this.#isOver = true
    const other = this.#otherOf(one)
    if (one === this.#second) {
      this.#modules.metrics.hedge('won')
      this.#turnToSecond()
    } else if (other !== undefined) this.#modules.metrics.hedge('lost')
    if (other !== undefined) this.#cancel(other)
    this.#resolve({ ...one, first })
  }

  #broke(one: Runner, error: unknown): void {
    if (this.#isOver) return
    const { calls, metrics } = this.#modules
    const { trail, departure } = this.#subject.journeying
    const other = this.#otherOf(one)
    if (other === undefined || departure.reason !== undefined) {
      this.#isOver = true
      if (one === this.#second && departure.reason === undefined) metrics.hedge('failed')
      const failure = calls.failed(error, one.passage, this.#subject.journeying)
      other?.passage.call.stop(error)
      trail.besideCancelled(null)
      this.#reject(failure)
      return
    }
    if (one === this.#lead) {
      this.#lead = undefined
      this.#turnToSecond()
    } else {
      this.#second = undefined
      metrics.hedge('failed')
    }
    one.passage.call.stop(error)
    trail.besideFailed(workerError(error), one.passage.call.figures())
  }

  #turnToSecond(): void {
    const { trail } = this.#subject.journeying
    if (this.#decision === undefined) return
    trail.turnToBeside(this.#decision)
    this.#decision = undefined
  }

  /** The lead takes longer than it was waited for; of the second one nothing is known. */
  #cancel(other: Runner): void {
    const { call } = other.passage
    const waitedMs = other === this.#lead ? call.waitedMs : null
    call.stop(new Error('The first token came from another worker.'))
    this.#subject.journeying.trail.besideCancelled(waitedMs)
  }

  #otherOf(one: Runner): Runner | undefined {
    return one === this.#lead ? this.#second : this.#lead
  }
}
