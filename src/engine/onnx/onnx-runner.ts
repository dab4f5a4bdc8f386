/**
 * A whole model on ONNX Runtime, step by step: the `ModelRunner` that the scheduler drives.
 */
import { assert } from '../../base/index.ts'
import { type ModelManifest, type StoredModel, wholeRange } from '../../models/index.ts'
import type { DecodeStep, ModelRunner } from '../model-runner.ts'
import { DecoderSession } from './decoder-session.ts'
import type { OnnxBackend } from './runtime.ts'

export interface OnnxRunnerOptions {
  readonly backend: OnnxBackend
  /** Generations that run at once; each has its part of the KV cache. */
  readonly slots: number
  readonly threads: number
  /** Tokens per slot; default: what the model was trained for, as far as memory allows. */
  readonly contextTokensMax?: number
  /** Whether the thread has other things to do; default: it has. */
  readonly blocksOthers?: boolean
}

const limits = {
  /** Prompt tokens per run: enough to use the processor well, few enough to keep memory small. */
  prefillTokensMax: 512,
  /**
   * A run blocks its thread's event loop: about half a second at 40 GFLOP/s and 10^10 products.
   */
  prefillProductsMax: 1e10,
  prefillTokensMin: 16,
  /** All slots' KV cache together, where nobody says how long a context has to be. */
  kvBytesMax: 2 * 1024 ** 3,
  /** Scratch for one layer's attention scores: heads × tokens × capacity × 4 bytes. */
  scratchBytesMax: 128 * 1024 * 1024,
} as const

/** In this thread. @throws IsochroneError `engine_unavailable`, `model_corrupt` */
export async function openOnnxRunner(
  model: StoredModel,
  options: OnnxRunnerOptions,
): Promise<ModelRunner> {
  const { architecture } = model.manifest
  assert(options.slots >= 1, 'a runner has a slot')
  const { keyValueHeads, headSize, layers } = architecture
  const tokenBytes = 2 * layers * keyValueHeads * headSize * 4
  const affordable = Math.max(1, Math.floor(limits.kvBytesMax / tokenBytes / options.slots))
  const contextTokensMax = Math.min(
    options.contextTokensMax ?? affordable,
    architecture.contextTokensMax,
  )
  const session = await DecoderSession.open(model, wholeRange(architecture), {
    ...options,
    contextTokensMax,
  })
  return new OnnxRunner(model.manifest, session, { ...options, contextTokensMax })
}

class OnnxRunner implements ModelRunner {
  readonly slots: number
  readonly contextTokensMax: number
  readonly vocabularySize: number
  readonly runtime: string
  readonly isReady = true
  readonly losses = 0
  readonly #session: DecoderSession
  readonly #prefillTokens: number
  /** Token ids and logits by the number of rows, so that their tensors can be reused. */
  readonly #tokens: readonly Int32Array[]
  readonly #logits: readonly Float32Array[]
  readonly #positions: Int32Array
  readonly #ordered: Float32Array

  constructor(
    manifest: ModelManifest,
    session: DecoderSession,
    options: OnnxRunnerOptions & { readonly contextTokensMax: number },
  ) {
    const { slots, contextTokensMax, backend } = options
    this.slots = slots
    this.contextTokensMax = contextTokensMax
    this.vocabularySize = manifest.architecture.vocabularySize
    this.runtime = `onnx/${backend}`
    this.#session = session
    this.#prefillTokens = prefillTokens(manifest, options)
    const logits = new Float32Array(slots * this.vocabularySize)
    const tokens = new Int32Array(slots)
    const counts = Array.from({ length: slots + 1 }, (_, count) => count)
    this.#tokens = counts.map((count) => tokens.subarray(0, count))
    this.#logits = counts.map((count) => logits.subarray(0, count * this.vocabularySize))
    this.#positions = new Int32Array(slots)
    this.#ordered = new Float32Array(slots > 1 ? slots * this.vocabularySize : 0)
  }

  async prefill(
    slot: number,
    tokenIds: readonly number[],
    position: number,
  ): Promise<Float32Array> {
    const total = tokenIds.length
    assert(total >= 1, 'prefill needs a token')
    assert(position + total <= this.contextTokensMax, 'a prompt fits the slot')
    for (const id of tokenIds) this.#assertToken(id)
    const output = this.#logits[1] as Float32Array
    const firstRow = this.#session.cache.rowOf(slot)
    // Runs of the same length: a small rest would read every weight for a few tokens.
    const runs = Math.ceil(total / this.#prefillTokens)
    for (let run = 0, done = 0; run < runs; run += 1) {
      const length = Math.ceil((total - done) / (runs - run))
      const input = Int32Array.from(tokenIds.slice(done, done + length))
      const last = position + done + length - 1
      await this.#session.run({ firstRow, count: 1, length }, [last], { input, output })
      this.#session.cache.hold(slot, last + 1)
      done += length
    }
    return output
  }

  async decode(steps: readonly DecodeStep[]): Promise<Float32Array> {
    const count = steps.length
    assert(count >= 1 && count <= this.slots, 'a batch has at most as many steps as slots')
    const { cache } = this.#session
    const firstRow = cache.gather(steps.map((step) => step.slot))
    const input = this.#tokens[count] as Int32Array
    const output = this.#logits[count] as Float32Array
    let isInOrder = true
    for (let i = 0; i < count; i += 1) {
      const { slot, tokenId, position } = steps[i] as DecodeStep
      assert(position < this.contextTokensMax, 'a token fits the slot')
      this.#assertToken(tokenId)
      const row = cache.rowOf(slot) - firstRow
      input[row] = tokenId
      this.#positions[row] = position
      if (row !== i) isInOrder = false
    }
    const batch = { firstRow, count, length: 1 }
    await this.#session.run(batch, this.#positions, { input, output })
    for (const { slot, position } of steps) cache.hold(slot, position + 1)
    return isInOrder ? output : this.#inOrderOf(steps, firstRow, output)
  }

  close(): Promise<void> {
    return this.#session.close()
  }

  /** Rows of logits in the order of the steps instead of the cache's. */
  #inOrderOf(steps: readonly DecodeStep[], firstRow: number, logits: Float32Array): Float32Array {
    const width = this.vocabularySize
    for (const [i, { slot }] of steps.entries()) {
      const row = this.#session.cache.rowOf(slot) - firstRow
      this.#ordered.set(logits.subarray(row * width, (row + 1) * width), i * width)
    }
    return this.#ordered.subarray(0, steps.length * width)
  }

  #assertToken(id: number): void {
    assert(Number.isInteger(id) && id >= 0 && id < this.vocabularySize, 'a token id')
  }
}

function prefillTokens(
  manifest: ModelManifest,
  options: { readonly contextTokensMax: number; readonly blocksOthers?: boolean },
): number {
  const { contextTokensMax, blocksOthers = true } = options
  const { queryHeads } = manifest.architecture
  const byMemory = Math.floor(limits.scratchBytesMax / (queryHeads * contextTokensMax * 4))
  const byTime = blocksOthers
    ? Math.floor(limits.prefillProductsMax / manifest.parameters)
    : limits.prefillTokensMax
  const tokens = Math.min(byMemory, Math.max(byTime, limits.prefillTokensMin))
  return Math.max(1, Math.min(tokens, limits.prefillTokensMax))
}
