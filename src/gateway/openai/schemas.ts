/**
 * The bodies that clients may send, as OpenAI's API reference has them, with our bounds.
 *
 * Unknown fields are allowed at the top (they are passed through, see `pass-through.ts`), not under
 * `isochrone`.
 */
import Type, { type Static } from 'typebox'
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

const nullable = <T extends Type.TSchema>(type: T) => Type.Union([type, Type.Null()])
const optional = <T extends Type.TSchema>(type: T) => Type.Optional(nullable(type))
const number = (minimum: number, maximum: number) => Type.Number({ minimum, maximum })
const integer = (minimum: number, maximum: number) => Type.Integer({ minimum, maximum })
const text = Type.String()
/** An object whose inside is OpenAI's or the engine's business. */
const freeObject = Type.Object({}, { additionalProperties: true })
const tokenId = integer(0, limits.tokenIdMax)

const extension = Type.Object(
  {
    slo: optional(
      Type.Object(
        { ttft_ms: optional(number(1, hourMs)), tpot_ms: optional(number(0.01, hourMs)) },
        { additionalProperties: false },
      ),
    ),
    max_price: optional(number(0, 1e12)),
    region: optional(Type.String({ minLength: 1, maxLength: 64 })),
    exclude: optional(
      Type.Array(Type.String({ minLength: 1, maxLength: 80 }), { maxItems: excludeMax }),
    ),
  },
  {
    additionalProperties: false,
    description:
      'Extensions: latency objectives in ms, price cap in micro-dollars per million tokens, ' +
      'region, workers to leave out.',
  },
)

const model = Type.String({ minLength: 1, maxLength: limits.modelNameLengthMax })

const sampling = {
  temperature: optional(number(0, temperatureMax)),
  top_p: optional(number(0, 1)),
  top_k: optional(integer(-1, 1_000_000)),
  min_p: optional(number(0, 1)),
  frequency_penalty: optional(number(-penaltyMax, penaltyMax)),
  presence_penalty: optional(number(-penaltyMax, penaltyMax)),
  repetition_penalty: optional(number(0.01, 100)),
  logit_bias: optional(
    Type.Record(Type.String({ pattern: '^[0-9]{1,9}$' }), number(-logitBiasMax, logitBiasMax), {
      maxProperties: limits.logitBiasMax,
      additionalProperties: false,
    }),
  ),
  seed: optional(integer(-seedMax, seedMax)),
  n: optional(integer(1, limits.choicesMax)),
  stop: optional(
    Type.Union([
      Type.String({ maxLength: limits.stopStringLengthMax }),
      Type.Array(Type.String({ maxLength: limits.stopStringLengthMax }), {
        maxItems: limits.stopStringsMax,
      }),
    ]),
  ),
  max_tokens: optional(integer(1, limits.tokensMax)),
  stream: optional(Type.Boolean()),
  stream_options: optional(
    Type.Object({ include_usage: optional(Type.Boolean()) }, { additionalProperties: true }),
  ),
  isochrone: optional(extension),
}

const message = Type.Object(
  {
    role: Type.Enum(['system', 'developer', 'user', 'assistant', 'tool']),
    content: optional(
      Type.Union([
        text,
        Type.Array(Type.Object({ type: text }, { additionalProperties: true }), {
          maxItems: limits.partsPerMessageMax,
        }),
      ]),
    ),
    name: optional(Type.String({ maxLength: 256 })),
    tool_calls: optional(Type.Array(freeObject, { maxItems: limits.toolsMax })),
    tool_call_id: optional(Type.String({ maxLength: 256 })),
  },
  { additionalProperties: true },
)

const responseFormat = Type.Object(
  {
    type: Type.Enum(['text', 'json_object', 'json_schema']),
    json_schema: optional(freeObject),
  },
  { additionalProperties: true },
)

export const chatBody = Type.Object(
  {
    model,
    messages: Type.Array(message, { minItems: 1, maxItems: limits.messagesMax }),
    ...sampling,
    max_completion_tokens: optional(integer(1, limits.tokensMax)),
    logprobs: optional(Type.Boolean()),
    top_logprobs: optional(integer(0, limits.topLogprobsMax)),
    tools: optional(Type.Array(freeObject, { maxItems: limits.toolsMax })),
    tool_choice: optional(Type.Union([text, freeObject])),
    parallel_tool_calls: optional(Type.Boolean()),
    response_format: optional(responseFormat),
  },
  { additionalProperties: true },
)
export type ChatBody = Static<typeof chatBody>

const tokenIds = Type.Array(tokenId, { minItems: 1 })

export const completionBody = Type.Object(
  {
    model,
    prompt: Type.Union([text, Type.Array(Type.Union([text, tokenId, tokenIds]), { minItems: 1 })]),
    ...sampling,
    logprobs: optional(integer(0, limits.topLogprobsMax)),
    echo: optional(Type.Boolean()),
    best_of: optional(integer(1, 1)),
  },
  { additionalProperties: true },
)
export type CompletionBody = Static<typeof completionBody>

export const embeddingBody = Type.Object(
  {
    model,
    input: Type.Union([
      Type.String({ minLength: 1 }),
      Type.Array(Type.Union([Type.String({ minLength: 1 }), tokenId, tokenIds]), {
        minItems: 1,
        maxItems: limits.embeddingInputsMax,
      }),
    ]),
    dimensions: optional(integer(1, limits.dimensionsMax)),
    encoding_format: optional(Type.Enum(['float', 'base64'])),
    user: optional(text),
    isochrone: optional(extension),
  },
  { additionalProperties: true },
)
export type EmbeddingBody = Static<typeof embeddingBody>
export type Extension = Static<typeof extension>
