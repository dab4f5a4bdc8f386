/**
 * `config.json` of a Hugging Face folder → a decoder in this project's words.
 *
 * What the graphs cannot express is refused by name, never ignored: a wrong answer that looks right
 * is worse than none. Defaults are those of the transformers library for each family.
 */
import { JsonFields } from './json-fields.ts'
import type { DecoderArchitecture } from './manifest.ts'
import { corrupt, unsupported } from './model-fault.ts'
import { parseRope } from './rope-config.ts'

/** Far above any published model; below what would overflow offsets or exhaust memory by a typo. */
const limits = {
  layersMax: 1024,
  widthMax: 65_536,
  feedForwardWidthMax: 524_288,
  headsMax: 1024,
  headSizeMax: 512,
  vocabularySizeMax: 2_097_152,
  contextTokensMax: 16_777_216,
  /** As many as a manifest holds. */
  endTokensMax: 64,
} as const

type Family = DecoderArchitecture['family']

const families: readonly Family[] = ['llama', 'mistral', 'qwen2', 'qwen3', 'smollm3']

/**
 * Fields that change the arithmetic in a way that no supported family has, and their neutral
 * values.
 */
const neutral: Readonly<Record<string, readonly unknown[]>> = {
  quantization_config: [],
  partial_rotary_factor: [1],
  attn_logit_softcapping: [],
  final_logit_softcapping: [],
  embedding_multiplier: [1],
  residual_multiplier: [1],
  logits_scaling: [1],
  logit_scale: [1],
  attention_multiplier: [],
  num_experts: [],
  num_local_experts: [],
  kv_lora_rank: [],
}

export interface ModelConfiguration {
  readonly architecture: DecoderArchitecture
  readonly beginTokenId: number | null
  readonly endTokenIds: readonly number[]
}

/**
 * @param config the text of config.json
 * @param generation the text of generation_config.json, which knows the end tokens best
 * @throws IsochroneError `model_unsupported`, `model_corrupt`
 */
export function parseConfiguration(config: string, generation?: string): ModelConfiguration {
  const fields = JsonFields.parse(config, 'config.json')
  const architecture = parseArchitecture(fields)
  const more =
    generation === undefined ? undefined : JsonFields.parse(generation, 'generation_config.json')
  const vocabulary = architecture.vocabularySize
  const ends =
    tokenIds(more, 'eos_token_id', vocabulary) ?? tokenIds(fields, 'eos_token_id', vocabulary)
  const begins = tokenIds(fields, 'bos_token_id', vocabulary)
  return { architecture, beginTokenId: begins?.[0] ?? null, endTokenIds: ends ?? [] }
}

function parseArchitecture(fields: JsonFields): DecoderArchitecture {
  const family = parseFamily(fields)
  refuseUnknownArithmetic(fields)
  const layers = fields.whole('num_hidden_layers', { min: 1, max: limits.layersMax })
  const contextTokensMax = fields.whole('max_position_embeddings', {
    min: 1,
    max: limits.contextTokensMax,
  })
  const architecture: DecoderArchitecture = {
    family,
    layers,
    width: fields.whole('hidden_size', { min: 1, max: limits.widthMax }),
    feedForwardWidth: fields.whole('intermediate_size', {
      min: 1,
      max: limits.feedForwardWidthMax,
    }),
    ...parseHeads(fields, family),
    vocabularySize: fields.whole('vocab_size', { min: 1, max: limits.vocabularySizeMax }),
    contextTokensMax,
    normEpsilon: fields.positive('rms_norm_eps', 1e-6),
    ...parseRope(fields, { contextTokensMax, thetaDefault: family === 'smollm3' ? 2e6 : 1e4 }),
    tiedHead: fields.flag('tie_word_embeddings', family === 'smollm3'),
    attentionBias: family === 'qwen2' || fields.flag('attention_bias', false),
    outputBias: family !== 'qwen2' && fields.flag('attention_bias', false),
    feedForwardBias: fields.flag('mlp_bias', false),
    queryKeyNorm: family === 'qwen3',
    ...parseWindow(fields, { family, layers }),
    layersWithoutRope: family === 'smollm3' ? parseLayersWithoutRope(fields, layers) : [],
  }
  return architecture
}

function parseFamily(fields: JsonFields): Family {
  const type = fields.text('model_type')
  const family = families.find((name) => name === type)
  if (family === undefined) {
    const reason = `"${type}" is not supported; ${families.join(', ')} are`
    throw unsupported({ file: fields.file, field: 'model_type' }, reason)
  }
  const activation = fields.text('hidden_act', 'silu')
  if (activation !== 'silu' && activation !== 'swish') {
    const reason = `"${activation}" is not supported; silu is`
    throw unsupported({ file: fields.file, field: 'hidden_act' }, reason)
  }
  return family
}

function refuseUnknownArithmetic(fields: JsonFields): void {
  for (const [field, values] of Object.entries(neutral)) {
    if (!fields.has(field) || values.includes(fields.value(field))) continue
    throw unsupported(
      { file: fields.file, field },
      'this changes the arithmetic in an unsupported way',
    )
  }
}

