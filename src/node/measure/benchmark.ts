/**
 * How fast an engine really is: prefill and decode tokens per second of each model, through the
 * same contract that serves requests. Short, since a node measures before it joins.
 */
import type { Clock } from '../../base/index.ts'
import type { Engine, EngineModel } from '../../engine/index.ts'
import type { GenerationEvent, GenerationRequest, RequestId } from '../../protocol/index.ts'

export interface MeasuredSpeed {
  /** Tokens per second; 0: not measured. */
  readonly decodeTokensPerSecond: number
  readonly prefillTokensPerSecond: number
}

export const notMeasured: MeasuredSpeed = { decodeTokensPerSecond: 0, prefillTokensPerSecond: 0 }

/** Long enough that fixed costs per request do not count, short enough for a slow machine. */
const promptWords = 96
const decodeTokensMax = 32
const roundsMax = 3

/** Never throws: a model that cannot be measured stays unmeasured. */
export async function measureModel(
  engine: Engine,
  model: EngineModel,
  modules: { readonly clock: Clock; readonly budgetMs: number },
): Promise<MeasuredSpeed> {
  const { clock, budgetMs } = modules
  const stop = new AbortController()
  const timer = clock.after(budgetMs, () => stop.abort())
  const startedMs = clock.monotonic()
  let best = notMeasured
  // The first round also warms up; the best of a few is least disturbed by neighbours.
  for (let round = 0; round < roundsMax; round += 1) {
    if (clock.monotonic() - startedMs > budgetMs / 2) break
    const run = new MeasuredRun(clock)
    try {
      for await (const batch of engine.generate(benchmarkRequest(model), stop.signal)) {
        run.see(batch)
      }
    } catch {
      // Out of time, or the model refused the benchmark's request: what was seen until then counts.
    }
    best = faster(best, run.speed())
    if (stop.signal.aborted) break
  }
  timer.cancel()
  return best
}

class MeasuredRun {
  readonly #clock: Clock
  readonly #startedMs: number
  #firstMs: number | undefined
  #firstTokens = 0
  #lastMs = 0
  #tokens = 0
  #promptTokens = 0

  constructor(clock: Clock) {
    this.#clock = clock
    this.#startedMs = clock.monotonic()
  }

  see(events: readonly GenerationEvent[]): void {
    const now = this.#clock.monotonic()
    for (const event of events) {
      if (event.type === 'usage') this.#promptTokens = event.promptTokens
      if (event.type === 'delta') this.#tokens += Math.max(1, event.tokenIds.length)
    }
    if (this.#tokens === 0) return
    if (this.#firstMs === undefined) {
      this.#firstMs = now
      this.#firstTokens = this.#tokens
    }
    this.#lastMs = now
  }

  speed(): MeasuredSpeed {
    if (this.#firstMs === undefined) return notMeasured
    return {
      prefillTokensPerSecond: rate(this.#promptTokens, this.#firstMs - this.#startedMs),
      decodeTokensPerSecond: rate(this.#tokens - this.#firstTokens, this.#lastMs - this.#firstMs),
    }
  }
}

function rate(tokens: number, durationMs: number): number {
  return tokens > 0 && durationMs > 0 ? (tokens / durationMs) * 1000 : 0
}

function faster(a: MeasuredSpeed, b: MeasuredSpeed): MeasuredSpeed {
  return {
    decodeTokensPerSecond: Math.max(a.decodeTokensPerSecond, b.decodeTokensPerSecond),
    prefillTokensPerSecond: Math.max(a.prefillTokensPerSecond, b.prefillTokensPerSecond),
  }
}

function benchmarkRequest(model: EngineModel): GenerationRequest {
  const words = Math.max(1, Math.min(promptWords, Math.floor(model.contextTokensMax / 8)))
  const prompt = 'one two three four '.repeat(Math.ceil(words / 4)).trim()
  const chat = !model.features.includes('completion')
  return {
    kind: chat ? 'chat' : 'completion',
    requestId: 'req_benchmark' as RequestId,
    model: model.name,
    modelDigest: model.digest,
    messages: chat ? [{ role: 'user', content: prompt }] : [],
    prompt: chat ? '' : prompt,
    choices: 1,
    maxTokens: Math.max(1, Math.min(decodeTokensMax, Math.floor(model.contextTokensMax / 4))),
    stop: [],
    sampling: {
      // Warm, so that the answer does not end early on a model that has little to say.
      temperature: 1,
      topP: 1,
      topK: 0,
      minP: 0,
      frequencyPenalty: 0,
      presencePenalty: 0,
      repetitionPenalty: 1,
      logitBias: {},
      seed: 1,
    },
    topLogprobs: null,
    whole: false,
    echo: false,
    tools: [],
    toolChoice: null,
    parallelToolCalls: null,
    responseFormat: { type: 'text' },
    passThrough: {},
  }
}
