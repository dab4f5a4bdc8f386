/** For tests: a node and a gateway's side of the wire, over a network in memory. */
import {
  type Clock,
  type Log,
  type Random,
  seededRandom,
  silentLog,
  systemClock,
} from '../base/index.ts'
import type { Engine, EngineModel } from '../engine/index.ts'
import {
  createIdentity,
  decodeGenerateReply,
  decodeJoin,
  decodeReport,
  type EmbeddingRequest,
  encodeEmbedCall,
  encodeEmbeddingRequest,
  encodeGenerateCall,
  encodeGenerationRequest,
  encodeJoinReply,
  encodeReportAck,
  type GenerationEvent,
  type GenerationRequest,
  hashBody,
  type Identity,
  IsochroneError,
  type Join,
  type ModelDigest,
  methods,
  type NodeId,
  type Report,
  type RequestId,
  type SignedEnvelope,
  signEnvelope,
} from '../protocol/index.ts'
import {
  type Connection,
  type Listener,
  type MemoryNetwork,
  openCall,
  serveCalls,
  type Transport,
} from '../transport/index.ts'
import type { KnownGateways } from './gateway-link.ts'
import { createNode, type IsochroneNode, type NodeModules, type NodeOptions } from './node.ts'

export const network = 'test'
export const token = 'join_test'

export const countingModel: EngineModel = {
  name: 'counting',
  digest: null,
  runtime: 'test/counting',
  quantisation: 'none',
  contextTokensMax: 1000,
  slots: 2,
  features: ['chat', 'completion', 'seed'],
}

/** Counts aloud, a number per step; each step may be held back by the test. */
export class CountingEngine implements Engine {
  offered: readonly EngineModel[] = [countingModel]
  step: () => Promise<void> = async () => {}
  /** Counted besides: nobody sees them. */
  hiddenTokens = 0
  begun = 0
  running = 0
  cancelled = 0
  pulled = 0

  models(): readonly EngineModel[] {
    return this.offered
  }

  load() {
    return { running: this.running, waiting: 0, kvTokensFree: 1000 }
  }

  async *generate(request: GenerationRequest, signal: AbortSignal) {
    this.begun += 1
    this.running += 1
    try {
      const steps = request.maxTokens ?? 3
      for (let i = 1; i <= steps; i += 1) {
        await Promise.race([this.step(), aborted(signal)])
        signal.throwIfAborted()
        this.pulled += 1
        yield [delta(`${i} `)]
      }
      const finish: GenerationEvent = { type: 'finish', choice: 0, reason: 'stop' }
      const usage: GenerationEvent = {
        type: 'usage',
        promptTokens: 1,
        completionTokens: steps + this.hiddenTokens,
        cachedTokens: 0,
      }
      yield [finish, usage]
    } catch (error) {
      this.cancelled += 1
      throw error
    } finally {
      this.running -= 1
    }
  }

  async embed(_request: EmbeddingRequest, _signal: AbortSignal): Promise<never> {
    throw new IsochroneError('capability_missing', 'no embeddings here')
  }

  async close(): Promise<void> {}
}

function delta(text: string): GenerationEvent {
  return { type: 'delta', choice: 0, text, tokenIds: [1], logprobs: [], extra: null }
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
}

/** The gateway's side: admits whoever has the token, keeps what it was told. */
export class TestGateway {
  readonly identity: Identity
  readonly transport: Transport
  readonly joins: Join[] = []
  readonly reports: Report[] = []
  /** One per join. */
  readonly connections: Connection[] = []
  readonly dialled: Connection[] = []
  address = ''
  listener: Listener | undefined
  heartbeatMs = 60_000
  networkTold = network
  gatewayTold: NodeId
  onReport: () => void = () => {}
  onJoin: () => void = () => {}

  constructor(memory: MemoryNetwork, identity: Identity = createIdentity()) {
    this.identity = identity
    this.gatewayTold = identity.id
    const handlers = {
      [methods.join]: async (call: Parameters<Parameters<typeof serveCalls>[0][string]>[0]) => {
        const join = decodeJoin(await call.request())
        if (join.token !== token) throw new IsochroneError('join_refused', 'wrong token')
        this.joins.push(join)
        this.connections.push(call.connection)
        const { heartbeatMs, networkTold, gatewayTold } = this
        await call.send(
          encodeJoinReply({ network: networkTold, gateway: gatewayTold, heartbeatMs }),
        )
        this.onJoin()
      },
      [methods.report]: async (call: Parameters<Parameters<typeof serveCalls>[0][string]>[0]) => {
        this.reports.push(decodeReport(await call.request()))
        await call.send(encodeReportAck({}))
        this.onReport()
      },
    }
    const onStream = serveCalls(handlers, { log: silentLog, clock: systemClock })
    const onConnection = (connection: Connection) => void this.dialled.push(connection)
    this.transport = memory.transport(identity.id, { onStream, onConnection })
  }

  async listen(address = 'gateway:1'): Promise<void> {
    this.listener = await this.transport.listen(address)
    this.address = this.listener.address
  }

  get connection(): Connection {
    const connection = this.connections.at(-1)
    if (connection === undefined) throw new Error('no node has joined')
    return connection
  }
}

export interface TestNode {
  readonly node: IsochroneNode
  readonly engine: CountingEngine
  readonly identity: Identity
  readonly known: Map<string, NodeId>
}

export interface TestNodeOptions extends Partial<NodeOptions> {
  readonly identity?: Identity
  readonly clock?: Clock
  readonly random?: Random
  readonly log?: Log
  readonly known?: Map<string, NodeId>
}

