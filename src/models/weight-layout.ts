/**
 * Where each weight lies in a stored model's `weights.bin`: a function of architecture and
 * quantisation alone, so that import, whole graphs and every shard's graph agree without a table.
 */
import type { DecoderArchitecture, Quantisation } from './manifest.ts'

export const weightsFile = 'weights.bin'

/** A page: the runtime maps weights from the file instead of reading them. */
const alignmentBytes = 4096

/**
 * Weights per scale in 4-bit matrices; what MatMulNBits' kernels are fastest and exact enough at.
 */
export const blockSize = 32

export type StoredType = 'float32' | 'float16' | 'uint8'

/** A tensor of the checkpoint, with the shape that it must have. */
export interface SourceTensor {
  readonly name: string
  readonly shape: readonly number[]
}

/**
 * How a stored tensor comes from the checkpoint:
 * - `copy`: one after another, as they are
 * - `transpose`: matrices [out, in] side by side as one [in, out…]
 * - `blocks`, `scales`: matrices [out, in] on top of each other, 4 bits per weight, and their
 *   scales
 */
export interface StoredTensor {
  readonly name: string
  readonly from: 'copy' | 'transpose' | 'blocks' | 'scales'
  readonly sources: readonly SourceTensor[]
  readonly type: StoredType
  readonly shape: readonly number[]
  readonly offset: number
  readonly bytes: number
}

export type WeightLayout = ReadonlyMap<string, StoredTensor>

type Unplaced = Omit<StoredTensor, 'offset' | 'bytes'>

const bytesOf: Readonly<Record<StoredType, number>> = { float32: 4, float16: 2, uint8: 1 }

export function weightLayout(
  architecture: DecoderArchitecture,
  quantisation: Quantisation,
): WeightLayout {
  const layout = new Map<string, StoredTensor>()
  let offset = 0
  for (const tensor of storedTensors(architecture, quantisation)) {
    const bytes = tensor.shape.reduce((product, size) => product * size, bytesOf[tensor.type])
    layout.set(tensor.name, { ...tensor, offset, bytes })
    offset = Math.ceil((offset + bytes) / alignmentBytes) * alignmentBytes
  }
  return layout
}

/** How many parameters the checkpoint has, counted once where embedding and head are one. */
export function parameterCount(architecture: DecoderArchitecture): number {
  const sources = [...storedTensors(architecture, 'float32')].flatMap((tensor) => tensor.sources)
  return sources.reduce((sum, source) => sum + source.shape.reduce((a, b) => a * b, 1), 0)
}

function* storedTensors(
  architecture: DecoderArchitecture,
  quantisation: Quantisation,
): Generator<Unplaced> {
  const { width, vocabularySize } = architecture
  const embedding = { name: 'model.embed_tokens.weight', shape: [vocabularySize, width] }
  yield {
    name: 'embedding',
    from: 'copy',
    sources: [embedding],
    // Rows are looked up, not multiplied: 16 bits cost nothing there.
    type: quantisation === 'float32' ? 'float32' : 'float16',
    shape: embedding.shape,
  }
  for (let layer = 0; layer < architecture.layers; layer += 1) {
    yield* layerTensors(architecture, quantisation, layer)
  }
  yield vector('norm', ['model.norm.weight'], width)
  if (!architecture.tiedHead) {
    const head = { name: 'lm_head.weight', shape: [vocabularySize, width] }
    yield* linear('head', [head], quantisation)
  } else if (quantisation === 'int4') {
    yield* linear('head', [embedding], quantisation)
  }
}

