/**
 * ONNX Runtime alone: the same graph, weights, session options and cache in place, in the shortest
 * loop that makes tokens. No scheduler, no tokenizer, no sampling but the greatest logit.
 */

import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import type { InferenceSession, Tensor } from 'onnxruntime-node'
import { loadLocalEngine, type OnnxBackend } from '../../src/engine/index.ts'
import { buildGraph, type StoredModel, weightsFile, wholeRange } from '../../src/models/index.ts'

export interface Timing {
  /** From the start to the last token. */
  readonly wholeMs: number
  /** While all answers of the batch are being written, and the tokens made in that time. */
  readonly decodeMs: number
  readonly decodeTokens: number
  /** How long each step of that time took. */
  readonly stepsMs: readonly number[]
  /** Of all threads of this process: what others on the machine take is not in it. */
  readonly processorMs: number
  /** What was made, to compare: ids per answer. */
  readonly tokenIds: readonly (readonly number[])[]
}

export interface Work {
  readonly prompts: readonly (readonly number[])[]
  /** Per answer, the first one included. */
  readonly newTokens: number
}

export interface BareLoop {
  run(work: Work): Promise<Timing>
  close(): Promise<void>
}

interface BareOptions {
  readonly backend: OnnxBackend
  readonly slots: number
  readonly contextTokensMax: number
}

type Runtime = Pick<typeof import('onnxruntime-node'), 'InferenceSession' | 'Tensor'>

/** See DecoderSession: native runs end with this once everything is in its place. */
const stoppedMessage = 'Non tensor type is temporarily not supported.'

export async function openBareLoop(model: StoredModel, options: BareOptions): Promise<BareLoop> {
  const runtime = await loadRuntime(options.backend)
  const { contextTokensMax, backend } = options
  const { manifest } = model
  const { graphOptions } = await loadLocalEngine()
  const form = graphOptions(manifest, { backend, contextTokensMax })
  const graph = buildGraph(manifest, wholeRange(manifest.architecture), form)
  const settings = backend === 'wasm' ? wasmSettings(model) : nativeSettings(backend, model)
  const session = await runtime.InferenceSession.create(graph, settings)
  const cache = makeCache(model, options)
  return {
    run: (work) => runLoop({ runtime, session, model, options, cache }, work),
    close: () => session.release(),
  }
}

async function loadRuntime(backend: string): Promise<Runtime> {
  if (backend !== 'wasm') return import('onnxruntime-node')
  return (await import('onnxruntime-web')) as unknown as Runtime
}

function wasmSettings(model: StoredModel): InferenceSession.SessionOptions {
  const data = readFileSync(join(model.folder, weightsFile))
  return {
    executionProviders: ['wasm'],
    graphOptimizationLevel: 'all',
    logSeverityLevel: 4,
    externalData: [{ path: weightsFile, data }],
  } as InferenceSession.SessionOptions
}

function nativeSettings(backend: string, model: StoredModel): InferenceSession.SessionOptions {
  return {
    executionProviders: backend === 'cpu' ? ['cpu'] : [backend, 'cpu'],
    graphOptimizationLevel: 'all',
    executionMode: 'sequential',
    intraOpNumThreads: availableParallelism(),
    interOpNumThreads: 1,
    logSeverityLevel: 4,
    extra: {
      session: {
        intra_op: { allow_spinning: '0' },
        inter_op: { allow_spinning: '0' },
        model_external_initializers_file_folder_path: model.folder,
      },
    },
  }
}

interface Loop {
  readonly runtime: Runtime
  readonly session: InferenceSession
  readonly model: StoredModel
  readonly options: BareOptions
  /** Key and value of each layer, all slots. */
  readonly cache: readonly Float32Array[]
}

function makeCache(model: StoredModel, options: BareOptions): Float32Array[] {
  const { layers, keyValueHeads, headSize } = model.manifest.architecture
  const elements = options.slots * keyValueHeads * options.contextTokensMax * headSize
  return Array.from({ length: 2 * layers }, () => new Float32Array(elements))
}

