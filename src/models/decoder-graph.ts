/**
 * A decoder of the Llama family as an ONNX graph, for any contiguous range of its layers.
 *
 * Inputs: `tokens` int32[batch, length] or, from a later layer on, `hidden` [batch, length, width];
 * `last_index` int32[batch]: the index of each row's last token once these are appended;
 * `total_length` int32[1]: the greatest of them, plus one;
 * `past_key_N`, `past_value_N` [batch, keyValueHeads, capacity, headSize] for each layer N.
 * Outputs: `present_key_N`, `present_value_N`, which may be the very same buffers, and `logits`
 * float32[batch, vocabulary] of the last position, or `hidden_out`.
 */
import { assert } from '../base/index.ts'
import type { DecoderArchitecture, ModelManifest } from './manifest.ts'
import { expandBlocks } from './onnx/expanded-blocks.ts'
import { GraphBuilder } from './onnx/graph-builder.ts'
import { type Dimension, elementTypes } from './onnx/onnx-model.ts'
import { ropeTables } from './rope.ts'
import { blockSize, type WeightLayout, weightLayout, weightsFile } from './weight-layout.ts'

/** Layers `first` up to, not including, `end`. */
export interface LayerRange {
  readonly first: number
  readonly end: number
}

export interface GraphOptions {
  /** Positions that the rotary tables cover. */
  readonly contextTokensMax: number
  /** What activations and the KV cache are: float16 on GPUs that are fast at it. */
  readonly compute: 'float32' | 'float16'
  readonly int4: Int4Form
}

/**
 * How matrices of 4-bit models are multiplied: by MatMulNBits with activations as they are
 * (`float32`) or as 8-bit integers (`int8`), which is faster on processors and a little less
 * exact; or `expanded` to float32 when the graph is loaded, for runtimes without kernels for it.
 */
export type Int4Form = 'float32' | 'int8' | 'expanded'

export function wholeRange(architecture: DecoderArchitecture): LayerRange {
  return { first: 0, end: architecture.layers }
}

/** @returns an ONNX model whose weights lie in `weights.bin` beside it */
export function buildGraph(
  manifest: Pick<ModelManifest, 'architecture' | 'quantisation'>,
  range: LayerRange,
  options: GraphOptions,
): Uint8Array {
  const { layers } = manifest.architecture
  assert(0 <= range.first && range.first < range.end && range.end <= layers, 'a range of layers')
  return new DecoderGraph(manifest, range, options).build()
}

/** Between layers the residual stream is a sum that the next norm adds up by itself. */
interface Stream {
  /** The residual before the last block; undefined at the start of the range. */
  readonly residual: string | undefined
  /** What the last block adds to it. */
  readonly value: string
}

class DecoderGraph {
  readonly #graph: GraphBuilder
  readonly #architecture: DecoderArchitecture
  readonly #layout: WeightLayout
  readonly #range: LayerRange
  readonly #options: GraphOptions

  constructor(
    manifest: Pick<ModelManifest, 'architecture' | 'quantisation'>,
    range: LayerRange,
    options: GraphOptions,
  ) {
    this.#graph = new GraphBuilder(`layers ${range.first} to ${range.end - 1}`)
    this.#architecture = manifest.architecture
    this.#layout = weightLayout(manifest.architecture, manifest.quantisation)
    this.#range = range
    this.#options = options
  }

  build(): Uint8Array {
    const { first, end } = this.#range
    this.#addDone()
    const hasHead = end === this.#architecture.layers
    let stream: Stream = { residual: undefined, value: this.#start() }
    this.#addLengthInputs()
    for (let layer = first; layer < end; layer += 1) {
      stream = this.#layer(layer, stream, hasHead && layer === end - 1)
    }
    if (hasHead) this.#head(stream)
    else this.#finish(stream)
    return this.#graph.encode()
  }

  /**
   * First of the outputs, for a runtime whose JavaScript binding copies every tensor that a run
   * returns, also those it wrote in place: it stops before that at one that it cannot return.
   */
  #addDone(): void {
    this.#graph.output({ name: 'done', type: 'int32', shape: [1], isSequence: true })
    this.#graph.node('SequenceConstruct', ['total_length'], { outputs: ['done'] })
  }

