/**
 * For tests: small checkpoints with random weights, written as Hugging Face folders.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { type Random, seededRandom } from '../base/index.ts'

export type RawConfig = Readonly<Record<string, unknown>> & {
  readonly model_type: string
  readonly hidden_size: number
  readonly intermediate_size: number
  readonly num_hidden_layers: number
  readonly num_attention_heads: number
  readonly num_key_value_heads: number
  readonly head_dim: number
  readonly vocab_size: number
}

export interface RawTensor {
  readonly shape: readonly number[]
  /** Already rounded to the file's type. */
  readonly values: Float32Array
}

export type RawTensors = ReadonlyMap<string, RawTensor>

export const smallConfig: RawConfig = {
  model_type: 'llama',
  hidden_size: 48,
  intermediate_size: 80,
  num_hidden_layers: 3,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  head_dim: 16,
  vocab_size: 90,
  max_position_embeddings: 64,
  rms_norm_eps: 1e-5,
  rope_theta: 10000,
  hidden_act: 'silu',
  tie_word_embeddings: true,
  bos_token_id: 1,
  eos_token_id: 2,
}

/** A folder that is deleted when the test ends. */
export async function temporaryFolder(test: {
  after(action: () => Promise<void>): void
}): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), 'isochrone-models-'))
  test.after(() => rm(folder, { recursive: true, force: true }))
  return folder
}

/** The tensors that transformers saves for such a configuration. */
export function randomTensors(config: RawConfig, dtype: 'F32' | 'F16' | 'BF16'): RawTensors {
  const random = seededRandom(7)
  const tensors = new Map<string, RawTensor>()
  const add = (name: string, shape: readonly number[], { around = 0, spread = 0.25 } = {}) => {
    const size = shape.reduce((a, b) => a * b, 1)
    const values = Float32Array.from({ length: size }, () => around + spread * normal(random))
    tensors.set(name, { shape, values: decode(encode(values, dtype), dtype) })
  }
  const width = config.hidden_size
  const queryWidth = config.num_attention_heads * config.head_dim
  const keyWidth = config.num_key_value_heads * config.head_dim
  const type = config.model_type
  const linear = (name: string, shape: readonly [number, number], bias: unknown) => {
    add(`${name}.weight`, shape)
    if (bias === true) add(`${name}.bias`, [shape[0]])
  }
  add('model.embed_tokens.weight', [config.vocab_size, width], { spread: 1 })
  for (let layer = 0; layer < config.num_hidden_layers; layer += 1) {
    const at = `model.layers.${layer}`
    const inputBias = type === 'qwen2' || config['attention_bias']
    const outputBias = type === 'qwen2' ? false : config['attention_bias']
    add(`${at}.input_layernorm.weight`, [width], { around: 1 })
    linear(`${at}.self_attn.q_proj`, [queryWidth, width], inputBias)
    linear(`${at}.self_attn.k_proj`, [keyWidth, width], inputBias)
    linear(`${at}.self_attn.v_proj`, [keyWidth, width], inputBias)
    linear(`${at}.self_attn.o_proj`, [width, queryWidth], outputBias)
    if (type === 'qwen3') {
      add(`${at}.self_attn.q_norm.weight`, [config.head_dim], { around: 1 })
      add(`${at}.self_attn.k_norm.weight`, [config.head_dim], { around: 1 })
    }
    add(`${at}.post_attention_layernorm.weight`, [width], { around: 1 })
    linear(`${at}.mlp.gate_proj`, [config.intermediate_size, width], config['mlp_bias'])
    linear(`${at}.mlp.up_proj`, [config.intermediate_size, width], config['mlp_bias'])
    linear(`${at}.mlp.down_proj`, [width, config.intermediate_size], config['mlp_bias'])
  }
  add('model.norm.weight', [width], { around: 1 })
  if (config['tie_word_embeddings'] === false) add('lm_head.weight', [config.vocab_size, width])
  return tensors
}

/** Writes config.json, model.safetensors and a tokenizer.json without words. */
export async function writeCheckpoint(
  folder: string,
  config: RawConfig,
  dtype: 'F32' | 'F16' | 'BF16' = 'F32',
): Promise<RawTensors> {
  const tensors = randomTensors(config, dtype)
  await writeFile(path.join(folder, 'config.json'), JSON.stringify(config))
  await writeFile(path.join(folder, 'model.safetensors'), safetensors(tensors, dtype))
  const tokenizer = { model: { type: 'BPE', vocab: {}, merges: [] }, added_tokens: [] }
  await writeFile(path.join(folder, 'tokenizer.json'), JSON.stringify(tokenizer))
  return tensors
}

/** The bytes of a safetensors file. */
export function safetensors(tensors: RawTensors, dtype: 'F32' | 'F16' | 'BF16'): Uint8Array {
  const header: Record<string, unknown> = { __metadata__: { format: 'pt' } }
  const parts: Uint8Array[] = []
  let at = 0
  for (const [name, { shape, values }] of tensors) {
    const bytes = encode(values, dtype)
    header[name] = { dtype, shape, data_offsets: [at, at + bytes.length] }
    parts.push(bytes)
    at += bytes.length
  }
  return joinSafetensors(JSON.stringify(header), Buffer.concat(parts))
}

export function joinSafetensors(header: string, data: Uint8Array): Uint8Array {
  const json = Buffer.from(header)
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(json.length))
  return Buffer.concat([length, json, data])
}

function encode(values: Float32Array, dtype: 'F32' | 'F16' | 'BF16'): Uint8Array {
  const bytes = (array: ArrayBufferView) =>
    new Uint8Array(array.buffer, array.byteOffset, array.byteLength)
  if (dtype === 'F32') return bytes(values)
  if (dtype === 'F16') return bytes(new Float16Array(values))
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length)
  return bytes(Uint16Array.from(bits, (word) => word >>> 16))
}

function decode(raw: Uint8Array, dtype: 'F32' | 'F16' | 'BF16'): Float32Array {
  const { buffer, byteOffset, byteLength } = raw.slice()
  if (dtype === 'F32') return new Float32Array(buffer, byteOffset, byteLength / 4)
  if (dtype === 'F16') return new Float32Array(new Float16Array(buffer, byteOffset, byteLength / 2))
  const words = Uint32Array.from(
    new Uint16Array(buffer, byteOffset, byteLength / 2),
    (h) => h << 16,
  )
  return new Float32Array(words.buffer)
}

/** Box and Muller, 1958. */
function normal(random: Random): number {
  const radius = Math.sqrt(-2 * Math.log(1 - random.float()))
  return radius * Math.cos(2 * Math.PI * random.float())
}
