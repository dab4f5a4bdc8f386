/**
 * A model of a size that people use at home per layer (8 layers, 1024 wide, 97 million parameters),
 * with random weights from a seed: its speed is a real model's, its text is not.
 */
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Random, seededRandom } from '../../src/base/index.ts'

export const syntheticSeed = 20_260_101

/** A folder whose tokenizer the synthetic model borrows. */
const tokenizerFolder = join(import.meta.dirname, '..', '..', 'models', 'isochrone-tiny')

const config = {
  architectures: ['LlamaForCausalLM'],
  model_type: 'llama',
  vocab_size: 3072,
  hidden_size: 1024,
  intermediate_size: 2816,
  num_hidden_layers: 8,
  num_attention_heads: 16,
  num_key_value_heads: 8,
  head_dim: 64,
  max_position_embeddings: 1024,
  rms_norm_eps: 1e-5,
  rope_theta: 10_000,
  hidden_act: 'silu',
  tie_word_embeddings: true,
  bos_token_id: 1,
  eos_token_id: 2,
  torch_dtype: 'bfloat16',
}

interface TensorEntry {
  readonly dtype: 'BF16'
  readonly shape: readonly number[]
  readonly data_offsets: readonly [number, number]
}

/** Writes the model as a Hugging Face folder. */
export function writeSyntheticModel(folder: string): void {
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'config.json'), JSON.stringify(config))
  for (const file of ['tokenizer.json', 'tokenizer_config.json', 'special_tokens_map.json']) {
    copyFileSync(join(tokenizerFolder, file), join(folder, file))
  }
  const header: Record<string, TensorEntry> = {}
  const parts: Buffer[] = []
  const random = seededRandom(syntheticSeed)
  let offset = 0
  for (const [name, shape] of tensorShapes()) {
    const data = shape.length === 1 ? ones(shape) : noise(shape, random)
    header[name] = { dtype: 'BF16', shape, data_offsets: [offset, offset + data.length] }
    parts.push(data)
    offset += data.length
  }
  const json = Buffer.from(JSON.stringify(header))
  const padded = Buffer.concat([json, Buffer.alloc((8 - (json.length % 8)) % 8, ' ')])
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(padded.length))
  writeFileSync(join(folder, 'model.safetensors'), Buffer.concat([length, padded, ...parts]))
}

function* tensorShapes(): Generator<readonly [string, readonly number[]]> {
  const { hidden_size: width, intermediate_size: inner, head_dim: size } = config
  const queries = config.num_attention_heads * size
  const keys = config.num_key_value_heads * size
  yield ['model.embed_tokens.weight', [config.vocab_size, width]]
  for (let layer = 0; layer < config.num_hidden_layers; layer += 1) {
    const prefix = `model.layers.${layer}`
    yield [`${prefix}.input_layernorm.weight`, [width]]
    yield [`${prefix}.self_attn.q_proj.weight`, [queries, width]]
    yield [`${prefix}.self_attn.k_proj.weight`, [keys, width]]
    yield [`${prefix}.self_attn.v_proj.weight`, [keys, width]]
    yield [`${prefix}.self_attn.o_proj.weight`, [width, queries]]
    yield [`${prefix}.post_attention_layernorm.weight`, [width]]
    yield [`${prefix}.mlp.gate_proj.weight`, [inner, width]]
    yield [`${prefix}.mlp.up_proj.weight`, [inner, width]]
    yield [`${prefix}.mlp.down_proj.weight`, [width, inner]]
  }
  yield ['model.norm.weight', [width]]
}

function ones(shape: readonly number[]): Buffer {
  const values = new Uint16Array(shape[0] ?? 0).fill(bfloat16(1))
  return Buffer.from(values.buffer)
}

/** Uniform with the variance 1 / inputs, so that activations stay in range. */
function noise(shape: readonly number[], random: Random): Buffer {
  const [rows = 0, columns = 0] = shape
  const spread = 2 * Math.sqrt(3 / columns)
  const values = new Uint16Array(rows * columns)
  for (let i = 0; i < values.length; i += 1) values[i] = bfloat16((random.float() - 0.5) * spread)
  return Buffer.from(values.buffer)
}

const single = new Float32Array(1)
const bits = new Uint32Array(single.buffer)

/** The upper half of a float32; the lower half is cut off, which is good enough for noise. */
function bfloat16(value: number): number {
  single[0] = value
  return (bits[0] ?? 0) >>> 16
}