function* layerTensors(
  architecture: DecoderArchitecture,
  quantisation: Quantisation,
  layer: number,
): Generator<Unplaced> {
  const { width, feedForwardWidth, headSize } = architecture
  const from = `model.layers.${layer}`
  const name = `layers.${layer}`
  const one = (to: string, part: SourceTensor, bias: boolean) =>
    projection(`${name}.${to}`, { parts: [part], bias, quantisation })
  const source = (part: string, rows: number, columns: number): SourceTensor => ({
    name: `${from}.${part}`,
    shape: [rows, columns],
  })
  yield vector(`${name}.attention_norm`, [`${from}.input_layernorm.weight`], width)
  yield* attentionInputs(architecture, { from: `${from}.self_attn`, name, quantisation })
  const attentionWidth = architecture.queryHeads * headSize
  const { outputBias, feedForwardBias } = architecture
  yield* one('output', source('self_attn.o_proj', width, attentionWidth), outputBias)
  yield vector(`${name}.feed_forward_norm`, [`${from}.post_attention_layernorm.weight`], width)
  yield* one('gate', source('mlp.gate_proj', feedForwardWidth, width), feedForwardBias)
  yield* one('up', source('mlp.up_proj', feedForwardWidth, width), feedForwardBias)
  yield* one('down', source('mlp.down_proj', width, feedForwardWidth), feedForwardBias)
}

/** Query, key and value as one product, or three where each head is normed before attention. */
function* attentionInputs(
  architecture: DecoderArchitecture,
  place: { readonly from: string; readonly name: string; readonly quantisation: Quantisation },
): Generator<Unplaced> {
  const { width, headSize, queryHeads, keyValueHeads, attentionBias: bias } = architecture
  const { from, name, quantisation } = place
  const query = { name: `${from}.q_proj`, shape: [queryHeads * headSize, width] }
  const key = { name: `${from}.k_proj`, shape: [keyValueHeads * headSize, width] }
  const value = { name: `${from}.v_proj`, shape: [keyValueHeads * headSize, width] }
  if (!architecture.queryKeyNorm) {
    yield* projection(`${name}.qkv`, { parts: [query, key, value], bias, quantisation })
    return
  }
  yield* projection(`${name}.query`, { parts: [query], bias, quantisation })
  yield* projection(`${name}.key`, { parts: [key], bias, quantisation })
  yield* projection(`${name}.value`, { parts: [value], bias, quantisation })
  yield vector(`${name}.query_norm`, [`${from}.q_norm.weight`], headSize)
  yield vector(`${name}.key_norm`, [`${from}.k_norm.weight`], headSize)
}

interface Projection {
  readonly parts: readonly SourceTensor[]
  readonly bias: boolean
  readonly quantisation: Quantisation
}

function* projection(name: string, options: Projection): Generator<Unplaced> {
  const { parts, bias, quantisation } = options
  const weights = parts.map(({ name: part, shape }) => ({ name: `${part}.weight`, shape }))
  yield* linear(name, weights, quantisation)
  if (!bias) return
  const sources = parts.map(({ name: part, shape }) => ({
    name: `${part}.bias`,
    shape: [shape[0] ?? 0],
  }))
  const size = sources.reduce((sum, { shape }) => sum + (shape[0] ?? 0), 0)
  yield { name: `${name}.bias`, from: 'copy', sources, type: 'float32', shape: [size] }
}

function* linear(
  name: string,
  sources: readonly SourceTensor[],
  quantisation: Quantisation,
): Generator<Unplaced> {
  const rows = sources.reduce((sum, { shape }) => sum + (shape[0] ?? 0), 0)
  const columns = sources[0]?.shape[1] ?? 0
  if (quantisation === 'int4') {
    const blocks = Math.ceil(columns / blockSize)
    const packed = [rows, blocks, blockSize / 2]
    yield { name: `${name}.weight`, from: 'blocks', sources, type: 'uint8', shape: packed }
    yield {
      name: `${name}.scales`,
      from: 'scales',
      sources: [],
      type: 'float32',
      shape: [rows * blocks],
    }
    return
  }
  yield {
    name: `${name}.weight`,
    from: 'transpose',
    sources,
    type: quantisation,
    shape: [columns, rows],
  }
}

function vector(name: string, sources: readonly string[], size: number): Unplaced {
  return {
    name,
    from: 'copy',
    sources: sources.map((source) => ({ name: source, shape: [size] })),
    type: 'float32',
    shape: [size],
  }
}
