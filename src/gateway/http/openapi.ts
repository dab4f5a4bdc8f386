/**
 * What the OpenAPI document says besides the routes and the bodies' schemas: shapes of answers and
 * headers.
 */
import Type from 'typebox'

export function openApiInfo(softwareVersion: string) {
  return {
    openapi: '3.1.0',
    info: {
      title: 'Isochrone gateway',
      version: softwareVersion,
      description: 'OpenAI’s interface, and why each request went where it went.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    components: {
      securitySchemes: { apiKey: { type: 'http' as const, scheme: 'bearer' } },
    },
    security: [{ apiKey: [] }],
  }
}

const text = Type.String()
const count = Type.Integer({ minimum: 0 })
const free = Type.Object({}, { additionalProperties: true })
const nullable = <T extends Type.TSchema>(type: T) => Type.Union([type, Type.Null()])

const usage = Type.Object({
  prompt_tokens: count,
  completion_tokens: count,
  total_tokens: count,
  prompt_tokens_details: Type.Object({ cached_tokens: count }),
})

const finishReason = nullable(Type.Enum(['stop', 'length', 'tool_calls', 'content_filter']))

export const chatAnswer = Type.Object(
  {
    id: text,
    object: Type.Literal('chat.completion'),
    created: count,
    model: text,
    system_fingerprint: text,
    choices: Type.Array(
      Type.Object({
        index: count,
        message: Type.Object(
          { role: Type.Literal('assistant'), content: nullable(text), refusal: nullable(text) },
          { additionalProperties: true },
        ),
        logprobs: nullable(free),
        finish_reason: finishReason,
      }),
    ),
    usage: Type.Optional(usage),
  },
  { description: 'With stream: true, server-sent events of chat.completion.chunk instead.' },
)

export const completionAnswer = Type.Object(
  {
    id: text,
    object: Type.Literal('text_completion'),
    created: count,
    model: text,
    system_fingerprint: text,
    choices: Type.Array(
      Type.Object({
        index: count,
        text,
        logprobs: nullable(free),
        finish_reason: finishReason,
      }),
    ),
    usage: Type.Optional(usage),
  },
  { description: 'With stream: true, server-sent events of text_completion instead.' },
)

export const embeddingAnswer = Type.Object({
  object: Type.Literal('list'),
  data: Type.Array(
    Type.Object({
      object: Type.Literal('embedding'),
      index: count,
      embedding: Type.Union([Type.Array(Type.Number()), text]),
    }),
  ),
  model: text,
  usage: Type.Object({ prompt_tokens: count, total_tokens: count }),
})

export const modelAnswer = Type.Object({
  id: text,
  object: Type.Literal('model'),
  created: count,
  owned_by: text,
  isochrone: Type.Object({
    workers: count,
    context_tokens_max: count,
    digests: Type.Array(text),
    runtimes: Type.Array(text),
    quantisations: Type.Array(text),
    features: Type.Array(text),
  }),
})

export const modelList = Type.Object({
  object: Type.Literal('list'),
  data: Type.Array(modelAnswer),
})

export const nodeAnswer = Type.Object(
  {
    id: text,
    kind: Type.Enum(['node', 'upstream']),
    region: text,
    connected: Type.Boolean(),
    round_trip_ms: nullable(Type.Number()),
    in_flight: count,
    load: free,
    models: Type.Array(free),
    evidence: Type.Array(free),
    record: nullable(free),
  },
  { description: 'A worker: a joined node, or an upstream without a node.' },
)

export const nodeList = Type.Object({ object: Type.Literal('list'), data: Type.Array(nodeAnswer) })

export const decisionAnswer = Type.Object(
  { id: text, model: text, chosen: nullable(text), reason: text },
  { additionalProperties: true, description: 'A routing decision; text with ?format=text.' },
)

export const decisionList = Type.Object({
  object: Type.Literal('list'),
  data: Type.Array(decisionAnswer),
})

export const errorAnswer = Type.Object({
  error: Type.Object({
    message: text,
    type: text,
    param: nullable(text),
    code: text,
  }),
})

/** Errors that every inference route can give, for the document. */
export const errorAnswers = {
  400: errorAnswer,
  401: errorAnswer,
  404: errorAnswer,
  413: errorAnswer,
  415: errorAnswer,
  429: errorAnswer,
  500: errorAnswer,
  502: errorAnswer,
  503: errorAnswer,
  504: errorAnswer,
} as const
