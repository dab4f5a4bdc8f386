/** The shape and bounds of a request between gateway and node, as compiled checks. */
import Type from 'typebox'
import { Compile, type Validator } from 'typebox/compile'

/**
 * What a node accepts at most; a gateway that accepts no more never sees its own requests
 * refused.
 */
export const requestLimits = {
  /** Fits into one message, with room for the envelope. */
  requestBytesMax: 8 * 1024 * 1024 - 64 * 1024,
  /** One text: a prompt, a message, a content part. Images come as data URLs. */
  textLengthMax: 8 * 1024 * 1024,
  messagesMax: 4096,
  partsPerMessageMax: 256,
  toolCallsPerMessageMax: 128,
  stopStringsMax: 16,
  stopStringLengthMax: 1024,
  /** OpenAI documents none; more than a thousand biased tokens is no use of it that we know. */
  logitBiasMax: 1024,
  toolsMax: 128,
  choicesMax: 16,
  topLogprobsMax: 20,
  tokenIdMax: 0xffffffff,
  /** The longest contexts of open models have 10 million tokens. */
  tokensMax: 10_000_000,
  /** A prompt of token ids: what fits into the request. */
  promptTokensMax: 4 * 1024 * 1024,
  modelNameLengthMax: 256,
  requestIdLengthMax: 256,
  passThroughFieldsMax: 64,
  embeddingInputsMax: 2048,
  dimensionsMax: 65_536,
} as const

const limits = requestLimits

const nullable = <T extends Type.TSchema>(schema: T) => Type.Union([schema, Type.Null()])
const integer = (minimum: number, maximum: number) => Type.Integer({ minimum, maximum })
const number = (minimum: number, maximum: number) => Type.Number({ minimum, maximum })
const text = (maxLength: number) => Type.String({ maxLength })
/** Its depth is bounded where the JSON is parsed, its size by the request's. */
const freeObject = Type.Record(Type.String(), Type.Unknown())
/** Anything, as long as it is there. */
const json = Type.Union([
  Type.String(),
  Type.Number(),
  Type.Boolean(),
  Type.Null(),
  Type.Array(Type.Unknown()),
  freeObject,
])
const tokenIds = Type.Array(integer(0, limits.tokenIdMax), { maxItems: limits.promptTokensMax })

const message = Type.Object({
  role: Type.Union([
    Type.Literal('system'),
    Type.Literal('developer'),
    Type.Literal('user'),
    Type.Literal('assistant'),
    Type.Literal('tool'),
  ]),
  content: Type.Union([
    text(limits.textLengthMax),
    Type.Array(freeObject, { maxItems: limits.partsPerMessageMax }),
    Type.Null(),
  ]),
  name: Type.Optional(text(limits.modelNameLengthMax)),
  tool_calls: Type.Optional(Type.Array(freeObject, { maxItems: limits.toolCallsPerMessageMax })),
  tool_call_id: Type.Optional(text(limits.modelNameLengthMax)),
})

const sampling = Type.Object({
  temperature: number(0, 100),
  topP: number(0, 1),
  topK: integer(0, limits.tokenIdMax),
  minP: number(0, 1),
  frequencyPenalty: number(-100, 100),
  presencePenalty: number(-100, 100),
  repetitionPenalty: number(0, 100),
  logitBias: Type.Record(Type.String({ pattern: '^[0-9]{1,10}$' }), number(-1000, 1000), {
    maxProperties: limits.logitBiasMax,
    additionalProperties: false,
  }),
  seed: integer(0, Number.MAX_SAFE_INTEGER),
})

const responseFormat = Type.Union([
  Type.Object({ type: Type.Literal('text') }),
  Type.Object({ type: Type.Literal('json_object') }),
  Type.Object({ type: Type.Literal('json_schema'), json_schema: freeObject }),
])

const subject = {
  requestId: Type.String({ minLength: 1, maxLength: limits.requestIdLengthMax }),
  model: Type.String({ minLength: 1, maxLength: limits.modelNameLengthMax }),
  modelDigest: nullable(Type.String({ pattern: '^sha256:[0-9a-f]{64}$' })),
}

/** Each field's name and compiled check. All must be there. */
export type FieldChecks = readonly (readonly [name: string, check: Validator])[]

export const generationRequestFields = compileFields({
  ...subject,
  kind: Type.Union([Type.Literal('chat'), Type.Literal('completion')]),
  messages: Type.Array(message, { maxItems: limits.messagesMax }),
  prompt: Type.Union([text(limits.textLengthMax), tokenIds]),
  choices: integer(1, limits.choicesMax),
  maxTokens: nullable(integer(0, limits.tokensMax)),
  stop: Type.Array(text(limits.stopStringLengthMax), { maxItems: limits.stopStringsMax }),
  sampling,
  topLogprobs: nullable(integer(0, limits.topLogprobsMax)),
  whole: Type.Boolean(),
  echo: Type.Boolean(),
  tools: Type.Array(freeObject, { maxItems: limits.toolsMax }),
  toolChoice: json,
  parallelToolCalls: nullable(Type.Boolean()),
  responseFormat,
  passThrough: Type.Record(Type.String(), Type.Unknown(), {
    maxProperties: limits.passThroughFieldsMax,
  }),
})

export const embeddingRequestFields = compileFields({
  ...subject,
  kind: Type.Literal('embedding'),
  input: Type.Array(Type.Union([text(limits.textLengthMax), tokenIds]), {
    minItems: 1,
    maxItems: limits.embeddingInputsMax,
  }),
  dimensions: nullable(integer(1, limits.dimensionsMax)),
})

function compileFields(schemas: Readonly<Record<string, Type.TSchema>>): FieldChecks {
  return Object.entries(schemas).map(([name, schema]) => [name, Compile(schema)] as const)
}
