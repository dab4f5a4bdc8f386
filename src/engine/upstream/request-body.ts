/**
 * A request as OpenAI-compatible servers read it. Settings at OpenAI's defaults are left out, so
 * that a server's own defaults for a model stay in force.
 */
import type { GenerationRequest, JsonObject, JsonValue } from '../../protocol/index.ts'
import type { ServerKind } from './server-kind.ts'

type Body = Record<string, JsonValue>

/** Fields of our own that no server knows. */
const ownFields = new Set([
  'isochrone',
  'stream',
  'stream_options',
  'model',
  'messages',
  'prompt',
  'n',
])

export function pathOf(request: GenerationRequest): string {
  return request.kind === 'chat' ? '/chat/completions' : '/completions'
}

export function bodyOf(request: GenerationRequest, kind: ServerKind): string {
  const body: Body = {}
  for (const [name, value] of Object.entries(request.passThrough)) {
    if (!ownFields.has(name)) body[name] = value
  }
  body['model'] = request.model
  if (request.kind === 'chat') addChat(body, request)
  else addCompletion(body, request)
  if (request.maxTokens !== null) {
    const modern = kind === 'openai' && request.kind === 'chat'
    body[modern ? 'max_completion_tokens' : 'max_tokens'] = request.maxTokens
  }
  if (request.choices !== 1) body['n'] = request.choices
  if (request.stop.length > 0) body['stop'] = request.stop
  addSampling(body, request, kind)
  // A whole answer costs the server and us one message instead of one per token.
  body['stream'] = !request.whole
  if (!request.whole) body['stream_options'] = { include_usage: true }
  return JSON.stringify(body)
}

function addChat(body: Body, request: GenerationRequest): void {
  body['messages'] = request.messages as unknown as JsonValue
  if (request.topLogprobs !== null) {
    body['logprobs'] = true
    body['top_logprobs'] = request.topLogprobs
  }
  if (request.tools.length > 0) {
    body['tools'] = request.tools
    if (request.toolChoice !== null) body['tool_choice'] = request.toolChoice
    if (request.parallelToolCalls !== null) body['parallel_tool_calls'] = request.parallelToolCalls
  }
  if (request.responseFormat.type !== 'text') {
    body['response_format'] = request.responseFormat as JsonObject
  }
}

function addCompletion(body: Body, request: GenerationRequest): void {
  body['prompt'] = request.prompt
  if (request.topLogprobs !== null) body['logprobs'] = request.topLogprobs
  if (request.echo) body['echo'] = true
}

function addSampling(body: Body, request: GenerationRequest, kind: ServerKind): void {
  const { sampling } = request
  if (sampling.temperature !== 1) body['temperature'] = sampling.temperature
  if (sampling.topP !== 1) body['top_p'] = sampling.topP
  if (sampling.topK !== 0) body['top_k'] = sampling.topK
  if (sampling.minP !== 0) body['min_p'] = sampling.minP
  if (sampling.frequencyPenalty !== 0) body['frequency_penalty'] = sampling.frequencyPenalty
  if (sampling.presencePenalty !== 0) body['presence_penalty'] = sampling.presencePenalty
  if (sampling.repetitionPenalty !== 1) {
    const name = kind === 'llama-server' ? 'repeat_penalty' : 'repetition_penalty'
    body[name] = sampling.repetitionPenalty
  }
  if (Object.keys(sampling.logitBias).length > 0) body['logit_bias'] = sampling.logitBias
  // llama-server keeps 32 bits, all of them set meaning "random".
  body['seed'] = kind === 'llama-server' ? sampling.seed % (2 ** 32 - 1) : sampling.seed
}
