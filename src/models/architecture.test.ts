import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { IsochroneError } from '../protocol/index.ts'
import { parseConfiguration } from './architecture.ts'
import { smallConfig } from './checkpoint.fixture.ts'

function parse(fields: Readonly<Record<string, unknown>>, generation?: object) {
  const text = generation === undefined ? undefined : JSON.stringify(generation)
  return parseConfiguration(JSON.stringify({ ...smallConfig, ...fields }), text)
}

const refused: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  model_type: { model_type: 'gemma2' },
  hidden_act: { hidden_act: 'gelu' },
  quantization_config: { quantization_config: { quant_method: 'gptq' } },
  partial_rotary_factor: { partial_rotary_factor: 0.5 },
  final_logit_softcapping: { final_logit_softcapping: 30 },
  num_local_experts: { num_local_experts: 8 },
  head_dim: { head_dim: 40 },
  rope_type: { rope_scaling: { rope_type: 'longrope', factor: 2 } },
  truncate: { rope_scaling: { rope_type: 'yarn', factor: 2, truncate: false } },
  full_attention: { rope_parameters: { full_attention: { rope_type: 'default' } } },
  layer_types: {
    model_type: 'mistral',
    sliding_window: 4,
    layer_types: ['linear_attention', 'full_attention', 'full_attention'],
  },
}

for (const [field, fields] of Object.entries(refused)) {
  test(`${field} that the graphs cannot express is refused by name`, () => {
    assert.throws(() => parse(fields), hasFault('model_unsupported', field))
  })
}

const broken: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  num_key_value_heads: { num_key_value_heads: 3 },
  num_hidden_layers: { num_hidden_layers: 1e9 },
  vocab_size: { vocab_size: 'many' },
  rms_norm_eps: { rms_norm_eps: -1 },
  eos_token_id: { eos_token_id: [2, 90] },
  low_freq_factor: { rope_scaling: { rope_type: 'llama3', factor: 8 } },
  no_rope_layers: { model_type: 'smollm3', no_rope_layers: [1, 0] },
  hidden_size: { hidden_size: 50, head_dim: undefined },
}

for (const [field, fields] of Object.entries(broken)) {
  test(`${field} out of its range is corrupt, by name`, () => {
    assert.throws(() => parse(fields), hasFault('model_corrupt', field))
  })
}

test('both spellings of rope scaling are one', () => {
  const scaling = { factor: 8, low_freq_factor: 1, high_freq_factor: 4 }
  const older = parse({
    rope_theta: 5e5,
    rope_scaling: { ...scaling, type: 'llama3', original_max_position_embeddings: 32 },
  })
  const newer = parse({
    rope_theta: undefined,
    rope_parameters: {
      ...scaling,
      rope_type: 'llama3',
      rope_theta: 5e5,
      original_max_position_embeddings: 32,
    },
  })
  assert.deepEqual(older, newer)
  assert.equal(older.architecture.ropeTheta, 5e5)
  assert.equal(older.architecture.ropeScaling.originalContextTokens, 32)
})

test('a family’s defaults are those of transformers', () => {
  const qwen = parse({ model_type: 'qwen2', sliding_window: 8 }).architecture
  assert.deepEqual([qwen.attentionBias, qwen.outputBias, qwen.slidingWindow], [true, false, null])
  const smol = parse({ model_type: 'smollm3', rope_theta: undefined, num_hidden_layers: 8 })
  assert.deepEqual(smol.architecture.layersWithoutRope, [3, 7])
  assert.equal(smol.architecture.ropeTheta, 2e6)
  assert.equal(parse({ model_type: 'mistral' }).architecture.slidingWindow, 4096)
  const none = parse({ model_type: 'mistral', sliding_window: null }).architecture
  assert.equal(none.slidingWindow, null)
})

test('the generation configuration knows the end tokens best', () => {
  assert.deepEqual(parse({}, { eos_token_id: [2, 7] }).endTokenIds, [2, 7])
  assert.deepEqual(parse({}).endTokenIds, [2])
  assert.deepEqual(parse({ eos_token_id: null }).endTokenIds, [])
})

test('any value in any field is read or refused, never worse', () => {
  const field = fc.constantFrom(...Object.keys(smallConfig), 'rope_scaling', 'sliding_window')
  const type = fc.constantFrom('llama', 'mistral', 'qwen2', 'qwen3', 'smollm3')
  fc.assert(
    fc.property(field, fc.jsonValue(), type, (name, value, family) => {
      try {
        parse({ model_type: family, [name]: value })
      } catch (error) {
        assert.ok(error instanceof IsochroneError, String(error))
      }
    }),
    { numRuns: 500 },
  )
})

function hasFault(code: string, field: string): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof IsochroneError, String(error))
    assert.deepEqual([error.code, error.detail['field']], [code, field])
    assert.match(error.message, /config\.json/)
    return true
  }
}
