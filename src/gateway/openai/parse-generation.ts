/** A checked body → one normalised `GenerationRequest`, and what routing needs to know of it. */
import type { Random } from '../../base/index.ts'
import {
  type ChatMessage,
  type GenerationRequest,
  isNodeId,
  isUpstreamId,
  type JsonObject,
  type ModelFeature,
  type RequestId,
  type ResponseFormat,
  requestLimits,
  type Sampling,
  type WorkerId,
} from '../../protocol/index.ts'
import type { RouteRequest } from '../../routing/index.ts'
import { boundedObjects, boundedValue, passThroughOf } from './pass-through.ts'
import {
  type ChatBody,
  type CompletionBody,
  chatBody,
  completionBody,
  type Extension,
} from './schemas.ts'
import { estimateTokens } from './token-estimate.ts'
import { fieldError } from './validation.ts'

export interface AskedGeneration {
  readonly request: GenerationRequest
  /** Of the further prompts that a completion may bring. */
  readonly further: readonly GenerationRequest[]
  /** Of all prompts, estimated. */
  readonly promptTokens: number
  readonly route: RouteRequest
  readonly stream: boolean
  readonly includeUsage: boolean
}

/** One for all requests with one prompt, which nearly all are. */
export const noFurther: readonly GenerationRequest[] = Object.freeze([])

/** What OpenAI's legacy interface does when `max_tokens` is left out. */
const completionMaxTokensDefault = 16

const chatFields: ReadonlySet<string> = new Set(Object.keys(chatBody.properties))
const completionFields: ReadonlySet<string> = new Set(Object.keys(completionBody.properties))

export function parseChat(body: ChatBody, requestId: RequestId, random: Random): AskedGeneration {
  const tools = boundedObjects(body.tools, 'tools')
  const request: GenerationRequest = {
    kind: 'chat',
    requestId,
    model: body.model,
    modelDigest: null,
    messages: body.messages.map(parseMessage),
    prompt: '',
    choices: body.n ?? 1,
    maxTokens: body.max_completion_tokens ?? body.max_tokens ?? null,
    stop: parseStop(body.stop),
    sampling: parseSampling(body, random),
    topLogprobs: chatLogprobs(body),
    whole: body.stream !== true,
    echo: false,
    tools,
    toolChoice: tools.length === 0 ? null : boundedValue(body.tool_choice ?? null, 'tool_choice'),
    parallelToolCalls: body.parallel_tool_calls ?? null,
    responseFormat: parseResponseFormat(body.response_format),
    passThrough: passThroughOf(body, chatFields),
  }
  return asked(request, body)
}

export function parseCompletion(
  body: CompletionBody,
  requestId: RequestId,
  random: Random,
): AskedGeneration {
  const [prompt = '', ...others] = parsePrompts(body.prompt)
  const choices = body.n ?? 1
  checkAnswers(choices * (1 + others.length))
  const request: GenerationRequest = {
    kind: 'completion',
    requestId,
    model: body.model,
    modelDigest: null,
    messages: [],
    prompt,
    choices,
    maxTokens: body.max_tokens ?? completionMaxTokensDefault,
    stop: parseStop(body.stop),
    sampling: parseSampling(body, random),
    topLogprobs: body.logprobs ?? null,
    whole: body.stream !== true,
    echo: body.echo ?? false,
    tools: [],
    toolChoice: null,
    parallelToolCalls: null,
    responseFormat: { type: 'text' },
    passThrough: passThroughOf(body, completionFields),
  }
  // Choices count on over the prompts, and so do seeds: equal prompts get answers of their own.
  const further = others.map((other, i) => ({
    ...request,
    prompt: other,
    sampling: { ...request.sampling, seed: request.sampling.seed + (i + 1) * choices },
  }))
  return asked(request, body, further)
}

function checkAnswers(count: number): void {
  const { choicesMax } = requestLimits
  if (count <= choicesMax) return
  const message = `asks for ${count} answers, n for each prompt; at most ${choicesMax}`
  throw fieldError('prompt', message)
}

/** The part of a route request that every kind of body has in common. */
export function routeFields(
  extension: Extension | null | undefined,
): Pick<RouteRequest, 'objective' | 'maxPrice' | 'region' | 'exclude'> {
  return {
    objective: {
      ttftMs: extension?.slo?.ttft_ms ?? null,
      tpotMs: extension?.slo?.tpot_ms ?? null,
    },
    maxPrice: extension?.max_price ?? null,
    region: extension?.region ?? null,
    exclude: (extension?.exclude ?? []).map(parseWorkerId),
  }
}

