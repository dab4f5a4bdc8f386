/** This project's engine doing the same work: requests in, events out, all of them at once. */
import { availableParallelism } from 'node:os'
import { secureRandom, silentLog, systemClock } from '../../src/base/index.ts'
import { type Engine, loadLocalEngine, type OnnxBackend } from '../../src/engine/index.ts'
import type { StoredModel } from '../../src/models/index.ts'
import { type GenerationRequest, requestIdOf } from '../../src/protocol/index.ts'
import { processorMsSince, type Timing, type Work } from './bare-loop.ts'

interface OwnOptions {
  readonly backend: OnnxBackend
  readonly slots: number
  readonly contextTokensMax: number
}

export interface OwnLoop {
  run(work: Work): Promise<Timing>
  /** All prompts before the first step, so that all steps have all answers: as the bare loop. */
  runPromptsFirst(work: Work): Promise<Timing>
  close(): Promise<void>
}

export async function openOwnLoop(stored: StoredModel, options: OwnOptions): Promise<OwnLoop> {
  const { createOnnxEngine, createOnnxRunner, loadTokenizer } = await loadLocalEngine()
  const threads = availableParallelism()
  const runner = await createOnnxRunner(stored, { ...options, threads })
  const tokenizer = await loadTokenizer(stored.folder)
  // Without end tokens every answer has its full length, whatever the text.
  const manifest = { ...stored.manifest, endTokenIds: [] }
  const models = [{ stored: { manifest }, runner, tokenizer }]
  const parts = { models, clock: systemClock, log: silentLog }
  const engine = createOnnxEngine(parts)
  const never = Number.POSITIVE_INFINITY
  const patient = createOnnxEngine({ ...parts, limits: { stallMs: never, stallTokensMax: never } })
  return {
    run: (work) => runRequests(engine, manifest.name, work),
    runPromptsFirst: (work) => runRequests(patient, manifest.name, work),
    // Both have the same runner, which this closes.
    close: () => engine.close(),
  }
}

async function runRequests(engine: Engine, model: string, work: Work): Promise<Timing> {
  const { signal } = new AbortController()
  /** When each token came, of every answer. */
  const arrivals: number[][] = work.prompts.map(() => [])
  const tokenIds: number[][] = work.prompts.map(() => [])
  const start = performance.now()
  const processor = process.cpuUsage()
  await Promise.all(
    work.prompts.map(async (prompt, index) => {
      const request = makeRequest(model, prompt, work.newTokens)
      for await (const events of engine.generate(request, signal)) {
        const now = performance.now()
        for (const event of events) {
          if (event.type !== 'delta') continue
          tokenIds[index]?.push(...event.tokenIds)
          for (const _ of event.tokenIds) arrivals[index]?.push(now)
        }
      }
    }),
  )
  const processorMs = processorMsSince(processor)
  const decodeStart = Math.max(...arrivals.map((times) => times[0] ?? Number.NaN))
  const end = Math.max(...arrivals.map((times) => times.at(-1) ?? Number.NaN))
  // Answers that began earlier end earlier: what follows is no full batch any more.
  const decodeEnd = Math.min(...arrivals.map((times) => times.at(-1) ?? Number.NaN))
  const decodeTokens = arrivals
    .flat()
    .filter((time) => time > decodeStart && time <= decodeEnd).length
  const decodeMs = decodeEnd - decodeStart
  const stepsMs = stepsWithin(arrivals.find((times) => times[0] === decodeStart) ?? [], decodeEnd)
  return { wholeMs: end - start, decodeMs, decodeTokens, stepsMs, processorMs, tokenIds }
}

/** Of one answer. Tokens that came together took the same share of the time before them. */
function stepsWithin(arrivals: readonly number[], untilMs: number): readonly number[] {
  const steps: number[] = []
  let [before, since] = [arrivals[0] ?? Number.NaN, 1]
  for (let place = 1; place < arrivals.length; place += 1) {
    const now = arrivals[place] as number
    if (now > untilMs) break
    if (arrivals[place + 1] === now) continue
    const count = place - since + 1
    for (let i = 0; i < count; i += 1) steps.push((now - before) / count)
    before = now
    since = place + 1
  }
  return steps
}

function makeRequest(
  model: string,
  prompt: readonly number[],
  maxTokens: number,
): GenerationRequest {
  return {
    kind: 'completion',
    requestId: requestIdOf(secureRandom.bytes(16)),
    model,
    modelDigest: null,
    messages: [],
    prompt,
    choices: 1,
    maxTokens,
    stop: [],
    sampling: {
      temperature: 0,
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
