/** The shape and bounds of a request between gateway and node, as validators. */
import { json, type Schema, Validator } from '../../base/index.ts'

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

const { nullable } = json
const integer = (minimum: number, maximum: number) => json.integer({ minimum, maximum })
const number = (minimum: number, maximum: number) => json.number({ minimum, maximum })
const text = (maxLength: number) => json.string({ maxLength })
/** Its depth is bounded where the JSON is parsed, its size by the request's. */
const freeObject = json.record(json.unknown())
/** Anything, as long as it is there. */
const anyJson = json.union([
  json.string(),
  json.number(),
  json.boolean(),
  json.null(),
  json.array(json.unknown()),
  freeObject,
])
const tokenIds = json.array(integer(0, limits.tokenIdMax), { maxItems: limits.promptTokensMax })

const message = json.object({
  role: json.enum(['system', 'developer', 'user', 'assistant', 'tool']),
  content: json.union([
    text(limits.textLengthMax),
    json.array(freeObject, { maxItems: limits.partsPerMessageMax }),
    json.null(),
  ]),
  name: json.optional(text(limits.modelNameLengthMax)),
  tool_calls: json.optional(json.array(freeObject, { maxItems: limits.toolCallsPerMessageMax })),
  tool_call_id: json.optional(text(limits.modelNameLengthMax)),
})

const sampling = json.object({
  temperature: number(0, 100),
  topP: number(0, 1),
  topK: integer(0, limits.tokenIdMax),
  minP: number(0, 1),
  frequencyPenalty: number(-100, 100),
  presencePenalty: number(-100, 100),
  repetitionPenalty: number(0, 100),
  logitBias: json.record(number(-1000, 1000), {
    keyPattern: '^[0-9]{1,10}$',
    maxProperties: limits.logitBiasMax,
  }),
  seed: integer(0, Number.MAX_SAFE_INTEGER),
})

const responseFormat = json.union([
  json.object({ type: json.literal('text') }),
  json.object({ type: json.literal('json_object') }),
  json.object({ type: json.literal('json_schema'), json_schema: freeObject }),
])

const subject = {
  requestId: json.string({ minLength: 1, maxLength: limits.requestIdLengthMax }),
  model: json.string({ minLength: 1, maxLength: limits.modelNameLengthMax }),
  modelDigest: nullable(json.string({ pattern: '^sha256:[0-9a-f]{64}$' })),
}

/** Each field's name and validator. All but the optional ones must be there. */
export type FieldValidators = readonly (readonly [name: string, validator: Validator])[]

export const generationRequestFields = validatorsOf({
  ...subject,
  kind: json.enum(['chat', 'completion']),
  messages: json.array(message, { maxItems: limits.messagesMax }),
  prompt: json.union([text(limits.textLengthMax), tokenIds]),
  choices: integer(1, limits.choicesMax),
  maxTokens: nullable(integer(0, limits.tokensMax)),
  stop: json.array(text(limits.stopStringLengthMax), { maxItems: limits.stopStringsMax }),
  sampling,
  topLogprobs: nullable(integer(0, limits.topLogprobsMax)),
  whole: json.boolean(),
  echo: json.boolean(),
  tools: json.array(freeObject, { maxItems: limits.toolsMax }),
  toolChoice: anyJson,
  parallelToolCalls: nullable(json.boolean()),
  responseFormat,
  passThrough: json.record(json.unknown(), { maxProperties: limits.passThroughFieldsMax }),
  continued: json.array(tokenIds, { minItems: 1, maxItems: limits.choicesMax }),
})

/** Nearly all requests are new, and say nothing of it. */
export const optionalRequestFields: ReadonlySet<string> = new Set(['continued'])

export const embeddingRequestFields = validatorsOf({
  ...subject,
  kind: json.literal('embedding'),
  input: json.array(json.union([text(limits.textLengthMax), tokenIds]), {
    minItems: 1,
    maxItems: limits.embeddingInputsMax,
  }),
  dimensions: nullable(integer(1, limits.dimensionsMax)),
})

function validatorsOf(schemas: Readonly<Record<string, Schema>>): FieldValidators {
  return Object.entries(schemas).map(([name, schema]) => [name, new Validator(schema)] as const)
}
