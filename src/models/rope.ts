/**
 * Rotary embedding (Su et al., 2021) as tables of cosines and sines, one row per position.
 *
 * Every scaling variant only changes the tables, so that one graph serves all. Formulas follow
 * transformers' `modeling_rope_utils.py`, whose models these are.
 */
import type { DecoderArchitecture, RopeScaling } from './manifest.ts'

export interface RopeTables {
  /** float32[positions × headSize / 2] */
  readonly cosines: Float32Array
  readonly sines: Float32Array
}

type RopeArchitecture = Pick<
  DecoderArchitecture,
  'headSize' | 'ropeTheta' | 'ropeScaling' | 'contextTokensMax'
>

export function ropeTables(architecture: RopeArchitecture, positions: number): RopeTables {
  const half = architecture.headSize / 2
  const cosines = new Float32Array(positions * half)
  const sines = new Float32Array(positions * half)
  const { ropeScaling } = architecture
  const amplitude = ropeScaling.attentionFactor ?? 1
  const fixed = inverseFrequencies(architecture, 0)
  for (let position = 0; position < positions; position += 1) {
    const frequencies =
      ropeScaling.type === 'dynamic' ? inverseFrequencies(architecture, position + 1) : fixed
    for (let i = 0; i < half; i += 1) {
      const angle = position * (frequencies[i] ?? 0)
      cosines[position * half + i] = Math.cos(angle) * amplitude
      sines[position * half + i] = Math.sin(angle) * amplitude
    }
  }
  return { cosines, sines }
}

/** @param tokens length of the sequence; only dynamic scaling looks at it */
function inverseFrequencies(architecture: RopeArchitecture, tokens: number): Float64Array {
  const { headSize, ropeTheta, ropeScaling, contextTokensMax } = architecture
  const plain = powers(ropeTheta, headSize)
  switch (ropeScaling.type) {
    case 'default':
      return plain
    case 'linear':
      return plain.map((frequency) => frequency / ropeScaling.factor)
    case 'dynamic':
      return powers(dynamicTheta(architecture, tokens), headSize)
    case 'llama3':
      return plain.map((frequency) => llama3Frequency(frequency, ropeScaling))
    case 'yarn':
      return yarnFrequencies(plain, { ropeTheta, headSize, ropeScaling, contextTokensMax })
  }
}

function powers(theta: number, headSize: number): Float64Array {
  return Float64Array.from({ length: headSize / 2 }, (_, i) => theta ** ((-2 * i) / headSize))
}

/** NTK-aware scaling that grows with the sequence, beyond the length of training only. */
function dynamicTheta(architecture: RopeArchitecture, tokens: number): number {
  const { headSize, ropeTheta, ropeScaling, contextTokensMax } = architecture
  const original = ropeScaling.originalContextTokens ?? contextTokensMax
  if (tokens <= original) return ropeTheta
  const stretch = (ropeScaling.factor * tokens) / original - (ropeScaling.factor - 1)
  return ropeTheta * stretch ** (headSize / (headSize - 2))
}

/** Llama 3.1: long wavelengths are divided, short ones kept, those between blended. */
function llama3Frequency(frequency: number, scaling: RopeScaling): number {
  const original = scaling.originalContextTokens ?? 8192
  const low = scaling.lowFrequencyFactor ?? 1
  const high = scaling.highFrequencyFactor ?? 4
  const wavelength = (2 * Math.PI) / frequency
  if (wavelength < original / high) return frequency
  if (wavelength > original / low) return frequency / scaling.factor
  const smooth = (original / wavelength - low) / (high - low)
  return ((1 - smooth) * frequency) / scaling.factor + smooth * frequency
}

/** Peng et al., 2023 (YaRN), section 3.2: a ramp between interpolated and plain frequencies. */
function yarnFrequencies(plain: Float64Array, architecture: RopeArchitecture): Float64Array {
  const { headSize, ropeTheta, ropeScaling, contextTokensMax } = architecture
  const original = ropeScaling.originalContextTokens ?? contextTokensMax
  const dimensionOf = (rotations: number) =>
    (headSize * Math.log(original / (rotations * 2 * Math.PI))) / (2 * Math.log(ropeTheta))
  const low = Math.max(0, Math.floor(dimensionOf(ropeScaling.betaFast ?? 32)))
  const high = Math.min(headSize - 1, Math.ceil(dimensionOf(ropeScaling.betaSlow ?? 1)))
  const width = low === high ? 0.001 : high - low
  return plain.map((frequency, i) => {
    const interpolated = Math.min(1, Math.max(0, (i - low) / width))
    return (frequency / ropeScaling.factor) * interpolated + frequency * (1 - interpolated)
  })
}
