/**
 * The engine over any OpenAI-compatible server: vLLM, SGLang, llama-server, Ollama, OpenAI itself.
 */
import type { Clock, Log, Timer } from '../../base/index.ts'
import { asIsochroneError, type GenerationEvent, IsochroneError } from '../../protocol/index.ts'
import type { Engine } from '../engine.ts'
import { type Discovery, discover } from './discovery.ts'
import { embedUpstream } from './embeddings.ts'
import { bodyOf, pathOf } from './request-body.ts'
import { openServer, requestsMax, type ServerAddress } from './server.ts'
import { startStreamingCall } from './streaming-call.ts'

export interface UpstreamEngineOptions extends ServerAddress {
  readonly clock: Clock
  readonly log: Log
  /** Generations at once; by default what the server says, or its kind's own default. */
  readonly slots?: number
  /** Only these models are offered; by default all that the server lists. */
  readonly models?: readonly string[]
  /** Where the server does not say it, or says more than it holds. */
  readonly contextTokensMax?: number
  /** How often the list of models is asked for again. */
  readonly refreshMs?: number
  /** Begin with no models when the server cannot be reached yet, instead of failing. */
  readonly startUnavailable?: boolean
}

const refreshDefaultMs = 30_000
/** A list that fails this often in a row is taken as empty: the server is gone. */
const failuresMax = 3

/**
 * Errors: `invalid_configuration`, `upstream_failed`, `engine_unavailable` (the key is refused).
 */
export async function createUpstreamEngine(options: UpstreamEngineOptions): Promise<Engine> {
  const server = openServer(options, options.clock)
  const log = options.log.child({ module: 'upstream' })
  const closing = new AbortController()
  const directory = new ModelDirectory(options, log, () =>
    discover(server, {
      signal: closing.signal,
      ...(options.models === undefined ? {} : { models: options.models }),
      ...(options.slots === undefined ? {} : { slots: options.slots }),
      ...(options.contextTokensMax === undefined
        ? {}
        : { contextTokensMax: options.contextTokensMax }),
    }),
  )
  try {
    await directory.start()
  } catch (error) {
    server.pool.close()
    throw error
  }
  let inFlight = 0
  const guard = () => {
    if (inFlight >= requestsMax) {
      throw new IsochroneError(
        'all_nodes_busy',
        `${server.title} already has ${inFlight} requests.`,
      )
    }
    inFlight += 1
  }
  const onEnd = () => {
    inFlight -= 1
  }
  return {
    models: () => directory.current.models,
    load() {
      const { slots, contextTokensMax } = directory.current.models[0] ?? emptyModel
      const running = Math.min(inFlight, slots)
      return {
        running,
        waiting: inFlight - running,
        kvTokensFree: (slots - running) * contextTokensMax,
      }
    },
    generate: (request, signal) => ({
      [Symbol.asyncIterator](): AsyncIterator<readonly GenerationEvent[]> {
        if (request.continued !== undefined) throw noContinuation(server.title)
        guard()
        const { kind } = directory.current
        const body = bodyOf(request, kind)
        return startStreamingCall(server, { request, path: pathOf(request), body, signal, onEnd })
      },
    }),
    async embed(request, signal) {
      guard()
      try {
        return await embedUpstream(server, request, signal)
      } finally {
        onEnd()
      }
    },
    async close() {
      directory.stop()
      closing.abort()
      server.pool.close()
    },
  }
}

/** No such server goes on behind tokens exactly as it would have, stop strings and all. */
function noContinuation(server: string): IsochroneError {
  const message = `${server} cannot go on with an answer that somebody else began.`
  return new IsochroneError('capability_missing', message, {
    detail: { capability: 'continuation' },
  })
}

const emptyModel = { slots: 0, contextTokensMax: 0 }

/** The list of models, asked for again and again. */
class ModelDirectory {
  current: Discovery = { kind: 'unknown', models: [] }
  readonly #options: UpstreamEngineOptions
  readonly #log: Log
  readonly #discover: () => Promise<Discovery>
  #failures = 0
  #timer: Timer | null = null
  #stopped = false

  constructor(options: UpstreamEngineOptions, log: Log, discoverModels: () => Promise<Discovery>) {
    this.#options = options
    this.#log = log
    this.#discover = discoverModels
  }

  async start(): Promise<void> {
    try {
      this.current = await this.#discover()
    } catch (error) {
      if (!this.#options.startUnavailable) throw error
      this.#warn(error)
    }
    this.#schedule()
  }

  stop(): void {
    this.#stopped = true
    this.#timer?.cancel()
  }

  #schedule(): void {
    if (this.#stopped) return
    const delayMs = this.#options.refreshMs ?? refreshDefaultMs
    this.#timer = this.#options.clock.after(delayMs, () => void this.#refresh())
  }

  async #refresh(): Promise<void> {
    try {
      this.current = await this.#discover()
      this.#failures = 0
    } catch (error) {
      if (this.#stopped) return
      this.#failures += 1
      if (this.#failures >= failuresMax) this.current = { ...this.current, models: [] }
      this.#warn(error)
    }
    this.#schedule()
  }

  #warn(error: unknown): void {
    const { code, message } = asIsochroneError(error)
    this.#log.warn('the upstream’s models could not be listed', { code, reason: message })
  }
}
