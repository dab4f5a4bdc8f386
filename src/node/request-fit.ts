/**
 * Whether a request fits what this node offers; if not, the typed reason. Pure.
 */
import {
  type EmbeddingRequest,
  type GenerationRequest,
  IsochroneError,
  type ModelFeature,
  type OfferedModel,
} from '../protocol/index.ts'

/** What a request asks of a model; each is one of the features that a node declares. */
export function requiredFeatures(
  request: GenerationRequest | EmbeddingRequest,
): readonly ModelFeature[] {
  if (request.kind === 'embedding') return ['embedding']
  const features: ModelFeature[] = [request.kind]
  if (request.tools.length > 0) features.push('tools')
  if (request.responseFormat.type !== 'text') features.push('structured_output')
  if (request.topLogprobs !== null) features.push('logprobs')
  if (hasImages(request)) features.push('images')
  if (request.continued !== undefined) features.push('continuation')
  return features
}

/** undefined: it fits. */
export function refusalOf(
  request: GenerationRequest | EmbeddingRequest,
  models: readonly OfferedModel[],
): IsochroneError | undefined {
  const model = findModel(request, models)
  if (model === undefined) {
    return new IsochroneError(
      'model_not_found',
      `this node does not offer the model "${request.model}"`,
      { detail: { model: request.model, digest: request.modelDigest } },
    )
  }
  const missing = requiredFeatures(request).find((feature) => !model.features.includes(feature))
  if (missing !== undefined) {
    return new IsochroneError(
      'capability_missing',
      `this node's "${model.name}" has no ${missing.replace('_', ' ')}`,
      { detail: { model: model.name, feature: missing } },
    )
  }
  return contextRefusal(request, model)
}

/** By digest where both sides know it: a name may stand for different weights. */
export function findModel(
  request: GenerationRequest | EmbeddingRequest,
  models: readonly OfferedModel[],
): OfferedModel | undefined {
  const { modelDigest } = request
  return models.find(
    (model) =>
      model.name === request.model && (modelDigest === null || model.digest === modelDigest),
  )
}

function contextRefusal(
  request: GenerationRequest | EmbeddingRequest,
  model: OfferedModel,
): IsochroneError | undefined {
  if (request.kind === 'embedding' || request.maxTokens === null) return undefined
  if (model.contextTokensMax <= 0 || request.maxTokens < model.contextTokensMax) return undefined
  return new IsochroneError(
    'context_length_exceeded',
    `${request.maxTokens} tokens are asked for, but the context of "${model.name}" holds ` +
      `${model.contextTokensMax}, prompt included`,
    { detail: { model: model.name, contextTokensMax: model.contextTokensMax } },
  )
}

function hasImages(request: GenerationRequest): boolean {
  return request.messages.some(
    ({ content }) => Array.isArray(content) && content.some((part) => part['type'] === 'image_url'),
  )
}
