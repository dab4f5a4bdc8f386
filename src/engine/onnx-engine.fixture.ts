/**
 * For tests: a model runner whose next token is a pure function of the tokens before it, and
 * requests with every field filled in. The runner checks that it is used as its contract says.
 */
import assert from 'node:assert/strict'
import { fileURLToPath } from 'node:url'
import { type Clock, ManualClock, silentLog } from '../base/index.ts'
import type { ModelManifest } from '../models/index.ts'
import {
  type GenerationEvent,
  type GenerationRequest,
  modelDigestOf,
  requestIdOf,
  type Sampling,
} from '../protocol/index.ts'
import type { Engine } from './engine.ts'
import type { DecodeStep, ModelRunner } from './model-runner.ts'
import { createOnnxEngine } from './onnx-engine.ts'
import type { SchedulerLimits } from './scheduler/scheduler.ts'
import { loadTokenizer } from './tokenizer/load-tokenizer.ts'

export const tinyFolder = fileURLToPath(new URL('../../models/isochrone-tiny', import.meta.url))
export const tinyTokenizer = await loadTokenizer(tinyFolder)
export const endTokenId = 2

/** Fills a row of logits from all tokens so far. */
export type Script = (tokens: readonly number[], row: Float32Array) => void

export class ScriptedRunner implements ModelRunner {
  readonly slots: number
  readonly contextTokensMax = 512
  readonly vocabularySize = tinyTokenizer.vocabularySize
  readonly runtime = 'onnx/scripted'
  isReady = true
  losses = 0
  readonly calls: string[] = []
  closed = false
  /** Set to make the next calls fail. */
  failing: Error | null = null
  /** Awaited inside every call. */
  gate: () => Promise<void> = async () => {}
  readonly #script: Script
  readonly #tokens: number[][]
  #busy = false

  constructor(slots: number, script: Script) {
    this.slots = slots
    this.#script = script
    this.#tokens = Array.from({ length: slots }, () => [])
  }

  async prefill(slot: number, tokenIds: readonly number[], position: number) {
    this.calls.push(`prefill ${slot} ${tokenIds.length}`)
    return this.#run(() => {
      assert.ok(tokenIds.length >= 1)
      this.#append(slot, tokenIds, position)
      return [slot]
    })
  }

  async decode(steps: readonly DecodeStep[]) {
    this.calls.push(`decode ${steps.length}`)
    return this.#run(() => {
      assert.equal(new Set(steps.map(({ slot }) => slot)).size, steps.length)
      for (const { slot, tokenId, position } of steps) this.#append(slot, [tokenId], position)
      return steps.map(({ slot }) => slot)
    })
  }

  async close() {
    assert.ok(!this.#busy)
    this.closed = true
  }

  #append(slot: number, tokenIds: readonly number[], position: number): void {
    const tokens = this.#tokens[slot]
    assert.ok(tokens !== undefined)
    if (position === 0) tokens.length = 0
    assert.equal(tokens.length, position)
    tokens.push(...tokenIds)
    assert.ok(tokens.length <= this.contextTokensMax)
  }

  async #run(work: () => readonly number[]): Promise<Float32Array> {
    assert.ok(!this.#busy, 'calls never overlap')
    this.#busy = true
    try {
      await this.gate()
      if (this.failing !== null) throw this.failing
      const slots = work()
      const logits = new Float32Array(slots.length * this.vocabularySize)
      slots.forEach((slot, i) => {
        const row = logits.subarray(i * this.vocabularySize, (i + 1) * this.vocabularySize)
        this.#script(this.#tokens[slot] ?? [], row)
      })
      return logits
    } finally {
      this.#busy = false
    }
  }
}

/** Pseudo-random logits that depend on the last three tokens and the length. */
export const noisyScript: Script = (tokens, row) => {
  let state = tokens.length
  for (const token of tokens.slice(-3)) state = Math.imul(state ^ token, 0x9e3779b1) >>> 0
  for (let id = 0; id < row.length; id += 1) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    row[id] = (state >>> 8) / 2 ** 22
  }
}

