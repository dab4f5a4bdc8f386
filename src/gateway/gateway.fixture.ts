/** For tests: a gateway on loopback with scripted engines behind it, everything in memory. */
import { createHash } from 'node:crypto'
import { type Clock, secureRandom, silentLog, systemClock } from '../base/index.ts'
import {
  EvidenceBook,
  type IncidentStore,
  type Observation,
  type ObservationStore,
} from '../evidence/index.ts'
import { type LedgerStore, MemoryLedger } from '../ledger/index.ts'
import {
  createIdentity,
  type EmbeddingRequest,
  type ErrorCode,
  type GenerationEvent,
  type GenerationRequest,
  type Identity,
  IsochroneError,
} from '../protocol/index.ts'
import {
  type Decision,
  type DecisionStore,
  defaultPolicy,
  type KeptDecision,
  type RoutingPolicy,
  sealAlone,
  type ViewPiece,
} from '../routing/index.ts'
import {
  type ApiKeys,
  createGateway,
  createJoinTokens,
  type Gateway,
  type GatewayLimits,
  type GatewayModules,
  hashSecret,
  type UpstreamEngine,
  type UpstreamModel,
} from './index.ts'

export const testKey = 'iso_test-key'
export const testToken = 'join_test-token'

export class KeptObservations implements ObservationStore {
  readonly all: Observation[] = []
  append(observation: Observation): void {
    this.all.push(observation)
  }
  async flush(): Promise<void> {}
  since(): Iterable<Observation> {
    return this.all
  }
  async close(): Promise<void> {}
}

export class KeptDecisions implements DecisionStore {
  readonly decisionsMax = 1_000
  readonly all = new Map<string, Decision>()
  readonly views = new Map<string, Buffer>()
  readonly signer: Identity

  constructor(signer = createIdentity()) {
    this.signer = signer
  }

  put(decision: Decision): void {
    this.all.set(decision.id, decision)
  }
  kept(id: string): KeptDecision | undefined {
    const decision = this.all.get(id)
    if (decision === undefined) return undefined
    const text = JSON.stringify(decision)
    return { text, seal: sealAlone(this.signer, text) }
  }
  putView({ frame, bytes }: ViewPiece): void {
    this.views.set(frame, Buffer.concat([this.views.get(frame) ?? Buffer.alloc(0), bytes]))
  }
  view(frame: string): Uint8Array | undefined {
    return this.views.get(frame)
  }
  get(id: string): Decision | undefined {
    return this.all.get(id)
  }
  recent(count: number, keyId?: string): readonly Decision[] {
    const all = [...this.all.values()]
    const asked = keyId === undefined ? all : all.filter((one) => one.keyId === keyId)
    return asked.slice(-count).reverse()
  }
  async flush(): Promise<void> {}
  async close(): Promise<void> {}
}

export interface TestGateway {
  readonly gateway: Gateway
  readonly url: string
  readonly observations: KeptObservations
  readonly decisions: KeptDecisions
  readonly ledger: LedgerStore
}

export interface TestGatewayOptions {
  readonly limits?: Partial<GatewayLimits>
  readonly apiKeys?: ApiKeys
  readonly clock?: Clock
  readonly requireApiKey?: boolean
  readonly httpAddress?: string
  readonly identity?: Identity
  readonly incidents?: IncidentStore
  /** What nodes have earned; a new one where none is given. */
  readonly ledger?: LedgerStore
  readonly policy?: RoutingPolicy
  /** What it tells other gateways. */
  readonly notices?: GatewayModules['notices']
}

export async function startGateway(options: TestGatewayOptions = {}): Promise<TestGateway> {
  const clock = options.clock ?? systemClock
  const observations = new KeptObservations()
  const identity = options.identity ?? createIdentity()
  const decisions = new KeptDecisions(identity)
  const ledger = options.ledger ?? new MemoryLedger()
  const gateway = await createGateway(
    {
      httpAddress: options.httpAddress ?? '127.0.0.1:0',
      network: 'test',
      softwareVersion: '0.0.0',
      requireApiKey: options.requireApiKey ?? true,
      limits: { closeGraceMs: 1000, ...options.limits },
    },
    {
      clock,
      random: secureRandom,
      log: silentLog,
      identity,
      apiKeys: options.apiKeys ?? oneKey,
      joinTokens: createJoinTokens([hashSecret(testToken)]),
      policy: options.policy ?? defaultPolicy,
      evidence: new EvidenceBook({ clock }),
      observations,
      decisions,
      ledger,
      ...(options.incidents === undefined ? {} : { incidents: options.incidents }),
      notices: options.notices,
    },
  )
  const address = await gateway.listen()
  return { gateway, url: `http://${address}`, observations, decisions, ledger }
}

