/**
 * A model in the store: its architecture, its files and their hashes. The digest of the manifest is
 * the model's identity in the network.
 */
import type { ModelDigest } from '../protocol/index.ts'

export type Quantisation = 'float32' | 'float16' | 'int4'

export interface RopeScaling {
  readonly type: 'default' | 'linear' | 'dynamic' | 'llama3' | 'yarn'
  readonly factor: number
  readonly lowFrequencyFactor?: number
  readonly highFrequencyFactor?: number
  readonly originalContextTokens?: number
  readonly betaFast?: number
  readonly betaSlow?: number
  readonly attentionFactor?: number
}

/** A decoder of the Llama family, in this project's own words. */
export interface DecoderArchitecture {
  readonly family: 'llama' | 'mistral' | 'qwen2' | 'qwen3' | 'smollm3'
  readonly layers: number
  readonly width: number
  readonly feedForwardWidth: number
  readonly queryHeads: number
  readonly keyValueHeads: number
  readonly headSize: number
  readonly vocabularySize: number
  readonly contextTokensMax: number
  readonly normEpsilon: number
  readonly ropeTheta: number
  readonly ropeScaling: RopeScaling
  readonly tiedHead: boolean
  readonly attentionBias: boolean
  readonly outputBias: boolean
  readonly feedForwardBias: boolean
  /** RMSNorm on each head's query and key (Qwen3). */
  readonly queryKeyNorm: boolean
  /** Mistral's sliding window in tokens; null: none. */
  readonly slidingWindow: number | null
  /** Layers that look back without that limit although others have it, by index. */
  readonly layersWithoutWindow: readonly number[]
  /** Layers without rotary embedding (SmolLM3), by index. */
  readonly layersWithoutRope: readonly number[]
}

export interface ModelFile {
  readonly path: string
  readonly bytes: number
  /** Hexadecimal. */
  readonly sha256: string
}

export interface ModelManifest {
  readonly format: 1
  readonly name: string
  readonly digest: ModelDigest
  readonly architecture: DecoderArchitecture
  readonly quantisation: Quantisation
  readonly parameters: number
  readonly beginTokenId: number | null
  readonly endTokenIds: readonly number[]
  readonly hasChatTemplate: boolean
  readonly files: readonly ModelFile[]
}
