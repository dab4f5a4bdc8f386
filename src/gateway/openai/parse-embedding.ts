/** A checked body of /v1/embeddings → `EmbeddingRequest`, and what routing needs to know of it. */
import type { EmbeddingRequest, RequestId } from '../../protocol/index.ts'
import type { RouteRequest } from '../../routing/index.ts'
import { routeFields } from './parse-generation.ts'
import type { EmbeddingBody } from './schemas.ts'
import { estimateInputTokens } from './token-estimate.ts'
import { fieldError } from './validation.ts'

export interface AskedEmbedding {
  readonly request: EmbeddingRequest
  readonly route: RouteRequest
  readonly encoding: 'float' | 'base64'
}

export function parseEmbedding(body: EmbeddingBody, requestId: RequestId): AskedEmbedding {
  const request: EmbeddingRequest = {
    kind: 'embedding',
    requestId,
    model: body.model,
    modelDigest: null,
    input: parseInput(body.input),
    dimensions: body.dimensions ?? null,
  }
  return {
    request,
    route: {
      requestId,
      model: body.model,
      features: ['embedding'],
      promptTokens: estimateInputTokens(request.input),
      maxTokens: 0,
      ...routeFields(body.isochrone),
    },
    encoding: body.encoding_format ?? 'float',
  }
}

/** A text, a list of token ids, or a list of either. */
function parseInput(input: EmbeddingBody['input']): EmbeddingRequest['input'] {
  if (typeof input === 'string') return [input]
  const numbers = input.filter((item) => typeof item === 'number')
  if (numbers.length === 0) return input as EmbeddingRequest['input']
  if (numbers.length < input.length) throw fieldError('input', 'mixes token ids with texts')
  return [numbers]
}
