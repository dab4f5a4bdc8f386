/** The shapes of answers, for the OpenAPI document. */
import { json } from '../../base/index.ts'

const text = json.string()
const count = json.integer({ minimum: 0 })
const free = json.object({}, { additionalProperties: true })
const { nullable } = json

const usage = json.object({
  prompt_tokens: count,
  completion_tokens: count,
  total_tokens: count,
  prompt_tokens_details: json.object({ cached_tokens: count }),
})

const finishReason = nullable(json.enum(['stop', 'length', 'tool_calls', 'content_filter']))

export const chatAnswer = json.object(
  {
    id: text,
    object: json.literal('chat.completion'),
    created: count,
    model: text,
    system_fingerprint: text,
    choices: json.array(
      json.object({
        index: count,
        message: json.object(
          { role: json.literal('assistant'), content: nullable(text), refusal: nullable(text) },
          { additionalProperties: true },
        ),
        logprobs: nullable(free),
        finish_reason: finishReason,
      }),
    ),
    usage: json.optional(usage),
  },
  { description: 'With stream: true, server-sent events of chat.completion.chunk instead.' },
)

export const completionAnswer = json.object(
  {
    id: text,
    object: json.literal('text_completion'),
    created: count,
    model: text,
    system_fingerprint: text,
    choices: json.array(
      json.object({
        index: count,
        text,
        logprobs: nullable(free),
        finish_reason: finishReason,
      }),
    ),
    usage: json.optional(usage),
  },
  { description: 'With stream: true, server-sent events of text_completion instead.' },
)

export const embeddingAnswer = json.object({
  object: json.literal('list'),
  data: json.array(
    json.object({
      object: json.literal('embedding'),
      index: count,
      embedding: json.union([json.array(json.number()), text]),
    }),
  ),
  model: text,
  usage: json.object({ prompt_tokens: count, total_tokens: count }),
})

export const modelAnswer = json.object({
  id: text,
  object: json.literal('model'),
  created: count,
  owned_by: text,
  isochrone: json.object({
    workers: count,
    context_tokens_max: count,
    digests: json.array(text),
    runtimes: json.array(text),
    quantisations: json.array(text),
    features: json.array(text),
  }),
})

export const modelList = json.object({
  object: json.literal('list'),
  data: json.array(modelAnswer),
})

export const nodeAnswer = json.object(
  {
    id: text,
    kind: json.enum(['node', 'upstream']),
    region: text,
    connected: json.boolean(),
    round_trip_ms: nullable(json.number()),
    in_flight: count,
    load: free,
    models: json.array(free),
    evidence: json.array(free),
    record: nullable(free),
  },
  { description: 'A worker: a joined node, or an upstream without a node.' },
)

export const nodeList = json.object({ object: json.literal('list'), data: json.array(nodeAnswer) })

export const decisionAnswer = json.object(
  { id: text, model: text, chosen: nullable(text), reason: text },
  { additionalProperties: true, description: 'A routing decision; text with ?format=text.' },
)

export const decisionList = json.object({
  object: json.literal('list'),
  data: json.array(decisionAnswer),
})

export const errorAnswer = json.object({
  error: json.object({
    message: text,
    type: text,
    param: nullable(text),
    code: text,
  }),
})
