/**
 * The engine over models that run here: checks a request, tokenizes it and hands it to its
 * model's scheduler.
 */
import type { Clock, Log } from '../base/index.ts'
import type { ModelManifest } from '../models/index.ts'
import {
  type GenerationEvent,
  type GenerationRequest,
  IsochroneError,
  type JsonObject,
  type ModelFeature,
} from '../protocol/index.ts'
import type { Engine, EngineModel } from './engine.ts'
import type { ModelRunner } from './model-runner.ts'
import { defaultSchedulerLimits, Scheduler, type SchedulerLimits } from './scheduler/scheduler.ts'
import type { Tokenizer } from './tokenizer/tokenizer.ts'

/** A model of the store, ready to run. */
export interface LoadedModel {
  readonly stored: { readonly manifest: ModelManifest }
  readonly runner: ModelRunner
  readonly tokenizer: Tokenizer
}

export interface OnnxEngineOptions {
  readonly models: readonly LoadedModel[]
  readonly clock: Clock
  readonly log: Log
  readonly limits?: Partial<SchedulerLimits>
}

interface ServedModel {
  readonly loaded: LoadedModel
  readonly description: EngineModel
  readonly scheduler: Scheduler
}

/** The engine owns the runners: `close` closes them. */
export function createOnnxEngine(options: OnnxEngineOptions): Engine {
  const served = options.models.map((loaded) => serve(loaded, options))
  const descriptions = served.map(({ description }) => description)
  const isReady = ({ loaded }: ServedModel) => loaded.runner.isReady
  return {
    models() {
      if (served.every(isReady)) return descriptions
      return served.filter(isReady).map(({ description }) => description)
    },
    load() {
      const loads = served.filter(isReady).map(({ scheduler }) => scheduler.load())
      return {
        running: sum(loads.map((load) => load.running)),
        waiting: sum(loads.map((load) => load.waiting)),
        kvTokensFree: sum(loads.map((load) => load.kvTokensFree)),
        promptTokensUnread: sum(loads.map((load) => load.promptTokensUnread)),
      }
    },
    generate: (request, signal) => generate(served, request, signal),
    async embed(request) {
      throw missing('embedding', `The model ${request.model} makes no embeddings.`)
    },
    async close() {
      for (const { scheduler, loaded } of served) {
        await scheduler.close()
        await loaded.runner.close()
      }
    },
  }
}

function serve(loaded: LoadedModel, options: OnnxEngineOptions): ServedModel {
  const { stored, runner, tokenizer } = loaded
  const { manifest } = stored
  const features: ModelFeature[] = ['completion', 'logprobs', 'seed', 'continuation']
  if (tokenizer.hasChatTemplate) features.unshift('chat')
  return {
    loaded,
    description: {
      name: manifest.name,
      digest: manifest.digest,
      runtime: runner.runtime,
      quantisation: manifest.quantisation,
      contextTokensMax: runner.contextTokensMax,
      slots: runner.slots,
      features,
    },
    scheduler: new Scheduler(
      { ...defaultSchedulerLimits, ...options.limits },
      {
        runner,
        tokenizer,
        endTokenIds: new Set(manifest.endTokenIds),
        clock: options.clock,
        log: options.log.child({ module: 'scheduler', model: manifest.name }),
      },
    ),
  }
}

async function* generate(
  served: readonly ServedModel[],
  request: GenerationRequest,
  signal: AbortSignal,
): AsyncGenerator<readonly GenerationEvent[], void, undefined> {
  if (signal.aborted) throw cancelled()
  const model = find(served, request)
  checkCapabilities(request)
  const { runner, tokenizer } = model.loaded
  if (!runner.isReady) {
    const message = `The model ${model.description.name} was lost here, and is being started again.`
    throw new IsochroneError('engine_failed', message)
  }
  const promptIds = promptOf(request, model.loaded)
  const tokensMax = tokensMaxOf(request, promptIds.length, runner.contextTokensMax)
  checkContinued(request, tokensMax, runner.vocabularySize)
  if (tokensMax === 0) {
    if (request.echo) yield echoOf(request, tokenizer)
    yield nothing(request.choices, promptIds.length)
    return
  }
  const job = model.scheduler.submit(request, promptIds, tokensMax)
  const leave = () => {
    job.fail(cancelled())
    model.scheduler.wake()
  }
  signal.addEventListener('abort', leave, { once: true })
  try {
    if (request.echo) yield echoOf(request, tokenizer)
    yield* job.events()
  } finally {
    signal.removeEventListener('abort', leave)
    if (!job.closed) leave()
  }
}

function find(served: readonly ServedModel[], request: GenerationRequest): ServedModel {
  const found = served.find(({ description }) =>
    request.modelDigest === null
      ? description.name === request.model
      : description.digest === request.modelDigest,
  )
  if (found !== undefined) return found
  const names = served.map(({ description }) => description.name).join(', ') || 'none'
  throw new IsochroneError(
    'model_not_found',
    `The model ${request.modelDigest ?? request.model} is not loaded here; loaded: ${names}.`,
    { detail: { model: request.model, digest: request.modelDigest } },
  )
}

