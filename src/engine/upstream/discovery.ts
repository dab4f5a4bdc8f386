/** Which models a server has, and what kind of server it is. */
import { IsochroneError, type JsonObject, type ModelFeature } from '../../protocol/index.ts'
import type { EngineModel } from '../engine.ts'
import { arrayField, isObject, numberField, stringField } from './json-value.ts'
import { callJson, type Server } from './server.ts'
import { kindOf, type ServerKind, slotsByKind } from './server-kind.ts'

const discoveryTimeoutMs = 10_000
/** OpenRouter's list, the longest known, has about 1 MB. */
const listBytesMax = 8 * 1024 * 1024
const modelsMax = 2000
const nameLengthMax = 256
/**
 * Where the server does not say; a request that does not fit is then refused by the server itself.
 */
const contextTokensAssumed = 8192

export interface Discovery {
  readonly kind: ServerKind
  readonly models: readonly EngineModel[]
}

export interface DiscoveryOptions {
  /** Only these are offered; undefined: all. */
  readonly models?: readonly string[]
  readonly slots?: number
  readonly contextTokensMax?: number
  readonly signal: AbortSignal
}

/** Errors: `upstream_failed`, `engine_unavailable` (the key is refused). */
export async function discover(server: Server, options: DiscoveryOptions): Promise<Discovery> {
  const list = await get(server, '/models', { signal: options.signal })
  if (!isObject(list) || !Array.isArray(list['data'])) {
    throw new IsochroneError(
      'upstream_failed',
      `${server.title} answered /models with something else than a list of models; is it an ` +
        `OpenAI-compatible server?`,
    )
  }
  const entries = arrayField(list, 'data')
    .filter(isObject)
    .filter((entry) => (stringField(entry, 'id')?.length ?? nameLengthMax + 1) <= nameLengthMax)
    .slice(0, modelsMax)
  const kind = await kindOfServer(server, entries[0], options.signal)
  const properties = kind === 'llama-server' ? await probe(server, '/props', options.signal) : null
  const slots = options.slots ?? (numberField(properties ?? {}, 'total_slots') || slotsByKind[kind])
  const wanted = options.models === undefined ? null : new Set(options.models)
  const models = entries
    .map((entry) => modelOf(entry, { kind, slots, properties, options }))
    .filter(({ name }) => wanted === null || wanted.has(name))
  return { kind, models }
}

interface Surroundings {
  readonly kind: ServerKind
  readonly slots: number
  readonly properties: JsonObject | null
  readonly options: DiscoveryOptions
}

function modelOf(
  entry: JsonObject,
  { kind, slots, properties, options }: Surroundings,
): EngineModel {
  const name = stringField(entry, 'id') ?? ''
  const meta = entry['meta']
  const settings = properties?.['default_generation_settings']
  const contextTokensMax =
    options.contextTokensMax ??
    (numberField(entry, 'max_model_len') ||
      (isObject(settings) ? numberField(settings, 'n_ctx') : 0) ||
      numberField(entry, 'context_length') ||
      (isObject(meta) ? numberField(meta, 'n_ctx_train') : 0) ||
      contextTokensAssumed)
  return {
    name,
    digest: null,
    runtime: kind === 'unknown' ? 'upstream' : `upstream/${kind}`,
    quantisation: 'unknown',
    contextTokensMax,
    slots,
    features: featuresOf(name),
  }
}

/**
 * `/v1/models` does not say what a model can do. An embedding model is known by its name; of the
 * others all is assumed, since the server refuses by itself what it cannot do, with a message
 * that is passed on.
 */
function featuresOf(name: string): readonly ModelFeature[] {
  if (/embed|(^|[/-])(bge|gte|e5)-|minilm/i.test(name)) return ['embedding']
  return ['chat', 'completion', 'tools', 'structured_output', 'logprobs', 'seed', 'images']
}

async function kindOfServer(
  server: Server,
  first: JsonObject | undefined,
  signal: AbortSignal,
): Promise<ServerKind> {
  const kind = kindOf(first === undefined ? null : stringField(first, 'owned_by'))
  if (kind !== 'unknown') return kind
  if ((await probe(server, '/props', signal))?.['default_generation_settings'] !== undefined) {
    return 'llama-server'
  }
  if ((await probe(server, '/get_model_info', signal))?.['model_path'] !== undefined)
    return 'sglang'
  if ((await probe(server, '/api/version', signal))?.['version'] !== undefined) return 'ollama'
  if ((await probe(server, '/version', signal))?.['version'] !== undefined) return 'vllm'
  return 'unknown'
}

/** null: the server does not know the path. */
async function probe(
  server: Server,
  path: string,
  signal: AbortSignal,
): Promise<JsonObject | null> {
  try {
    const value = await get(server, path, { signal, fromRoot: true })
    return isObject(value) ? value : null
  } catch (error) {
    if (signal.aborted) throw error
    return null
  }
}

function get(server: Server, path: string, options: { signal: AbortSignal; fromRoot?: boolean }) {
  return callJson(server, {
    method: 'GET',
    path,
    bytesMax: listBytesMax,
    timeoutMs: discoveryTimeoutMs,
    ...options,
  })
}
