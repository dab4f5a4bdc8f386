/** The gateway's metrics, made from the table in `telemetry`, on a registry of their own. */

import type { Breakers, FaultKind, IncidentState } from '../evidence/index.ts'
import type { LieKind, NodeState } from '../mesh/index.ts'
import type { ErrorCode, GenerationUsage } from '../protocol/index.ts'
import type { Attempt, DecisionOutcome, MoveReason } from '../routing/index.ts'
import { labelValuesMax, Registry, metrics as table } from '../telemetry/index.ts'
import type { Earnings } from './dispatch/earnings.ts'
import type { ExaminerOutcome } from './workers/examiner.ts'
import type { ExperienceOutcome } from './workers/experience-exchange.ts'
import type { RecheckOutcome } from './workers/rechecks.ts'
import type { NoticeOutcome } from './workers/standing-notices.ts'

export type Operation = 'chat' | 'text_completion' | 'embeddings'

/** What one inference request showed, for its end. Durations in ms. */
export interface RequestFigures {
  readonly operation: Operation
  readonly model: string
  readonly totalMs: number
  readonly ttftMs: number | null
  readonly tpotMs: number | null
  readonly usage: GenerationUsage | undefined
  /** null: answered. */
  readonly code: ErrorCode | null
}

export interface Gauges {
  readonly requestsInFlight: () => number
  readonly workers: () => { readonly connected: number; readonly disconnected: number }
  readonly breakers?: () => Pick<Breakers, 'counts' | 'openings'>
  readonly latencies?: {
    readonly pairs: () => number
    readonly impossible: () => number
    readonly locations: () => Readonly<Record<LocationStatus, number>>
  }
  readonly federation?: {
    readonly states: () => Readonly<Record<NodeState, number>> | undefined
    readonly lies: () => ReadonlyMap<LieKind, number> | undefined
  }
  readonly standing?: {
    readonly incidents: () => ReadonlyMap<IncidentState, number>
    readonly faults: () => ReadonlyMap<FaultKind, number>
    readonly notices: () => ReadonlyMap<NoticeOutcome, number>
    readonly rechecks: () => ReadonlyMap<RecheckOutcome, number>
    readonly examinations: () => ReadonlyMap<ExaminerOutcome, number>
    readonly experiences: () => ReadonlyMap<ExperienceOutcome, number>
    readonly earnings: () => Pick<Earnings, 'counts' | 'dollars'> | undefined
  }
}

export class GatewayMetrics {
  readonly #registry = new Registry()
  readonly #models = new LabelCap(labelValuesMax)
  readonly #requestDuration = this.#registry.histograms(table.requestDuration)
  readonly #timeToFirstToken = this.#registry.histograms(table.timeToFirstToken)
  readonly #timePerOutputToken = this.#registry.histograms(table.timePerOutputToken)
  readonly #tokenUsage = this.#registry.histograms(table.tokenUsage)
  readonly #httpRequests = this.#registry.counters(table.httpRequests)
  readonly #refusals = this.#registry.counters(table.refusals)
  readonly #decisions = this.#registry.counters(table.decisions)
  readonly #decisionDuration = this.#registry.histograms(table.decisionDuration)
  readonly #policies = this.#registry.counters(table.policies)
  readonly #attempts = this.#registry.counters(table.attempts)
  readonly #retries = this.#registry.counters(table.retries)
  readonly #roomWaits = this.#registry.counters(table.roomWaits)
  readonly #hedges = this.#registry.counters(table.hedges)
  readonly #migrations = this.#registry.counters(table.migrations)
  readonly #continuationPause = this.#registry.histograms(table.continuationPause)
  readonly #joins = this.#registry.counters(table.joins)

