/**
 * The bodies that clients may send, as OpenAI's API reference has them, with our bounds.
 *
 * Unknown fields are allowed at the top (they are passed through, see `pass-through.ts`), not under
 * `isochrone`.
 */
import { json, type Schema, type Static } from '../../base/index.ts'
import { requestLimits } from '../../protocol/index.ts'

/** A node accepts as much, so whatever passes here can be sent on. */
const limits = requestLimits
/** Workers that one request may leave out; a federation's bad days name dozens. */
const excludeMax = 256
/** Penalties and temperature as in OpenAI's reference. */
const temperatureMax = 2
const penaltyMax = 2
const logitBiasMax = 100
/** Whole numbers that JSON carries exactly, with room for the choices' own seeds. */
const seedMax = 2 ** 52
const hourMs = 3_600_000

const optional = <S extends Schema>(schema: S) => json.optional(json.nullable(schema))
const number = (minimum: number, maximum: number) => json.number({ minimum, maximum })
const integer = (minimum: number, maximum: number) => json.integer({ minimum, maximum })
const text = json.string()
/** An object whose inside is OpenAI's or the engine's business. */
const freeObject = json.object({}, { additionalProperties: true })
const tokenId = integer(0, limits.tokenIdMax)

const extension = json.object(
  {
    slo: optional(
      json.object(
        { ttft_ms: optional(number(1, hourMs)), tpot_ms: optional(number(0.01, hourMs)) },
        { additionalProperties: false },
      ),
    ),
    max_price: optional(number(0, 1e12)),
    region: optional(json.string({ minLength: 1, maxLength: 64 })),
    exclude: optional(
      json.array(json.string({ minLength: 1, maxLength: 80 }), { maxItems: excludeMax }),
    ),
  },
  {
    additionalProperties: false,
    description:
      'Extensions: latency objectives in ms, price cap in micro-dollars per million tokens, ' +
      'region, workers to leave out.',
  },
)

const model = json.string({ minLength: 1, maxLength: limits.modelNameLengthMax })

const sampling = {
  temperature: optional(number(0, temperatureMax)),
  top_p: optional(number(0, 1)),
  top_k: optional(integer(-1, 1_000_000)),
  min_p: optional(number(0, 1)),
  frequency_penalty: optional(number(-penaltyMax, penaltyMax)),
  presence_penalty: optional(number(-penaltyMax, penaltyMax)),
  repetition_penalty: optional(number(0.01, 100)),
  logit_bias: optional(
    json.record(number(-logitBiasMax, logitBiasMax), {
      keyPattern: '^[0-9]{1,9}$',
      maxProperties: limits.logitBiasMax,
    }),
  ),
  seed: optional(integer(-seedMax, seedMax)),
  n: optional(integer(1, limits.choicesMax)),
  stop: optional(
    json.union([
      json.string({ maxLength: limits.stopStringLengthMax }),
      json.array(json.string({ maxLength: limits.stopStringLengthMax }), {
        maxItems: limits.stopStringsMax,
      }),
    ]),
  ),
  max_tokens: optional(integer(1, limits.tokensMax)),
  stream: optional(json.boolean()),
  stream_options: optional(
    json.object({ include_usage: optional(json.boolean()) }, { additionalProperties: true }),
  ),
  isochrone: optional(extension),
}

const message = json.object(
  {
    role: json.enum(['system', 'developer', 'user', 'assistant', 'tool']),
    content: optional(
      json.union([
        text,
        json.array(json.object({ type: text }, { additionalProperties: true }), {
          maxItems: limits.partsPerMessageMax,
        }),
      ]),
    ),
    name: optional(json.string({ maxLength: 256 })),
    tool_calls: optional(json.array(freeObject, { maxItems: limits.toolsMax })),
    tool_call_id: optional(json.string({ maxLength: 256 })),
  },
  { additionalProperties: true },
)

const responseFormat = json.object(
  {
    type: json.enum(['text', 'json_object', 'json_schema']),
    json_schema: optional(freeObject),
  },
  { additionalProperties: true },
)

export const chatBody = json.object(
  {
    model,
    messages: json.array(message, { minItems: 1, maxItems: limits.messagesMax }),
    ...sampling,
    max_completion_tokens: optional(integer(1, limits.tokensMax)),
    logprobs: optional(json.boolean()),
    top_logprobs: optional(integer(0, limits.topLogprobsMax)),
    tools: optional(json.array(freeObject, { maxItems: limits.toolsMax })),
    tool_choice: optional(json.union([text, freeObject])),
    parallel_tool_calls: optional(json.boolean()),
    response_format: optional(responseFormat),
  },
  { additionalProperties: true },
)
export type ChatBody = Static<typeof chatBody>

const tokenIds = json.array(tokenId, { minItems: 1 })

export const completionBody = json.object(
  {
    model,
    prompt: json.union([text, json.array(json.union([text, tokenId, tokenIds]), { minItems: 1 })]),
    ...sampling,
    logprobs: optional(integer(0, limits.topLogprobsMax)),
    echo: optional(json.boolean()),
    best_of: optional(integer(1, 1)),
  },
  { additionalProperties: true },
)
export type CompletionBody = Static<typeof completionBody>

export const embeddingBody = json.object(
  {
    model,
    input: json.union([
      json.string({ minLength: 1 }),
      json.array(json.union([json.string({ minLength: 1 }), tokenId, tokenIds]), {
        minItems: 1,
        maxItems: limits.embeddingInputsMax,
      }),
    ]),
    dimensions: optional(integer(1, limits.dimensionsMax)),
    encoding_format: optional(json.enum(['float', 'base64'])),
    user: optional(text),
    isochrone: optional(extension),
  },
  { additionalProperties: true },
)
export type EmbeddingBody = Static<typeof embeddingBody>
export type Extension = Static<typeof extension>