  /** Token embeddings, or what the stage before sent. */
  #start(): string {
    const { width } = this.#architecture
    const type = this.#options.compute
    if (this.#range.first > 0) {
      return this.#graph.input({ name: 'hidden', type, shape: ['batch', 'length', width] })
    }
    const shape = ['batch', 'length']
    const tokens = this.#graph.input({ name: 'tokens', type: 'int32', shape })
    const rows = this.#graph.node('Gather', [this.#stored('embedding'), tokens])
    return this.#cast(rows, this.#typeOf('embedding'), type)
  }

  #addLengthInputs(): void {
    this.#graph.input({ name: 'last_index', type: 'int32', shape: ['batch'] })
    this.#graph.input({ name: 'total_length', type: 'int32', shape: [1] })
  }

  /** @param isLast only the last position matters from its attention on */
  #layer(layer: number, stream: Stream, isLast: boolean): Stream {
    const name = `layers.${layer}`
    const before = this.#norm(`${name}.attention_norm`, stream)
    let attended = this.#attention(layer, before.normed)
    let residual = before.sum
    if (isLast) {
      attended = this.#lastPosition(attended)
      residual = this.#lastPosition(residual)
    }
    const value = this.#linear(`${name}.output`, attended)
    const after = this.#norm(`${name}.feed_forward_norm`, { residual, value })
    return { residual: after.sum, value: this.#feedForward(name, after.normed) }
  }

  /** RMSNorm of residual + value, and that sum. */
  #norm(name: string, stream: Stream): { readonly normed: string; readonly sum: string } {
    const attributes = { epsilon: { float: this.#architecture.normEpsilon } }
    const weight = this.#weight(name)
    if (stream.residual === undefined) {
      const normed = this.#graph.node('SimplifiedLayerNormalization', [stream.value, weight], {
        attributes: { ...attributes, axis: -1, stash_type: 1 },
      })
      return { normed, sum: stream.value }
    }
    const outputs = [`${name}.normed`, '', '', `${name}.sum`] as const
    const inputs = [stream.value, stream.residual, weight]
    this.#graph.runtimeNode('SkipSimplifiedLayerNormalization', inputs, { attributes, outputs })
    return { normed: outputs[0], sum: outputs[3] }
  }

  #attention(layer: number, normed: string): string {
    const { queryHeads, keyValueHeads, slidingWindow, queryKeyNorm } = this.#architecture
    const { layersWithoutRope, layersWithoutWindow } = this.#architecture
    const rotates = !layersWithoutRope.includes(layer)
    const isBounded = slidingWindow !== null && !layersWithoutWindow.includes(layer)
    const [query, key, value] = queryKeyNorm
      ? this.#normedHeads(layer, normed)
      : [this.#linear(`layers.${layer}.qkv`, normed), '', '']
    const [pastKey, presentKey] = this.#cache('key', layer)
    const [pastValue, presentValue] = this.#cache('value', layer)
    const inputs = [query, key, value, pastKey, pastValue, 'last_index', 'total_length']
    return this.#graph.runtimeNode(
      'GroupQueryAttention',
      rotates ? [...inputs, ...this.#ropeTables()] : inputs,
      {
        attributes: {
          num_heads: queryHeads,
          kv_num_heads: keyValueHeads,
          do_rotary: rotates ? 1 : 0,
          rotary_interleaved: 0,
          local_window_size: isBounded ? slidingWindow : -1,
        },
        outputs: [`layers.${layer}.attended`, presentKey, presentValue],
      },
    )
  }

  /** Query and key with RMSNorm over each head (Qwen3), and value. */
  #normedHeads(layer: number, normed: string): readonly [string, string, string] {
    const { queryHeads, keyValueHeads } = this.#architecture
    const name = `layers.${layer}`
    return [
      this.#headNorm(`${name}.query`, normed, queryHeads),
      this.#headNorm(`${name}.key`, normed, keyValueHeads),
      this.#linear(`${name}.value`, normed),
    ]
  }

  #headNorm(name: string, normed: string, heads: number): string {
    const { headSize, normEpsilon } = this.#architecture
    const flat = this.#linear(name, normed)
    const perHead = this.#reshape(flat, [0, 0, heads, headSize])
    const attributes = { epsilon: { float: normEpsilon }, axis: -1, stash_type: 1 }
    const inputs = [perHead, this.#weight(`${name}_norm`)]
    const result = this.#graph.node('SimplifiedLayerNormalization', inputs, { attributes })
    return this.#reshape(result, [0, 0, heads * headSize])
  }

  #cache(kind: 'key' | 'value', layer: number): readonly [past: string, present: string] {
    const { keyValueHeads, headSize } = this.#architecture
    const type = this.#options.compute
    const shape: readonly Dimension[] = ['batch', keyValueHeads, 'capacity', headSize]
    const past = this.#graph.input({ name: `past_${kind}_${layer}`, type, shape })
    const present = this.#graph.output({ name: `present_${kind}_${layer}`, type, shape })
    return [past, present]
  }

  /** SwiGLU (Shazeer, 2020): down(silu(gate) · up). */
  #feedForward(name: string, normed: string): string {
    const gate = this.#linear(`${name}.gate`, normed)
    // x · sigmoid(1 · x), which is SiLU
    const attributes = { alpha: { float: 1 } }
    const active = this.#graph.runtimeNode('QuickGelu', [gate], { attributes })
    const product = this.#graph.node('Mul', [active, this.#linear(`${name}.up`, normed)])
    return this.#linear(`${name}.down`, product)
  }

  #head(stream: Stream): void {
    const { vocabularySize, tiedHead } = this.#architecture
    const { normed } = this.#norm('norm', stream)
    const zero = this.#constant('zero', [], Int32Array.of(0))
    const flat = this.#graph.node('Gather', [normed, zero], { attributes: { axis: 1 } })
    const hasOwn = !tiedHead || this.#layout.has('head.weight')
    const logits = hasOwn
      ? this.#linear('head', flat)
      : this.#graph.node('Gemm', [flat, this.#weight('embedding')], { attributes: { transB: 1 } })
    const shape = ['batch', vocabularySize]
    const name = this.#graph.output({ name: 'logits', type: 'float32', shape })
    this.#graph.node('Cast', [logits], {
      attributes: { to: elementTypes.float32 },
      outputs: [name],
    })
  }

  /** Gives the residual stream on to the next stage. */
  #finish(stream: Stream): void {
    const { width } = this.#architecture
    const type = this.#options.compute
    const shape = ['batch', 'length', width]
    const name = this.#graph.output({ name: 'hidden_out', type, shape })
    assert(stream.residual !== undefined, 'a range has a layer')
    this.#graph.node('Add', [stream.residual, stream.value], { outputs: [name] })
  }

  #lastPosition(value: string): string {
    const index = this.#constant('last', [1], Int32Array.of(-1))
    return this.#graph.node('Gather', [value, index], { attributes: { axis: 1 } })
  }

  /** input × weight + bias, in whatever form the weight is stored. */
  #linear(name: string, input: string): string {
    const stored = this.#layout.get(`${name}.weight`)
    assert(stored !== undefined, `a weight ${name}`)
    const product =
      stored.from === 'blocks'
        ? this.#blockProduct(name, input)
        : this.#graph.node('MatMul', [input, this.#weight(`${name}.weight`)])
    if (!this.#layout.has(`${name}.bias`)) return product
    return this.#graph.node('Add', [product, this.#weight(`${name}.bias`)])
  }

  #blockProduct(name: string, input: string): string {
    const sources = this.#layout.get(`${name}.weight`)?.sources ?? []
    const rows = sources.reduce((sum, { shape }) => sum + (shape[0] ?? 0), 0)
    const columns = sources[0]?.shape[1] ?? 0
    const [packed, scales] = [this.#stored(`${name}.weight`), this.#stored(`${name}.scales`)]
    if (this.#options.int4 === 'expanded') {
      const expanded = expandBlocks(this.#graph, { packed, scales, rows, columns })
      const weight = this.#cast(expanded, 'float32', this.#options.compute)
      return this.#graph.node('MatMul', [input, weight])
    }
    return this.#graph.runtimeNode('MatMulNBits', [input, packed, this.#weight(`${name}.scales`)], {
      attributes: {
        K: columns,
        N: rows,
        bits: 4,
        block_size: blockSize,
        accuracy_level: this.#options.int4 === 'int8' ? 4 : 0,
      },
    })
  }

  /** A stored tensor in the type of the computation; the runtime folds the cast when it loads. */
  #weight(name: string): string {
    const known = this.#castWeights.get(name)
    if (known !== undefined) return known
    const value = this.#cast(this.#stored(name), this.#typeOf(name), this.#options.compute)
    this.#castWeights.set(name, value)
    return value
  }

  #stored(name: string): string {
    const tensor = this.#layout.get(name)
    assert(tensor !== undefined, `a stored tensor ${name}`)
    const { type, shape, offset, bytes } = tensor
    return this.#graph.initializer({
      name,
      type,
      shape,
      data: { file: weightsFile, offset, bytes },
    })
  }

  #typeOf(name: string): string {
    return this.#layout.get(name)?.type ?? ''
  }

  readonly #castWeights = new Map<string, string>()

  #cast(value: string, from: string, to: 'float32' | 'float16'): string {
    if (from === to) return value
    return this.#graph.node('Cast', [value], { attributes: { to: elementTypes[to] } })
  }

  #reshape(value: string, shape: readonly number[]): string {
    const name = `shape_${shape.join('_')}`
    const target = this.#constant(name, [shape.length], BigInt64Array.from(shape, BigInt))
    return this.#graph.node('Reshape', [value, target])
  }

  #ropeTables(): readonly [string, string] {
    const { contextTokensMax, compute } = this.#options
    const half = this.#architecture.headSize / 2
    this.#tables ??= ropeTables(this.#architecture, contextTokensMax)
    const { cosines, sines } = this.#tables
    const shape = [contextTokensMax, half]
    const add = (name: string, values: Float32Array) =>
      this.#constant(name, shape, compute === 'float16' ? new Float16Array(values) : values)
    return [add('rope_cosines', cosines), add('rope_sines', sines)]
  }

  #tables: ReturnType<typeof ropeTables> | undefined

  #constant(
    name: string,
    shape: readonly number[],
    values: Float32Array | Float16Array | Int32Array | BigInt64Array,
  ): string {
    const data = new Uint8Array(values.buffer, values.byteOffset, values.byteLength)
    return this.#graph.initializer({ name, type: constantType(values), shape, data })
  }
}

function constantType(values: ArrayBufferView): 'float32' | 'float16' | 'int32' | 'int64' {
  if (values instanceof Float32Array) return 'float32'
  if (values instanceof Float16Array) return 'float16'
  return values instanceof Int32Array ? 'int32' : 'int64'
}
