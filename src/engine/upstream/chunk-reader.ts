/**
 * OpenAI's streamed chunks to events. Knows the dialects of vLLM, SGLang, llama-server, Ollama
 * and OpenAI, and whether the answer is complete.
 */
import {
  type FinishReason,
  type GenerationDelta,
  type GenerationEvent,
  type GenerationRequest,
  type GenerationUsage,
  IsochroneError,
  isShallow,
  type JsonObject,
  type TokenLogprobs,
} from '../../protocol/index.ts'
import { chatLogprobs, completionLogprobs } from './chunk-logprobs.ts'
import { arrayField, isObject, numberField } from './json-value.ts'
import { errorFromPayload } from './upstream-errors.ts'

/** Of a server's words for the end; any other is `stop`. */
const reasons: ReadonlyMap<string, FinishReason> = new Map([
  ['stop', 'stop'],
  ['length', 'length'],
  ['tool_calls', 'tool_calls'],
  ['function_call', 'tool_calls'],
  ['content_filter', 'content_filter'],
])
/** What servers say when they gave up on an answer. */
const failedReasons = new Set(['abort', 'aborted', 'error', 'cancelled'])
const noLogprobs: readonly TokenLogprobs[] = []
const charactersPerToken = 4

export class ChunkReader {
  readonly #request: GenerationRequest
  readonly #server: string
  readonly #finished: boolean[]
  #unfinished: number
  #usage: JsonObject | null = null
  #deltas = 0
  #characters = 0

  constructor(request: GenerationRequest, server: string) {
    this.#request = request
    this.#server = server
    this.#unfinished = request.choices
    this.#finished = new Array(request.choices).fill(false)
  }

  /** Every choice has its finish reason. */
  get complete(): boolean {
    return this.#unfinished === 0
  }

  /**
   * One chunk's JSON.
   * @param into receives the events
   * Errors: `upstream_failed` for what is no chunk, or what the server reports in mid-stream.
   */
  read(payload: string, into: GenerationEvent[]): void {
    let chunk: unknown
    try {
      chunk = JSON.parse(payload)
    } catch (error) {
      throw this.#malformed('it is not valid JSON', error)
    }
    this.readValue(chunk, into)
  }