  constructor(gauges: Gauges) {
    this.#registry.reading(table.requestsInFlight, () => [[[], gauges.requestsInFlight()]])
    this.#registry.reading(table.workers, () => {
      const { connected, disconnected } = gauges.workers()
      return [
        [['connected'], connected],
        [['disconnected'], disconnected],
      ]
    })
    const { breakers } = gauges
    if (breakers !== undefined) {
      this.#registry.reading(table.breakers, () => {
        const counts = Object.entries(breakers().counts())
        return counts.map(([state, count]) => [[state], count] as const)
      })
      this.#registry.reading(table.breakerOpenings, () => [[[], breakers().openings]])
    }
    const { latencies } = gauges
    if (latencies !== undefined) {
      this.#registry.reading(table.latencyPairs, () => [[[], latencies.pairs()]])
      this.#registry.reading(table.impossibleRoundTrips, () => [[[], latencies.impossible()]])
      this.#registry.reading(table.locations, () => {
        const counts = latencies.locations()
        return locationStatuses.map((status) => [[status], counts[status]] as const)
      })
    }
    const { federation } = gauges
    if (federation !== undefined) {
      this.#registry.reading(table.federationNodes, () => {
        const states = Object.entries(federation.states() ?? {})
        return states.map(([state, count]) => [[state], count] as const)
      })
      this.#registry.reading(table.federationLies, () => {
        return Array.from(federation.lies() ?? [], ([kind, count]) => [[kind], count] as const)
      })
    }
    const { standing } = gauges
    if (standing !== undefined) {
      this.#registry.reading(table.incidents, () => {
        return Array.from(standing.incidents(), ([state, count]) => [[state], count] as const)
      })
      this.#registry.reading(table.faults, () => {
        return Array.from(standing.faults(), ([kind, count]) => [[kind], count] as const)
      })
      this.#registry.reading(table.notices, () => {
        return Array.from(standing.notices(), ([outcome, count]) => [[outcome], count] as const)
      })
      this.#registry.reading(table.experiences, () => {
        return Array.from(standing.experiences(), ([outcome, count]) => [[outcome], count] as const)
      })
      this.#registry.reading(table.ledgerEntries, () => {
        const counts = Object.entries(standing.earnings()?.counts() ?? {})
        return counts.map(([state, count]) => [[state], count] as const)
      })
      this.#registry.reading(table.ledgerDollars, () => [[[], standing.earnings()?.dollars ?? 0]])
      this.#registry.reading(table.rechecks, () => {
        return Array.from(standing.rechecks(), ([outcome, count]) => [[outcome], count] as const)
      })
      this.#registry.reading(table.examinations, () => {
        const counts = standing.examinations()
        return Array.from(counts, ([outcome, count]) => [[outcome], count] as const)
      })
    }
    this.#registry.reading(table.residentMemory, residentMemory)
  }

  get contentType(): string {
    return this.#registry.contentType
  }

  /** The text that Prometheus reads. */
  render(): string {
    return this.#registry.render()
  }

  request({ operation, model, code, totalMs, ttftMs, tpotMs, usage }: RequestFigures): void {
    const name = this.#models.of(model)
    this.#requestDuration.of(operation, name, code ?? '').observe(totalMs / 1000)
    if (ttftMs !== null) this.#timeToFirstToken.of(operation, name).observe(ttftMs / 1000)
    if (code !== null) return
    if (tpotMs !== null) this.#timePerOutputToken.of(operation, name).observe(tpotMs / 1000)
    if (usage === undefined) return
    this.#tokenUsage.of(operation, name, 'input').observe(usage.promptTokens)
    this.#tokenUsage.of(operation, name, 'output').observe(usage.completionTokens)
  }

  /** @param route the route's pattern, never what the client wrote */
  httpRequest(route: string, status: number): void {
    this.#httpRequests.of(route, String(status)).add()
  }

  refusal(code: ErrorCode): void {
    this.#refusals.of(code).add()
  }

  decision(outcome: DecisionOutcome, durationMs: number): void {
    this.#decisions.of(outcome).add()
    this.#decisionDuration.of().observe(durationMs / 1000)
  }

  policy(result: 'followed' | 'refused'): void {
    this.#policies.of(result).add()
  }

  attempt(outcome: Exclude<Attempt['outcome'], 'running'>, code: ErrorCode | null): void {
    this.#attempts.of(outcome, code ?? '').add()
  }

  retry(): void {
    this.#retries.of().add()
  }

  /** A request had waited for somebody with room. */
  roomWait(result: 'served' | 'none'): void {
    this.#roomWaits.of(result).add()
  }

  /** `refused`: the budget was used up. */
  hedge(result: 'won' | 'lost' | 'failed' | 'refused'): void {
    this.#hedges.of(result).add()
  }

  migration(reason: MoveReason): void {
    this.#migrations.of(reason).add()
  }

  continuation(pauseMs: number): void {
    this.#continuationPause.of().observe(pauseMs / 1000)
  }

  join(result: 'accepted' | ErrorCode): void {
    this.#joins.of(result).add()
  }
}

const locationStatuses = ['consistent', 'disputed', 'refuted'] as const
type LocationStatus = (typeof locationStatuses)[number]

/** Nothing where the system does not say it, as a process without file descriptors left. */
function residentMemory(): (readonly [string[], number])[] {
  try {
    return [[[], process.memoryUsage.rss()]]
  } catch {
    return []
  }
}

/**
 * Lets the first values through and counts the rest as `other`: a client must not grow our memory.
 */
class LabelCap {
  readonly #max: number
  readonly #seen = new Set<string>()

  constructor(max: number) {
    this.#max = max
  }

  of(value: string): string {
    if (this.#seen.has(value)) return value
    if (this.#seen.size >= this.#max) return 'other'
    this.#seen.add(value)
    return value
  }
}