function asked(
  request: GenerationRequest,
  body: ChatBody | CompletionBody,
  further: readonly GenerationRequest[] = noFurther,
): AskedGeneration {
  const stream = body.stream ?? false
  if (!stream && body.stream_options != null) {
    throw fieldError('stream_options', 'is only allowed when stream is true')
  }
  // A worker has to have room for the largest; all are paid for.
  let largest = estimateTokens(request)
  let promptTokens = largest
  for (const one of further) {
    const tokens = estimateTokens(one)
    largest = Math.max(largest, tokens)
    promptTokens += tokens
  }
  return {
    request,
    further,
    promptTokens,
    route: {
      requestId: request.requestId,
      model: request.model,
      features: requiredFeatures(request, body.seed != null),
      promptTokens: largest,
      maxTokens: request.maxTokens,
      ...routeFields(body.isochrone),
    },
    stream,
    includeUsage: body.stream_options?.include_usage ?? false,
  }
}

function parseMessage(message: ChatBody['messages'][number], index: number): ChatMessage {
  const content = message.content ?? null
  const calls = boundedObjects(message.tool_calls, `messages[${index}].tool_calls`)
  if (content === null && (message.role !== 'assistant' || calls.length === 0)) {
    throw fieldError(`messages[${index}].content`, 'is missing')
  }
  return {
    role: message.role,
    content:
      content === null || typeof content === 'string'
        ? content
        : boundedObjects(content, `messages[${index}].content`),
    ...(message.name == null ? {} : { name: message.name }),
    ...(calls.length === 0 ? {} : { tool_calls: calls }),
    ...(message.tool_call_id == null ? {} : { tool_call_id: message.tool_call_id }),
  }
}

type Prompt = GenerationRequest['prompt']

/** A text or a list of token ids, or a list of such. */
function parsePrompts(prompt: CompletionBody['prompt']): readonly Prompt[] {
  if (typeof prompt === 'string') return [prompt]
  const ids = prompt.filter((item) => typeof item === 'number')
  if (ids.length === 0) return prompt as readonly Prompt[]
  if (ids.length < prompt.length) throw fieldError('prompt', 'mixes token ids with something else')
  return [ids]
}

function parseStop(stop: ChatBody['stop']): readonly string[] {
  if (stop == null) return []
  const list = typeof stop === 'string' ? [stop] : stop
  return list.filter((text) => text !== '')
}

function parseSampling(body: ChatBody | CompletionBody, random: Random): Sampling {
  return {
    temperature: body.temperature ?? 1,
    topP: body.top_p ?? 1,
    topK: Math.max(0, body.top_k ?? 0),
    minP: body.min_p ?? 0,
    frequencyPenalty: body.frequency_penalty ?? 0,
    presencePenalty: body.presence_penalty ?? 0,
    repetitionPenalty: body.repetition_penalty ?? 1,
    logitBias: body.logit_bias ?? {},
    seed: body.seed == null ? random.below(2 ** 32) : naturalSeed(body.seed),
  }
}

/** Seeds are whole numbers from 0 on; choice i adds i, and the sum stays exact. */
function naturalSeed(seed: number): number {
  return seed < 0 ? seed + 2 ** 53 - requestLimits.choicesMax : seed
}

function chatLogprobs(body: ChatBody): number | null {
  if (body.logprobs === true) return body.top_logprobs ?? 0
  if (body.top_logprobs != null && body.top_logprobs > 0) {
    throw fieldError('top_logprobs', 'is only allowed when logprobs is true')
  }
  return null
}

function parseResponseFormat(format: ChatBody['response_format']): ResponseFormat {
  if (format == null || format.type === 'text') return { type: 'text' }
  if (format.type === 'json_object') return { type: 'json_object' }
  if (format.json_schema == null) throw fieldError('response_format.json_schema', 'is missing')
  const schema = boundedValue(format.json_schema, 'response_format.json_schema')
  return { type: 'json_schema', json_schema: schema as JsonObject }
}

function requiredFeatures(request: GenerationRequest, seedGiven: boolean): ModelFeature[] {
  const features: ModelFeature[] = [request.kind]
  if (request.tools.length > 0) features.push('tools')
  if (request.responseFormat.type !== 'text') features.push('structured_output')
  if (request.topLogprobs !== null) features.push('logprobs')
  if (seedGiven) features.push('seed')
  if (request.messages.some(hasImage)) features.push('images')
  return features
}

function hasImage(message: ChatMessage): boolean {
  const { content } = message
  if (content === null || typeof content === 'string') return false
  return content.some((part) => part['type'] === 'image_url')
}

function parseWorkerId(text: string, index: number): WorkerId {
  if (isNodeId(text) || isUpstreamId(text)) return text
  throw fieldError(
    `isochrone.exclude[${index}]`,
    'is not the id of a worker; GET /v1/nodes lists them',
  )
}