export function createTestNode(
  memory: MemoryNetwork,
  gateway: TestGateway,
  options: TestNodeOptions = {},
): TestNode {
  const { clock, identity = createIdentity(), known = new Map(), log, random, ...more } = options
  const engine = new CountingEngine()
  const modules: NodeModules = {
    identity,
    engine,
    createTransport: (events) => memory.transport(identity.id, events),
    hardware: testHardware,
    speeds: new Map([['counting', { decodeTokensPerSecond: 10, prefillTokensPerSecond: 100 }]]),
    known: knownIn(known),
    clock: clock ?? systemClock,
    random: random ?? seededRandom(1),
    log: log ?? silentLog,
  }
  const node = createNode(
    {
      gateways: [{ id: undefined, address: gateway.address }],
      token,
      network,
      softwareVersion: '0.0.0',
      region: 'test-region',
      ...more,
    },
    modules,
  )
  return { node, engine, identity, known }
}

function knownIn(map: Map<string, NodeId>): KnownGateways {
  return { get: (address) => map.get(address), put: (address, id) => void map.set(address, id) }
}

const testHardware: NodeModules['hardware'] = {
  platform: 'test',
  cpu: 'test',
  cores: 1,
  memoryBytes: 1,
  memoryFreeBytes: 1,
  gpu: '',
  gpuMemoryBytes: 0,
  memoryBandwidthBytesPerSecond: 1,
  integerExact: true,
}

export function countingRequest(changes: Partial<GenerationRequest> = {}): GenerationRequest {
  return {
    kind: 'chat',
    requestId: 'req_aaaaaaaaaaaaaaaaaaaaaaaaaa' as RequestId,
    model: 'counting',
    modelDigest: null,
    messages: [{ role: 'user', content: 'count' }],
    prompt: '',
    choices: 1,
    maxTokens: 3,
    stop: [],
    sampling: {
      temperature: 0,
      topP: 1,
      topK: 0,
      minP: 0,
      frequencyPenalty: 0,
      presencePenalty: 0,
      repetitionPenalty: 1,
      logitBias: {},
      seed: 1,
    },
    topLogprobs: null,
    whole: false,
    echo: false,
    tools: [],
    toolChoice: null,
    parallelToolCalls: null,
    responseFormat: { type: 'text' },
    passThrough: {},
    ...changes,
  }
}

export interface SigningChanges {
  readonly request?: GenerationRequest
  readonly signer?: Identity
  readonly recipient?: NodeId
  readonly network?: string
  readonly issuedAtMs?: number
  readonly nonce?: Uint8Array
  readonly modelDigest?: ModelDigest
  readonly body?: Uint8Array
  readonly isForged?: boolean
}

const random = seededRandom(7)

/** The call's message, as the gateway signs it; `changes` make it wrong. */
export function signedCall(
  gateway: TestGateway,
  node: NodeId,
  changes: SigningChanges = {},
): Uint8Array {
  const request = changes.request ?? countingRequest()
  const body = encodeGenerationRequest(request)
  const { modelDigest } = request
  const envelope = signedEnvelope(gateway, { node, body, modelDigest }, changes)
  return encodeGenerateCall({ envelope, body: changes.body ?? body })
}

/** The same for an embedding of one text. */
export function signedEmbedCall(
  gateway: TestGateway,
  node: NodeId,
  changes: SigningChanges = {},
): Uint8Array {
  const { requestId, model, modelDigest } = countingRequest()
  const asked = { requestId, model, modelDigest, input: ['a text'], dimensions: null }
  const body = encodeEmbeddingRequest({ kind: 'embedding', ...asked })
  const envelope = signedEnvelope(gateway, { node, body, modelDigest }, changes)
  return encodeEmbedCall({ envelope, body })
}

interface Asked {
  readonly node: NodeId
  readonly body: Uint8Array
  readonly modelDigest: ModelDigest | null
}

function signedEnvelope(
  gateway: TestGateway,
  { node, body, modelDigest }: Asked,
  changes: SigningChanges,
): SignedEnvelope {
  const issuedAtMs = changes.issuedAtMs ?? systemClock.now()
  const signed = signEnvelope(changes.signer ?? gateway.identity, {
    domain: 'request',
    network: changes.network ?? network,
    recipient: changes.recipient ?? node,
    bodyHash: hashBody(body),
    nonce: changes.nonce ?? random.bytes(16),
    issuedAtMs,
    expiresAtMs: issuedAtMs + 60_000,
    modelDigest: changes.modelDigest ?? modelDigest,
  })
  if (changes.isForged === true) signed.signature[0] = (signed.signature[0] ?? 0) ^ 1
  return signed
}

export interface GenerationAnswer {
  readonly events: readonly GenerationEvent[]
  readonly result: SignedEnvelope | undefined
}

/** Sends one message to the node's generate and reads all of the answer. */
export async function callGenerate(
  connection: Connection,
  message: Uint8Array,
): Promise<GenerationAnswer> {
  const call = await openCall(connection, methods.generate)
  await call.send(message)
  await call.end()
  const events: GenerationEvent[] = []
  let result: SignedEnvelope | undefined
  for await (const batch of call.responses()) {
    for (const bytes of batch) {
      const reply = decodeGenerateReply(bytes)
      if (reply.type === 'events') events.push(...reply.events)
      else result = reply.result
    }
  }
  return { events, result }
}
