/**
 * One graph of decoder layers, loaded, with the KV cache of its slots.
 *
 * The cache is fed and fetched as the very same buffers, which `GroupQueryAttention` recognises: it
 * writes the new tokens' rows and copies nothing. Feeds and fetches are built once per view of the
 * cache.
 */
import type { InferenceSession, Tensor } from 'onnxruntime-node'
import { buildGraph, type LayerRange, type StoredModel, weightsFile } from '../../models/index.ts'
import { IsochroneError } from '../../protocol/index.ts'
import { graphOptions } from './graph-options.ts'
import { KvCache } from './kv-cache.ts'
import {
  createSession,
  loadRuntime,
  type OnnxBackend,
  type OnnxRuntime,
  runFailure,
} from './runtime.ts'

export interface DecoderSessionOptions {
  readonly backend: OnnxBackend
  readonly threads: number
  readonly slots: number
  readonly contextTokensMax: number
}

/**
 * Token ids for the first range of layers, hidden states [batch, length, width] for a later one.
 */
export type StageInput = Int32Array | Float32Array

/** Rows of the cache that one run reads and appends to. */
export interface Batch {
  readonly firstRow: number
  readonly count: number
  /** New tokens per row; more than one only with a single row. */
  readonly length: number
}

interface Bound {
  readonly feeds: Record<string, Tensor>
  readonly fetches: Record<string, Tensor | null>
  readonly lastIndex: Int32Array
  readonly totalLength: Int32Array
}

/** Tokens per slot at first, where the cache grows with what it holds. */
const copiedCapacityMin = 64

/** See `addDone` of the graph: this is not a failure. */
const stoppedMessage = 'Non tensor type is temporarily not supported.'

export class DecoderSession {
  readonly cache: KvCache
  readonly #session: InferenceSession
  readonly #runtime: OnnxRuntime
  readonly #range: LayerRange
  readonly #isNative: boolean
  readonly #output: { readonly name: string; readonly width: number }
  readonly #bound = new Map<number, Bound>()
  readonly #slots: number
  readonly #contextTokensMax: number

  static async open(
    model: StoredModel,
    range: LayerRange,
    options: DecoderSessionOptions,
  ): Promise<DecoderSession> {
    const { backend, threads, contextTokensMax } = options
    const runtime = await loadRuntime(backend)
    const settings = graphOptions(model.manifest, { backend, contextTokensMax })
    const graph = buildGraph(model.manifest, range, settings)
    const weights = { folder: model.folder, file: weightsFile }
    const session = await createSession(runtime, graph, { backend, threads, weights })
    return new DecoderSession({ model, range, options, runtime, session })
  }

