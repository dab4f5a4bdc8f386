/**
 * Every supported layout, as our graph on ONNX Runtime, against the independent float64 decoder.
 */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import {
  type RawConfig,
  type RawTensor,
  type RawTensors,
  smallConfig,
  temporaryFolder,
  writeCheckpoint,
} from '../../models/checkpoint.fixture.ts'
import { importModel, openModel, type Quantisation } from '../../models/index.ts'
import { quantiseRow } from '../../models/int4.ts'
import { referenceLogits } from '../../models/reference-decoder.fixture.ts'
import { createOnnxRunner } from './create-runner.ts'
import type { OnnxBackend } from './runtime.ts'

const tokens = Array.from({ length: 40 }, (_, i) => (i * 37 + 11) % smallConfig.vocab_size)

const layouts: Readonly<Record<string, Partial<RawConfig> & Record<string, unknown>>> = {
  'llama, tied': {},
  'llama, untied, with biases': {
    tie_word_embeddings: false,
    attention_bias: true,
    mlp_bias: true,
  },
  'llama, every head its own key': { num_key_value_heads: 4 },
  'llama, heads wider than the model': { head_dim: 32, num_attention_heads: 6 },
  'llama 3 scaling': {
    rope_scaling: {
      rope_type: 'llama3',
      factor: 8,
      low_freq_factor: 1,
      high_freq_factor: 4,
      original_max_position_embeddings: 24,
    },
  },
  'linear scaling, newer spelling': {
    rope_parameters: { rope_type: 'linear', factor: 4, rope_theta: 5000 },
  },
  'dynamic scaling': {
    rope_scaling: { rope_type: 'dynamic', factor: 4, original_max_position_embeddings: 16 },
  },
  'yarn scaling': {
    rope_scaling: { rope_type: 'yarn', factor: 4, original_max_position_embeddings: 16 },
  },
  'mistral with a window': { model_type: 'mistral', sliding_window: 9, tie_word_embeddings: false },
  'qwen 2': { model_type: 'qwen2' },
  'qwen 2 with a window on later layers': {
    model_type: 'qwen2',
    use_sliding_window: true,
    sliding_window: 7,
    max_window_layers: 1,
  },
  'qwen 3': { model_type: 'qwen3', head_dim: 32 },
  'smollm 3': { model_type: 'smollm3', no_rope_layers: [1, 0, 1] },
}

for (const [name, fields] of Object.entries(layouts)) {
  test(`${name}: the graph computes what the reference computes`, async (t) => {
    const difference = await greatestDifference(
      t,
      { ...smallConfig, ...fields },
      { quantisation: 'float32' },
    )
    assert.ok(difference < 2e-4, `differs by ${difference}`)
  })
}

test('float16 weights give what the reference gives with rounded weights', async (t) => {
  const difference = await greatestDifference(t, smallConfig, { quantisation: 'float16' })
  assert.ok(difference < 2e-4, `differs by ${difference}`)
})

test('4-bit weights give nearly what the reference gives with 4-bit weights', async (t) => {
  for (const type of ['llama', 'qwen2', 'qwen3']) {
    // A width that is no multiple of a block, too. Activations are rounded to 8 bits on this back
    // end.
    const config = { ...smallConfig, model_type: type, attention_bias: type !== 'qwen3' }
    const difference = await relativeError(t, config, { quantisation: 'int4' })
    assert.ok(difference < 0.1, `${type} differs by ${difference}`)
  }
})

test('WebAssembly expands 4-bit weights to what they mean', async (t) => {
  for (const type of ['llama', 'qwen3']) {
    const config = { ...smallConfig, model_type: type }
    const difference = await relativeError(t, config, { quantisation: 'int4', backend: 'wasm' })
    assert.ok(difference < 1e-5, `${type} differs by ${difference}`)
  }
})

/** The checkpoint as its stored form means it. */
function asStored(tensors: RawTensors, quantisation: Quantisation): RawTensors {
  if (quantisation === 'float32') return tensors
  const stored = new Map(tensors)
  for (const [name, tensor] of tensors) {
    if (tensor.shape.length !== 2) continue
    const isTable = name === 'model.embed_tokens.weight'
    const values = new Float32Array(new Float16Array(tensor.values))
    const quantised = { shape: tensor.shape, values: throughFourBits(tensor) }
    stored.set(name, isTable || quantisation === 'float16' ? { ...tensor, values } : quantised)
    if (isTable && quantisation === 'int4') stored.set('lm_head.weight', quantised)
  }
  return stored
}

function throughFourBits({ shape, values }: RawTensor): Float32Array {
  const [rows = 0, columns = 0] = shape
  const blocks = Math.ceil(columns / 32)
  const result = new Float32Array(values.length)
  for (let row = 0; row < rows; row += 1) {
    const packed = new Uint8Array(blocks * 16)
    const scales = new Float32Array(blocks)
    quantiseRow(values.subarray(row * columns, (row + 1) * columns), packed, scales)
    for (let column = 0; column < columns; column += 1) {
      const byte = packed[column >> 1] ?? 0
      const q = column % 2 === 0 ? byte & 15 : byte >> 4
      result[row * columns + column] = (q - 8) * (scales[column >> 5] ?? 0)
    }
  }
  return result
}

interface Form {
  readonly quantisation: Quantisation
  readonly backend?: OnnxBackend
}

async function logitsOf(
  t: TestContext,
  config: RawConfig,
  { quantisation, backend = 'cpu' }: Form,
): Promise<{ readonly actual: number[]; readonly expected: number[] }> {
  const folder = await temporaryFolder(t)
  const tensors = await writeCheckpoint(folder, config)
  const storeDir = `${folder}/store`
  const { name } = await importModel(folder, { storeDir, quantisation, name: 'small' })
  const model = await openModel(storeDir, name)
  const runner = await createOnnxRunner(model, { backend, slots: 2, threads: 1 })
  const prompt = 30
  const isUntied = quantisation === 'int4' ? { tie_word_embeddings: false } : {}
  const stored = asStored(tensors, quantisation)
  const reference = referenceLogits({ ...config, ...isUntied }, stored, tokens)
  const actual = [...(await runner.prefill(1, tokens.slice(0, prompt), 0))]
  const expected = [...(reference[prompt - 1] ?? [])]
  for (let position = prompt; position < tokens.length; position += 1) {
    const tokenId = tokens[position] ?? 0
    actual.push(...(await runner.decode([{ slot: 1, tokenId, position }])))
    expected.push(...(reference[position] ?? []))
  }
  await runner.close()
  assert.equal(actual.length, expected.length)
  return { actual, expected }
}

async function greatestDifference(t: TestContext, config: RawConfig, form: Form): Promise<number> {
  const { actual, expected } = await logitsOf(t, config, form)
  return Math.max(...expected.map((value, i) => Math.abs(value - (actual[i] ?? Number.NaN))))
}

async function relativeError(t: TestContext, config: RawConfig, form: Form): Promise<number> {
  const { actual, expected } = await logitsOf(t, config, form)
  const norm = (values: readonly number[]) => Math.hypot(...values)
  return norm(expected.map((value, i) => value - (actual[i] ?? 0))) / norm(expected)
}