function checkCapabilities(request: GenerationRequest): void {
  if (request.tools.length > 0) throw missing('tools', 'This engine cannot call tools.')
  if (request.responseFormat.type !== 'text') {
    throw missing('structured_output', 'This engine cannot hold an answer to a JSON schema.')
  }
  if (request.echo && request.topLogprobs !== null) {
    throw missing(
      'logprobs',
      'This engine has no log-probabilities of the prompt (echo with logprobs).',
    )
  }
}

/** Errors: `invalid_request`, `capability_missing`, `context_length_exceeded`. */
function promptOf(
  request: GenerationRequest,
  { tokenizer, runner }: LoadedModel,
): readonly number[] {
  const textLength = textLengthOf(request)
  if (textLength > tokenizer.textLengthMax(runner.contextTokensMax)) {
    throw new IsochroneError(
      'context_length_exceeded',
      `The prompt has ${textLength} characters, which cannot fit into ` +
        `${runner.contextTokensMax} tokens.`,
      { detail: { contextTokensMax: runner.contextTokensMax } },
    )
  }
  if (request.kind === 'chat') {
    return tokenizer.encodeChat(request.messages, templateSwitches(request.passThrough))
  }
  const ids =
    typeof request.prompt === 'string'
      ? tokenizer.encode(request.prompt, { special: false, begin: true })
      : checkIds(request.prompt, { name: 'prompt', size: runner.vocabularySize })
  if (ids.length === 0) {
    throw new IsochroneError('invalid_request', 'The prompt is empty; give at least one token.', {
      detail: { param: 'prompt' },
    })
  }
  return ids
}

/**
 * As other servers, `chat_template_kwargs` reaches the template (for example `enable_thinking`).
 */
function templateSwitches(passThrough: JsonObject): JsonObject {
  const switches = passThrough['chat_template_kwargs']
  return isObject(switches) ? switches : {}
}

function textLengthOf(request: GenerationRequest): number {
  if (request.kind === 'completion') return request.prompt.length
  let length = 0
  for (const { content } of request.messages) {
    if (typeof content === 'string') length += content.length
    for (const part of Array.isArray(content) ? content : []) {
      const text: unknown = part['text']
      length += typeof text === 'string' ? text.length : 0
    }
  }
  return length
}

function checkIds(
  ids: readonly number[],
  { name, size }: { readonly name: string; readonly size: number },
): readonly number[] {
  const bad = ids.findIndex((id) => !Number.isSafeInteger(id) || id < 0 || id >= size)
  if (bad < 0) return ids
  throw new IsochroneError(
    'invalid_request',
    `${name}[${bad}] is ${ids[bad]}; this model's token ids are 0 to ${size - 1}.`,
    { detail: { param: name } },
  )
}

/** What another node is said to have written could be anything. Errors: `invalid_request`. */
function checkContinued(
  { continued, choices }: GenerationRequest,
  tokensMax: number,
  size: number,
): void {
  if (continued === undefined) return
  if (continued.length !== choices) {
    throw new IsochroneError(
      'invalid_request',
      `continued has ${continued.length} answers, but the request asks for ${choices}.`,
      { detail: { param: 'continued' } },
    )
  }
  for (const [choice, ids] of continued.entries()) {
    if (ids.length > tokensMax) {
      throw new IsochroneError(
        'invalid_request',
        `continued[${choice}] has ${ids.length} tokens; this answer may have ${tokensMax}.`,
        { detail: { param: 'continued' } },
      )
    }
    checkIds(ids, { name: `continued[${choice}]`, size })
  }
}

function tokensMaxOf(request: GenerationRequest, promptTokens: number, contextMax: number): number {
  const room = contextMax - promptTokens
  const wanted = request.maxTokens ?? Math.max(1, room)
  if (wanted <= room) return wanted
  throw new IsochroneError(
    'context_length_exceeded',
    `This model's context holds ${contextMax} tokens; the prompt has ${promptTokens} and ` +
      `${wanted} more are asked for. Shorten the prompt or lower max_tokens.`,
    { detail: { contextTokensMax: contextMax, promptTokens, maxTokens: wanted } },
  )
}

function echoOf(request: GenerationRequest, tokenizer: Tokenizer): GenerationEvent[] {
  const { prompt } = request
  const text = typeof prompt === 'string' ? prompt : tokenizer.decode(prompt)
  return Array.from({ length: request.choices }, (_, choice) => ({
    type: 'delta',
    choice,
    text,
    tokenIds: [],
    logprobs: [],
    extra: null,
  }))
}

/** The answer to a request for no tokens. */
function nothing(choices: number, promptTokens: number): GenerationEvent[] {
  const finishes = Array.from(
    { length: choices },
    (_, choice): GenerationEvent => ({ type: 'finish', choice, reason: 'length' }),
  )
  return [...finishes, { type: 'usage', promptTokens, completionTokens: 0, cachedTokens: 0 }]
}

function missing(capability: ModelFeature, message: string): IsochroneError {
  return new IsochroneError('capability_missing', message, { detail: { capability } })
}

function cancelled(): IsochroneError {
  return new IsochroneError('cancelled', 'The caller cancelled the generation.')
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}