function parseHeads(
  fields: JsonFields,
  family: Family,
): Pick<DecoderArchitecture, 'queryHeads' | 'keyValueHeads' | 'headSize'> {
  const { file } = fields
  const queryHeads = fields.whole('num_attention_heads', { min: 1, max: limits.headsMax })
  const keyValueHeads = fields.whole('num_key_value_heads', {
    min: 1,
    max: limits.headsMax,
    default: queryHeads,
  })
  if (queryHeads % keyValueHeads !== 0) {
    const reason = `${queryHeads} attention heads are no multiple of ${keyValueHeads}`
    throw corrupt({ file, field: 'num_key_value_heads' }, reason)
  }
  const width = fields.whole('hidden_size', { min: 1, max: limits.widthMax })
  const headSize = fields.whole('head_dim', {
    min: 1,
    max: limits.headSizeMax,
    default: family === 'qwen3' ? 128 : Math.floor(width / queryHeads),
  })
  if (!fields.has('head_dim') && family !== 'qwen3' && width % queryHeads !== 0) {
    const reason = `${width} does not divide by ${queryHeads} heads`
    throw corrupt({ file, field: 'hidden_size' }, reason)
  }
  if (headSize % 16 !== 0) {
    const reason = `heads of ${headSize} are not supported; multiples of 16 are`
    throw unsupported({ file, field: 'head_dim' }, reason)
  }
  return { queryHeads, keyValueHeads, headSize }
}

/** Which layers look back only so far; `layer_types` is the newer spelling and wins. */
function parseWindow(
  fields: JsonFields,
  model: { readonly family: Family; readonly layers: number },
): Pick<DecoderArchitecture, 'slidingWindow' | 'layersWithoutWindow'> {
  const none = { slidingWindow: null, layersWithoutWindow: [] }
  const { family, layers } = model
  if (family === 'llama') return none
  if (family !== 'mistral' && !fields.flag('use_sliding_window', false)) return none
  const all = { min: 1, max: limits.contextTokensMax }
  // A configuration of Mistral that does not name it means 4096; one that says null means none.
  if (family === 'mistral' && !fields.names('sliding_window')) {
    return { slidingWindow: 4096, layersWithoutWindow: [] }
  }
  if (!fields.has('sliding_window')) return none
  const slidingWindow = fields.whole('sliding_window', all)
  const types = fields.list('layer_types')
  const indices = Array.from({ length: layers }, (_, i) => i)
  if (types !== undefined) {
    checkLayerTypes(fields, types, layers)
    return {
      slidingWindow,
      layersWithoutWindow: indices.filter((i) => types[i] === 'full_attention'),
    }
  }
  if (family === 'mistral') return { slidingWindow, layersWithoutWindow: [] }
  const first = fields.whole('max_window_layers', { min: 0, max: limits.layersMax, default: 28 })
  return { slidingWindow, layersWithoutWindow: indices.filter((i) => i < first) }
}

function checkLayerTypes(fields: JsonFields, types: readonly unknown[], layers: number): void {
  const at = { file: fields.file, field: 'layer_types' }
  if (types.length !== layers) throw corrupt(at, `${types.length} entries for ${layers} layers`)
  const odd = types.find((type) => type !== 'full_attention' && type !== 'sliding_attention')
  if (odd !== undefined) throw unsupported(at, `${JSON.stringify(odd)} is not supported`)
}

/** SmolLM3: a list of flags, 1 for layers *with* rotary embedding, or every n-th layer without. */
function parseLayersWithoutRope(fields: JsonFields, layers: number): readonly number[] {
  const indices = Array.from({ length: layers }, (_, i) => i)
  const flags = fields.list('no_rope_layers')
  if (flags !== undefined && flags.length > 0) {
    const at = { file: fields.file, field: 'no_rope_layers' }
    if (flags.length !== layers || flags.some((flag) => flag !== 0 && flag !== 1)) {
      throw corrupt(at, `${layers} entries of 0 or 1 are needed`)
    }
    return indices.filter((i) => flags[i] === 0)
  }
  const interval = fields.whole('no_rope_layer_interval', { min: 1, max: 1024, default: 4 })
  return indices.filter((i) => (i + 1) % interval === 0)
}

function tokenIds(
  fields: JsonFields | undefined,
  field: string,
  vocabularySize: number,
): readonly number[] | undefined {
  const value = fields?.value(field)
  if (fields === undefined || value === undefined) return undefined
  const ids: readonly unknown[] = Array.isArray(value) ? value : [value]
  if (ids.length > limits.endTokensMax) {
    const reason = `${ids.length} token ids are over the limit of ${limits.endTokensMax}`
    throw corrupt({ file: fields.file, field }, reason)
  }
  for (const id of ids) {
    if (!Number.isSafeInteger(id) || (id as number) < 0 || (id as number) >= vocabularySize) {
      throw corrupt({ file: fields.file, field }, 'token ids within the vocabulary are needed')
    }
  }
  return ids as readonly number[]
}