  /** As `read`; also a whole answer that was not streamed. */
  readValue(chunk: unknown, into: GenerationEvent[]): void {
    if (!isObject(chunk)) throw this.#malformed('it is not an object')
    const { error, choices, usage } = chunk
    if (error !== undefined && error !== null) throw errorFromPayload(chunk, this.#server)
    if (isObject(usage)) this.#usage = usage
    if (choices === undefined || choices === null) {
      if (isObject(usage)) return
      throw this.#malformed('it has no choices')
    }
    if (!Array.isArray(choices)) throw this.#malformed('choices is not a list')
    for (const choice of choices) this.#readChoice(choice, into)
  }

  /** The server's count, or, where it gave none, an estimate that says so. */
  usage(): GenerationUsage {
    const usage = this.#usage
    if (usage === null) {
      return {
        type: 'usage',
        promptTokens: Math.ceil(promptLength(this.#request) / charactersPerToken),
        completionTokens: this.#tokens(),
        cachedTokens: 0,
        estimated: true,
      }
    }
    const details = usage['prompt_tokens_details']
    return {
      type: 'usage',
      promptTokens: numberField(usage, 'prompt_tokens'),
      completionTokens: numberField(usage, 'completion_tokens'),
      cachedTokens: isObject(details) ? numberField(details, 'cached_tokens') : 0,
    }
  }

  /** A streamed delta is a token, nearly always; a whole answer has to be guessed by its length. */
  #tokens(): number {
    if (!this.#request.whole) return this.#deltas
    return Math.ceil(this.#characters / charactersPerToken)
  }

  #readChoice(choice: unknown, into: GenerationEvent[]): void {
    if (!isObject(choice)) throw this.#malformed('a choice is not an object')
    const index = choice['index'] ?? 0
    if (typeof index !== 'number' || this.#finished[index] === undefined) {
      throw this.#malformed(`choice ${String(index).slice(0, 20)} was not asked for`)
    }
    const delta = this.#deltaOf(choice, index)
    if (delta !== null) {
      if (this.#finished[index]) throw this.#malformed('text follows the finish reason')
      this.#deltas += 1
      this.#characters += delta.text.length
      into.push(delta)
    }
    const reason = choice['finish_reason']
    if (typeof reason !== 'string' || reason === '' || this.#finished[index]) return
    if (failedReasons.has(reason)) {
      throw new IsochroneError(
        'upstream_failed',
        `${this.#server} gave up on the answer (finish_reason ${JSON.stringify(reason)}).`,
      )
    }
    this.#finished[index] = true
    this.#unfinished -= 1
    into.push({ type: 'finish', choice: index, reason: reasons.get(reason) ?? 'stop' })
  }

  #deltaOf(choice: JsonObject, index: number): GenerationDelta | null {
    const logprobs = choice['logprobs']
    if (this.#request.kind === 'completion') {
      const text = choice['text']
      const scores = isObject(logprobs) ? completionLogprobs(logprobs) : noLogprobs
      return deltaEvent(index, typeof text === 'string' ? text : '', {
        logprobs: scores,
        extra: null,
      })
    }
    const delta = choice['delta'] ?? choice['message']
    const scores = isObject(logprobs) ? chatLogprobs(arrayField(logprobs, 'content')) : noLogprobs
    if (!isObject(delta)) return deltaEvent(index, '', { logprobs: scores, extra: null })
    const content = delta['content']
    const extra = extraOf(delta)
    // Passed on as it is, it would be what breaks whoever writes it.
    if (extra !== null && !isShallow(extra)) throw this.#malformed('it is nested too deep')
    const more = { logprobs: scores, extra }
    return deltaEvent(index, typeof content === 'string' ? content : '', more)
  }

  #malformed(reason: string, cause?: unknown): IsochroneError {
    return new IsochroneError(
      'upstream_failed',
      `${this.#server} sent a chunk that is not of OpenAI's form: ${reason}.`,
      { detail: { reason }, cause },
    )
  }
}

function deltaEvent(
  choice: number,
  text: string,
  more: { logprobs: readonly TokenLogprobs[]; extra: JsonObject | null },
): GenerationDelta | null {
  const { logprobs, extra } = more
  if (text === '' && extra === null && logprobs.length === 0) return null
  return { type: 'delta', choice, text, tokenIds: [], logprobs, extra }
}

/**
 * Everything besides role and content that says something, for example `tool_calls`,
 * `reasoning_content`.
 */
function extraOf(delta: JsonObject): JsonObject | null {
  let extra: Record<string, JsonObject[string]> | null = null
  for (const key in delta) {
    if (key === 'role' || key === 'content') continue
    const value = delta[key]
    if (value === undefined || value === null || value === '') continue
    if (Array.isArray(value) && value.length === 0) continue
    extra ??= {}
    extra[key] = key === 'tool_calls' ? indexedCalls(value) : value
  }
  return extra
}

/** Deltas number their tool calls; whole messages do not. */
function indexedCalls(calls: JsonObject[string]): JsonObject[string] {
  if (!Array.isArray(calls)) return calls
  return calls.map((call: unknown, index) =>
    isObject(call) && call['index'] === undefined ? { index, ...call } : (call as JsonObject),
  )
}

function promptLength(request: GenerationRequest): number {
  if (request.kind === 'chat') return JSON.stringify(request.messages).length
  // A list of ids is exact: as many characters as would be that many tokens.
  const factor = typeof request.prompt === 'string' ? 1 : charactersPerToken
  return request.prompt.length * factor
}