const oneKey: ApiKeys = {
  find: (key) =>
    key === testKey
      ? {
          keyId: 'key_test',
          name: 'test',
          role: 'client',
          limits: { requestsPerMinute: null, tokensPerMinute: null },
        }
      : undefined,
}

export function modelOf(name: string, more: Partial<UpstreamModel> = {}): UpstreamModel {
  return {
    name,
    digest: null,
    runtime: 'scripted',
    quantisation: 'float32',
    contextTokensMax: 1_000_000,
    slots: 64,
    features: ['chat', 'completion', 'embedding', 'logprobs', 'seed'],
    ...more,
  }
}

export type Script = (
  request: GenerationRequest,
  signal: AbortSignal,
) => AsyncIterable<readonly GenerationEvent[]>

/**
 * An engine that does what a script says; it counts what runs, so that a test sees cancellation.
 */
export class ScriptedEngine implements UpstreamEngine {
  running = 0
  calls = 0
  cancelled = 0
  readonly requests: GenerationRequest[] = []
  readonly #models: readonly UpstreamModel[]
  readonly #script: Script

  constructor(models: readonly UpstreamModel[], script: Script) {
    this.#models = models
    this.#script = script
  }

  models(): readonly UpstreamModel[] {
    return this.#models
  }

  load() {
    return { running: this.running, waiting: 0, kvTokensFree: 1_000_000 }
  }

  generate(request: GenerationRequest, signal?: AbortSignal) {
    const own = new AbortController()
    const answer = this.#answer(request, signal ?? own.signal)
    return {
      [Symbol.asyncIterator]: () => ({
        next: () => answer.next(),
        return() {
          own.abort(new Error('its reader left'))
          return answer.return(undefined)
        },
      }),
    }
  }

  async *#answer(request: GenerationRequest, signal: AbortSignal) {
    this.running += 1
    this.calls += 1
    this.requests.push(request)
    const onAbort = () => {
      this.cancelled += 1
    }
    signal.addEventListener('abort', onAbort, { once: true })
    try {
      yield* this.#script(request, signal)
    } finally {
      signal.removeEventListener('abort', onAbort)
      this.running -= 1
    }
  }

  async embed(request: EmbeddingRequest) {
    const vectors = request.input.map((item) => {
      const digest = createHash('sha256').update(JSON.stringify(item)).digest()
      return Float32Array.from(digest.subarray(0, request.dimensions ?? 4))
    })
    return { vectors, promptTokens: request.input.length }
  }
}

/** Says the given words to every choice, one batch per word. */
export function saying(words: readonly string[], reason: 'stop' | 'length' = 'stop'): Script {
  return async function* (request) {
    for (const [index, word] of words.entries()) {
      const batch: GenerationEvent[] = []
      for (let choice = 0; choice < request.choices; choice += 1) {
        batch.push(wordEvent(word, choice, request.topLogprobs === null ? [] : [index]))
      }
      yield batch
    }
    const end: GenerationEvent[] = []
    for (let choice = 0; choice < request.choices; choice += 1) {
      end.push({ type: 'finish', choice, reason })
    }
    const completionTokens = words.length * request.choices
    end.push({ type: 'usage', promptTokens: 7, completionTokens, cachedTokens: 0 })
    yield end
  }
}

function wordEvent(word: string, choice: number, logprobAt: readonly number[]): GenerationEvent {
  const bytes = [...Buffer.from(word)]
  const entry = { token: word, logprob: -0.25, bytes }
  return {
    type: 'delta',
    choice,
    text: word,
    tokenIds: [1],
    logprobs: logprobAt.map(() => ({ ...entry, top: [entry] })),
    extra: null,
  }
}

/** Fails before its first batch. */
export function failing(code: ErrorCode): Script {
  return () => ({
    [Symbol.asyncIterator]: () => ({
      next: () => Promise.reject(new IsochroneError(code, `scripted ${code}`)),
    }),
  })
}