async function runLoop(loop: Loop, { prompts, newTokens }: Work): Promise<Timing> {
  const count = prompts.length
  const { vocabularySize } = loop.model.manifest.architecture
  const tokenIds: number[][] = prompts.map(() => [])
  const start = performance.now()
  const processor = process.cpuUsage()
  for (const [row, prompt] of prompts.entries()) {
    const one = view(loop, { row, count: 1, length: prompt.length })
    one.tokens.set(prompt)
    one.lastIndex[0] = prompt.length - 1
    await step(loop, one)
    tokenIds[row]?.push(greatest(one.logits, 0, vocabularySize))
  }
  const decodeStart = performance.now()
  const stepsMs: number[] = []
  const all = view(loop, { row: 0, count, length: 1 })
  for (let made = 1; made < newTokens; made += 1) {
    const stepStart = performance.now()
    for (const [row, prompt] of prompts.entries()) {
      all.tokens[row] = tokenIds[row]?.at(-1) ?? 0
      all.lastIndex[row] = prompt.length + made - 1
    }
    await step(loop, all)
    for (const [row, made] of tokenIds.entries()) {
      made.push(greatest(all.logits, row * vocabularySize, vocabularySize))
    }
    stepsMs.push(performance.now() - stepStart)
  }
  const end = performance.now()
  const decodeTokens = count * (newTokens - 1)
  const processorMs = processorMsSince(processor)
  const decodeMs = end - decodeStart
  return { wholeMs: end - start, decodeMs, decodeTokens, stepsMs, processorMs, tokenIds }
}

export function processorMsSince(before: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1000
}

interface View {
  readonly feeds: Record<string, Tensor>
  readonly fetches: Record<string, Tensor | null>
  readonly tokens: Int32Array
  readonly lastIndex: Int32Array
  readonly totalLength: Int32Array
  readonly logits: Float32Array
}

/** The tensors of one batch, made once for all of its steps. */
function view(
  { runtime, model, options, cache }: Loop,
  { row, count, length }: { readonly row: number; readonly count: number; readonly length: number },
): View {
  const { Tensor } = runtime
  const { keyValueHeads, headSize, vocabularySize } = model.manifest.architecture
  const tokens = new Int32Array(count * length)
  const lastIndex = new Int32Array(count)
  const totalLength = new Int32Array(1)
  const logits = new Float32Array(count * vocabularySize)
  const feeds: Record<string, Tensor> = {
    tokens: new Tensor('int32', tokens, [count, length]),
    last_index: new Tensor('int32', lastIndex, [count]),
    total_length: new Tensor('int32', totalLength, [1]),
  }
  const fetches: Record<string, Tensor | null> = {
    ...(options.backend === 'wasm' ? {} : { done: null }),
    logits: new Tensor('float32', logits, [count, vocabularySize]),
  }
  const size = keyValueHeads * options.contextTokensMax * headSize
  const shape = [count, keyValueHeads, options.contextTokensMax, headSize]
  for (const [index, buffer] of cache.entries()) {
    const name = `${index % 2 === 0 ? 'key' : 'value'}_${index >> 1}`
    const values = buffer.subarray(row * size, (row + count) * size)
    const tensor = new Tensor('float32', values, shape)
    feeds[`past_${name}`] = tensor
    fetches[`present_${name}`] = tensor
  }
  return { feeds, fetches, tokens, lastIndex, totalLength, logits }
}

async function step({ session, options }: Loop, batch: View): Promise<void> {
  batch.totalLength[0] = Math.max(...batch.lastIndex) + 1
  if (options.backend === 'wasm') {
    // WebAssembly has a memory of its own: what it computes is copied back.
    const names = Object.keys(batch.fetches)
    const outputs = await session.run(batch.feeds, names)
    for (const name of names) {
      const target = batch.fetches[name]?.data as Float32Array
      target.set(outputs[name]?.data as Float32Array)
      outputs[name]?.dispose()
    }
    return
  }
  try {
    await session.run(batch.feeds, batch.fetches)
  } catch (error) {
    if (!(error instanceof Error) || error.message !== stoppedMessage) throw error
  }
}

function greatest(logits: Float32Array, offset: number, size: number): number {
  let best = 0
  for (let i = 1; i < size; i += 1) {
    if ((logits[offset + i] ?? 0) > (logits[offset + best] ?? 0)) best = i
  }
  return best
}
