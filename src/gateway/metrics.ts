/** The gateway's metrics, made from the table in `telemetry`, on a registry of their own. */
import { Counter, Gauge, Histogram, Registry } from 'prom-client'
import type { ErrorCode, GenerationUsage } from '../protocol/index.ts'
import type { DecisionOutcome } from '../routing/index.ts'
import { labelValuesMax, metrics as table } from '../telemetry/index.ts'

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
}

export class GatewayMetrics {
  readonly #registry = new Registry()
  readonly #models = new LabelCap(labelValuesMax)
  readonly #requestDuration = this.#histogram(table.requestDuration)
  readonly #timeToFirstToken = this.#histogram(table.timeToFirstToken)
  readonly #timePerOutputToken = this.#histogram(table.timePerOutputToken)
  readonly #tokenUsage = this.#histogram(table.tokenUsage)
  readonly #httpRequests = this.#counter(table.httpRequests)
  readonly #refusals = this.#counter(table.refusals)
  readonly #decisions = this.#counter(table.decisions)
  readonly #decisionDuration = this.#histogram(table.decisionDuration)
  readonly #attempts = this.#counter(table.attempts)
  readonly #retries = this.#counter(table.retries)
  readonly #joins = this.#counter(table.joins)

  constructor(gauges: Gauges) {
    this.#gauge(table.requestsInFlight, (gauge) => gauge.set(gauges.requestsInFlight()))
    this.#gauge(table.workers, (gauge) => {
      const { connected, disconnected } = gauges.workers()
      gauge.set({ state: 'connected' }, connected)
      gauge.set({ state: 'disconnected' }, disconnected)
    })
    this.#gauge(table.residentMemory, (gauge) => gauge.set(process.memoryUsage.rss()))
  }

  get contentType(): string {
    return this.#registry.contentType
  }

  /** The text that Prometheus reads. */
  render(): Promise<string> {
    return this.#registry.metrics()
  }

  request(figures: RequestFigures): void {
    const labels = {
      gen_ai_operation_name: figures.operation,
      gen_ai_request_model: this.#models.of(figures.model),
    }
    const error = figures.code === null ? {} : { error_type: figures.code }
    this.#requestDuration.observe({ ...labels, ...error }, figures.totalMs / 1000)
    if (figures.ttftMs !== null) this.#timeToFirstToken.observe(labels, figures.ttftMs / 1000)
    if (figures.code !== null) return
    if (figures.tpotMs !== null) this.#timePerOutputToken.observe(labels, figures.tpotMs / 1000)
    if (figures.usage === undefined) return
    const { promptTokens, completionTokens } = figures.usage
    this.#tokenUsage.observe({ ...labels, gen_ai_token_type: 'input' }, promptTokens)
    this.#tokenUsage.observe({ ...labels, gen_ai_token_type: 'output' }, completionTokens)
  }

  /** @param route the route's pattern, never what the client wrote */
  httpRequest(route: string, status: number): void {
    this.#httpRequests.inc({ route, status })
  }

  refusal(code: ErrorCode): void {
    this.#refusals.inc({ code })
  }

  decision(outcome: DecisionOutcome, durationMs: number): void {
    this.#decisions.inc({ outcome })
    this.#decisionDuration.observe(durationMs / 1000)
  }

  attempt(outcome: 'completed' | 'failed' | 'abandoned', code: ErrorCode | null): void {
    this.#attempts.inc({ outcome, code: code ?? '' })
  }

  retry(): void {
    this.#retries.inc()
  }

  join(result: 'accepted' | ErrorCode): void {
    this.#joins.inc({ result })
  }

  #histogram(definition: {
    name: string
    help: string
    labels: readonly string[]
    buckets: readonly number[]
  }): Histogram {
    return new Histogram({
      name: definition.name,
      help: definition.help,
      labelNames: [...definition.labels],
      buckets: [...definition.buckets],
      registers: [this.#registry],
    })
  }

  #counter(definition: { name: string; help: string; labels: readonly string[] }): Counter {
    return new Counter({
      name: definition.name,
      help: definition.help,
      labelNames: [...definition.labels],
      registers: [this.#registry],
    })
  }

  #gauge(
    definition: { name: string; help: string; labels: readonly string[] },
    collect: (gauge: Gauge) => void,
  ): void {
    new Gauge({
      name: definition.name,
      help: definition.help,
      labelNames: [...definition.labels],
      registers: [this.#registry],
      collect() {
        collect(this)
      },
    })
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
