/** The shapes of answers, for the OpenAPI document. */
import { json } from '../../base/index.ts'
import { modelFeatures } from '../../protocol/index.ts'
import { locationAnswer } from './latency-map-schemas.ts'

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

const offeredModel = json.object({
  name: text,
  digest: nullable(text),
  runtime: text,
  quantisation: text,
  context_tokens_max: count,
  decode_tokens_per_second: json.number(),
  prefill_tokens_per_second: json.number(),
  slots: count,
  features: json.array(json.enum(modelFeatures)),
  prompt_price: json.number({ description: 'Micro-dollars per million tokens.' }),
  completion_price: json.number({ description: 'Micro-dollars per million tokens.' }),
})

const duration = json.object({
  mean_ms: json.number(),
  deviation_ms: json.number(),
  samples: json.number(),
})

const probability = json.object({
  mean: json.number(),
  lower_bound: json.number(),
  upper_bound: json.number(),
  samples: json.number(),
})

const evidence = json.object(
  {
    model: text,
    completion: probability,
    clean: probability,
    heard: json.optional(
      json.object(
        { successes: json.number(), failures: json.number() },
        { description: 'What other gateways saw, as so many requests of one’s own.' },
      ),
    ),
    hazard: json.object(
      {
        mean: json.number(),
        upper: json.number(),
        lower: json.number(),
        ends: json.number(),
        seen_ms: json.number(),
      },
      { description: 'How soon it goes without a word: ends per ms, from its sessions here.' },
    ),
    latency: json.array(
      json.object({
        load: json.enum(['idle', 'busy', 'queued']),
        timing: json.enum(['ttft', 'tpot']),
        median_ms: json.number(),
        high_ms: json.number({ description: 'The 95th percentile.' }),
        samples: json.number(),
      }),
    ),
    ttft: json.optional(duration),
    tpot: json.optional(duration),
  },
  { description: 'What this gateway saw; older work counts less.' },
)

const hardware = json.object({
  platform: text,
  cpu: text,
  cores: count,
  memory_bytes: count,
  memory_free_bytes: count,
  gpu: text,
  gpu_memory_bytes: count,
  memory_bandwidth_bytes_per_second: json.number(),
  integer_exact: json.boolean(),
})

const record = json.object(
  {
    id: text,
    network: text,
    sequence: count,
    issued_at_ms: count,
    expires_at_ms: count,
    software_version: text,
    region: text,
    cell: text,
    addresses: json.array(text),
    hardware,
    models: json.array(offeredModel),
  },
  { description: 'What the node says of itself, signed by its key; null for an upstream.' },
)

export const nodeAnswer = json.object(
  {
    id: text,
    kind: json.enum(['node', 'upstream']),
    region: text,
    location: nullable(locationAnswer),
    connected: json.boolean(),
    round_trip_ms: nullable(json.number()),
    in_flight: count,
    standing: nullable(
      json.object({
        state: json.enum(['quarantined', 'probation', 'degraded']),
        incident: text,
        words: text,
        model: json.optional(text),
        takes: json.optional(json.boolean()),
      }),
    ),
    load: json.object({
      running: count,
      waiting: count,
      kv_tokens_free: count,
      draining: json.boolean(),
    }),
    models: json.array(offeredModel),
    evidence: json.array(evidence),
    record: nullable(record),
  },
  { description: 'A worker: a joined node, or an upstream without a node.' },
)

export const nodeList = json.object({ object: json.literal('list'), data: json.array(nodeAnswer) })

export const errorAnswer = json.object({
  error: json.object({
    message: text,
    type: text,
    param: nullable(text),
    code: text,
  }),
})

export const healthAnswer = json.object({ status: json.literal('ok') })

export const readyAnswer = json.object(
  {
    status: json.enum(['ready', 'waiting']),
    models: count,
    workers: json.object({ connected: count, disconnected: count }),
  },
  { description: 'The same with status 503 until a model is served.' },
)

export const documentAnswer = json.object(
  {},
  { additionalProperties: true, description: 'OpenAPI 3.1.' },
)
