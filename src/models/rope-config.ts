/**
 * The rotary embedding's fields of `config.json`, in both spellings: `rope_scaling` beside
 * `rope_theta`, and the newer `rope_parameters` that holds both.
 */
import type { JsonFields } from './json-fields.ts'
import type { DecoderArchitecture, RopeScaling } from './manifest.ts'
import { unsupported } from './model-fault.ts'

const types: readonly RopeScaling['type'][] = ['default', 'linear', 'dynamic', 'llama3', 'yarn']

/** Numbers are well under this in every published model. */
const contextTokensMax = 16_777_216

interface RopeDefaults {
  readonly contextTokensMax: number
  readonly thetaDefault: number
}

export function parseRope(
  fields: JsonFields,
  defaults: RopeDefaults,
): Pick<DecoderArchitecture, 'ropeTheta' | 'ropeScaling'> {
  const newer = fields.object('rope_parameters')
  const scaling = newer ?? fields.object('rope_scaling')
  const theta = fields.positive('rope_theta', defaults.thetaDefault)
  return {
    ropeTheta: newer === undefined ? theta : newer.positive('rope_theta', theta),
    ropeScaling:
      scaling === undefined
        ? { type: 'default', factor: 1 }
        : parseScaling(scaling, defaults.contextTokensMax),
  }
}

function parseScaling(fields: JsonFields, context: number): RopeScaling {
  const { file } = fields
  for (const nested of ['full_attention', 'sliding_attention']) {
    if (fields.has(nested)) {
      throw unsupported({ file, field: nested }, 'different rotations per layer type')
    }
  }
  const field = fields.has('rope_type') ? 'rope_type' : 'type'
  const name = fields.text(field, 'default')
  const type = types.find((known) => known === name)
  if (type === undefined) {
    throw unsupported({ file, field }, `"${name}" is not supported; ${types.join(', ')} are`)
  }
  if (fields.has('partial_rotary_factor') && fields.value('partial_rotary_factor') !== 1) {
    throw unsupported({ file, field: 'partial_rotary_factor' }, 'only whole heads can be rotated')
  }
  if (type === 'default') return { type, factor: 1 }
  const factor = fields.positive('factor')
  const original = { min: 1, max: contextTokensMax, default: context }
  if (type === 'linear') return { type, factor }
  const originalContextTokens = fields.whole('original_max_position_embeddings', original)
  if (type === 'dynamic') return { type, factor, originalContextTokens }
  if (type === 'yarn') return parseYarn(fields, { factor, originalContextTokens })
  return {
    type,
    factor,
    originalContextTokens,
    lowFrequencyFactor: fields.positive('low_freq_factor'),
    highFrequencyFactor: fields.positive('high_freq_factor'),
  }
}

function parseYarn(
  fields: JsonFields,
  scaling: { readonly factor: number; readonly originalContextTokens: number },
): RopeScaling {
  if (!fields.flag('truncate', true)) {
    throw unsupported({ file: fields.file, field: 'truncate' }, 'only true is supported')
  }
  return {
    type: 'yarn',
    ...scaling,
    betaFast: fields.positive('beta_fast', 32),
    betaSlow: fields.positive('beta_slow', 1),
    attentionFactor: fields.has('attention_factor')
      ? fields.positive('attention_factor')
      : yarnAttentionFactor(fields, scaling.factor),
  }
}

/** Peng et al., 2023 (YaRN), equation 22, and DeepSeek's two-sided form of it. */
function yarnAttentionFactor(fields: JsonFields, factor: number): number {
  const scale = (weight: number) => (factor <= 1 ? 1 : 0.1 * weight * Math.log(factor) + 1)
  if (!fields.has('mscale') || !fields.has('mscale_all_dim')) return scale(1)
  return scale(fields.positive('mscale')) / scale(fields.positive('mscale_all_dim'))
}