  private constructor(parts: {
    readonly model: StoredModel
    readonly range: LayerRange
    readonly options: DecoderSessionOptions
    readonly runtime: OnnxRuntime
    readonly session: InferenceSession
  }) {
    const { architecture } = parts.model.manifest
    this.#session = parts.session
    this.#runtime = parts.runtime
    this.#range = parts.range
    this.#isNative = parts.options.backend !== 'wasm'
    this.#slots = parts.options.slots
    this.#output =
      parts.range.end === architecture.layers
        ? { name: 'logits', width: architecture.vocabularySize }
        : { name: 'hidden_out', width: architecture.width }
    this.#contextTokensMax = parts.options.contextTokensMax
    this.cache = new KvCache({
      architecture,
      layers: parts.range.end - parts.range.first,
      rows: parts.options.slots,
      capacity: this.#isNative
        ? this.#contextTokensMax
        : Math.min(copiedCapacityMin, this.#contextTokensMax),
      type: 'float32',
    })
  }

  /**
   * Appends tokens to rows of the cache.
   * @param lastIndex for each row the index of its last token once these are appended
   * @param output float32, written: [batch, vocabulary] logits of each row's last token, or
   *   [batch, length, width] hidden states
   * @throws IsochroneError `engine_failed`
   */
  async run(
    batch: Batch,
    lastIndex: readonly number[] | Int32Array,
    values: { readonly input: StageInput; readonly output: Float32Array },
  ): Promise<void> {
    let greatest = 0
    for (let i = 0; i < batch.count; i += 1) greatest = Math.max(greatest, lastIndex[i] ?? 0)
    this.#makeRoom(greatest + 1)
    const { feeds, fetches, ...bound } = this.#bind(batch)
    for (let i = 0; i < batch.count; i += 1) bound.lastIndex[i] = lastIndex[i] ?? 0
    bound.totalLength[0] = greatest + 1
    this.#bindValues(batch, values, { feeds, fetches })
    try {
      if (this.#isNative) await this.#runInPlace(feeds, fetches, values.output)
      else await this.#runCopying(feeds, fetches)
    } catch (error) {
      throw runFailure(error)
    }
  }

  async close(): Promise<void> {
    await this.#session.release()
  }

  /** Where the cache is copied with every step, it is kept no longer than it must be. */
  #makeRoom(tokens: number): void {
    if (tokens <= this.cache.capacity) return
    let capacity = this.cache.capacity
    while (capacity < tokens) capacity *= 2
    this.cache.grow(Math.min(capacity, this.#contextTokensMax))
    this.#bound.clear()
  }

  async #runInPlace(
    feeds: Record<string, Tensor>,
    fetches: Record<string, Tensor | null>,
    output: Float32Array,
  ): Promise<void> {
    const last = output.length - 1
    output[last] = Number.NaN
    try {
      await this.#session.run(feeds, fetches)
    } catch (error) {
      // The run is complete and every output is in its place; only the copying was left out.
      if (!(error instanceof Error) || error.message !== stoppedMessage) throw error
      // The same words for another reason, before the end.
      if (Number.isNaN(output[last])) {
        const message = 'ONNX Runtime stopped without a result, or the result is not a number.'
        throw new IsochroneError('engine_failed', message, { cause: error })
      }
    }
  }

  /** The WebAssembly build has a memory of its own: what it computes is copied back. */
  async #runCopying(
    feeds: Record<string, Tensor>,
    fetches: Record<string, Tensor | null>,
  ): Promise<void> {
    const names = Object.keys(fetches).filter((name) => fetches[name] !== null)
    const outputs = await this.#session.run(feeds, names)
    for (const name of names) {
      const target = fetches[name]?.data as Float32Array
      target.set(outputs[name]?.data as Float32Array)
      outputs[name]?.dispose()
    }
  }

  #bindValues(
    batch: Batch,
    values: { readonly input: StageInput; readonly output: Float32Array },
    to: Pick<Bound, 'feeds' | 'fetches'>,
  ): void {
    const { Tensor } = this.#runtime
    const { count, length } = batch
    const { input, output } = values
    const known = to.feeds['tokens'] ?? to.feeds['hidden']
    if (known?.data !== input || known.dims[1] !== length) {
      if (input instanceof Int32Array) {
        to.feeds['tokens'] = new Tensor('int32', input, [count, length])
      } else {
        const width = input.length / (count * length)
        to.feeds['hidden'] = new Tensor('float32', input, [count, length, width])
      }
    }
    const { name, width } = this.#output
    if (to.fetches[name]?.data === output) return
    const shape = name === 'logits' ? [count, width] : [count, length, width]
    to.fetches[name] = new Tensor('float32', output, shape)
  }

  /** The feeds and fetches of a view, made once. */
  #bind(batch: Batch): Bound {
    const { firstRow, count } = batch
    const key = firstRow * (this.#slots + 1) + count
    const known = this.#bound.get(key)
    if (known !== undefined) return known
    const { Tensor } = this.#runtime
    const lastIndex = new Int32Array(count)
    const totalLength = new Int32Array(1)
    const feeds: Record<string, Tensor> = {
      last_index: new Tensor('int32', lastIndex, [count]),
      total_length: new Tensor('int32', totalLength, [1]),
    }
    const fetches: Record<string, Tensor | null> = this.#isNative ? { done: null } : {}
    for (let layer = this.#range.first; layer < this.#range.end; layer += 1) {
      for (const [offset, kind] of ['key', 'value'].entries()) {
        const index = 2 * (layer - this.#range.first) + offset
        const { values, shape } = this.cache.view(index, firstRow, count)
        const tensor = new Tensor('float32', values as Float32Array, shape)
        feeds[`past_${kind}_${layer}`] = tensor
        fetches[`present_${kind}_${layer}`] = tensor
      }
    }
    const bound = { feeds, fetches, lastIndex, totalLength }
    this.#bound.set(key, bound)
    return bound
  }
}