/** Says a text after every prompt of `promptTokens` tokens, then ends. */
export function saying(text: string, promptTokens: number): Script {
  const ids = [...tinyTokenizer.encode(text, { special: false }), endTokenId]
  return (tokens, row) => {
    row[ids[tokens.length - promptTokens] ?? endTokenId] = 10
  }
}

export function scriptedEngine(
  runner: ModelRunner,
  options: { limits?: Partial<SchedulerLimits>; clock?: Clock } = {},
): Engine {
  return createOnnxEngine({
    models: [{ stored: { manifest }, runner, tokenizer: tinyTokenizer }],
    clock: options.clock ?? new ManualClock(),
    log: silentLog,
    ...(options.limits === undefined ? {} : { limits: options.limits }),
  })
}

const manifest: ModelManifest = {
  format: 1,
  name: 'scripted',
  digest: modelDigestOf('0'.repeat(64)),
  architecture: {
    family: 'llama',
    layers: 1,
    width: 1,
    feedForwardWidth: 1,
    queryHeads: 1,
    keyValueHeads: 1,
    headSize: 1,
    vocabularySize: tinyTokenizer.vocabularySize,
    contextTokensMax: 512,
    normEpsilon: 1e-5,
    ropeTheta: 10_000,
    ropeScaling: { type: 'default', factor: 1 },
    tiedHead: true,
    attentionBias: false,
    outputBias: false,
    feedForwardBias: false,
    queryKeyNorm: false,
    slidingWindow: null,
    layersWithoutRope: [],
    layersWithoutWindow: [],
  },
  quantisation: 'float32',
  parameters: 1,
  beginTokenId: 1,
  endTokenIds: [endTokenId],
  hasChatTemplate: true,
  files: [],
}

export const greedy: Sampling = {
  temperature: 0,
  topP: 1,
  topK: 0,
  minP: 0,
  frequencyPenalty: 0,
  presencePenalty: 0,
  repetitionPenalty: 1,
  logitBias: {},
  seed: 1,
}

export function requestOf(changes: Partial<GenerationRequest> = {}): GenerationRequest {
  return {
    kind: 'completion',
    requestId: requestIdOf(new Uint8Array(16)),
    model: 'scripted',
    modelDigest: null,
    messages: [],
    prompt: [10, 11, 12],
    choices: 1,
    maxTokens: null,
    stop: [],
    sampling: greedy,
    topLogprobs: null,
    whole: false,
    echo: false,
    tools: [],
    toolChoice: null,
    parallelToolCalls: null,
    responseFormat: { type: 'text' },
    passThrough: {},
    ...changes,
  }
}

/** Everything that an answer consists of. */
export interface Collected {
  readonly texts: string[]
  readonly tokenIds: number[][]
  readonly reasons: (string | undefined)[]
  readonly usage: { promptTokens: number; completionTokens: number } | undefined
  readonly events: readonly GenerationEvent[]
}

export async function collect(
  stream: AsyncIterable<readonly GenerationEvent[]>,
): Promise<Collected> {
  const events: GenerationEvent[] = []
  for await (const batch of stream) events.push(...batch)
  return summarise(events)
}

export function summarise(events: readonly GenerationEvent[]): Collected {
  const texts: string[] = []
  const tokenIds: number[][] = []
  const reasons: string[] = []
  let usage: Collected['usage']
  for (const event of events) {
    if (event.type === 'delta') {
      texts[event.choice] = (texts[event.choice] ?? '') + event.text
      tokenIds[event.choice] = [...(tokenIds[event.choice] ?? []), ...event.tokenIds]
    } else if (event.type === 'finish') reasons[event.choice] = event.reason
    else usage = { promptTokens: event.promptTokens, completionTokens: event.completionTokens }
  }
  return { texts, tokenIds, reasons, usage, events }
}

export function run(engine: Engine, changes: Partial<GenerationRequest> = {}): Promise<Collected> {
  return collect(engine.generate(requestOf(changes), new AbortController().signal))
}

/** Lets everything run that can run without time passing. */
export async function settle(turns = 50): Promise<void> {
  for (let i = 0; i < turns; i += 1) await new Promise((resolve) => setImmediate(resolve))
}
