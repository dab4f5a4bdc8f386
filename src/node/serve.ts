/**
 * What a gateway may call here: generate and embed, each signed, checked, and answered with a
 * signed result.
 *
 * The order of checks is from cheap to dear, and nothing of the request is looked at before its
 * sender is known to be the connection's peer and a gateway that this node joined.
 */
import { createHash } from 'node:crypto'
import type { Clock, Log, Random } from '../base/index.ts'
import type { Engine } from '../engine/index.ts'
import {
  decodeEmbedCall,
  decodeEmbeddingRequest,
  decodeGenerateCall,
  decodeGenerationRequest,
  type EmbeddingRequest,
  embeddingHash,
  encodeEmbedReply,
  encodeGenerateReply,
  type GenerationRequest,
  type Identity,
  IsochroneError,
  type ModelDigest,
  methods,
  type NodeId,
  NonceStore,
  type OfferedModel,
  OutputHash,
  type SignedEnvelope,
  signEnvelope,
  verifyEnvelope,
} from '../protocol/index.ts'
import type { CallHandler, IncomingCall } from '../transport/index.ts'
import type { NodeLimits } from './limits.ts'
import { findModel, refusalOf } from './request-fit.ts'

export interface ServeOptions {
  readonly network: string
  readonly limits: NodeLimits
}

export interface ServeModules {
  readonly identity: Identity
  readonly engine: Engine
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly models: () => readonly OfferedModel[]
  readonly isJoined: (gateway: NodeId) => boolean
  readonly isDraining: () => boolean
  /** Called with +1 when work begins and −1 when it ends. */
  readonly onWork: (change: 1 | -1) => void
  readonly running: () => number
  /** Aborts when the drain limit is over. */
  readonly stop: AbortSignal
}

/** As the envelope has it. */
const nonceLengthBytes = 16

type Handlers = Readonly<Record<string, CallHandler>>

export function createHandlers(options: ServeOptions, modules: ServeModules): Handlers {
  const nonces = new NonceStore({ entriesMax: options.limits.noncesMax, clock: modules.clock })
  const context: ServeContext = { options, modules, nonces }
  return {
    [methods.generate]: (call) => serveGenerate(call, context),
    [methods.embed]: (call) => serveEmbed(call, context),
  }
}

interface ServeContext {
  readonly options: ServeOptions
  readonly modules: ServeModules
  readonly nonces: NonceStore
}

async function serveGenerate(call: IncomingCall, context: ServeContext): Promise<void> {
  const { modules } = context
  const message = await call.request()
  const { envelope, body } = decodeGenerateCall(message)
  verifyRequest(call, { envelope, body }, context)
  const request = decodeGenerationRequest(body)
  refuseUnfit(request, context)
  await working(modules, async () => {
    const hash = new OutputHash()
    const signal = AbortSignal.any([call.signal, modules.stop])
    for await (const events of modules.engine.generate(request, signal)) {
      hash.add(events)
      // Awaited: a gateway that reads slowly slows the engine, not this node's memory.
      await call.send(encodeGenerateReply({ type: 'events', events }))
    }
    const result = signResult(call.peer, hash.digest(), { context, digest: request.modelDigest })
    await call.send(encodeGenerateReply({ type: 'result', result }))
  })
}

async function serveEmbed(call: IncomingCall, context: ServeContext): Promise<void> {
  const { modules } = context
  const message = await call.request()
  const { envelope, body } = decodeEmbedCall(message)
  verifyRequest(call, { envelope, body }, context)
  const request = decodeEmbeddingRequest(body)
  refuseUnfit(request, context)
  await working(modules, async () => {
    const signal = AbortSignal.any([call.signal, modules.stop])
    const answer = await modules.engine.embed(request, signal)
    const hash = embeddingHash(answer)
    const result = signResult(call.peer, hash, { context, digest: request.modelDigest })
    await call.send(encodeEmbedReply({ ...answer, result }))
  })
}

async function working(modules: ServeModules, work: () => Promise<void>): Promise<void> {
  modules.onWork(1)
  try {
    await work()
  } finally {
    modules.onWork(-1)
  }
}

function verifyRequest(
  call: IncomingCall,
  signed: { readonly envelope: SignedEnvelope; readonly body: Uint8Array },
  context: ServeContext,
): void {
  const { modules, nonces, options } = context
  if (!modules.isJoined(call.peer)) {
    throw new IsochroneError(
      'peer_unauthenticated',
      'this node serves only gateways that it joined; the caller is not one of them',
    )
  }
  verifyEnvelope(signed.envelope, {
    expectedDomain: 'request',
    network: options.network,
    self: modules.identity.id,
    peer: call.peer,
    bodyHash: sha256(signed.body),
    now: modules.clock.now(),
    nonces,
  })
}

function refuseUnfit(request: GenerationRequest | EmbeddingRequest, context: ServeContext): void {
  const { modules, options } = context
  if (modules.isDraining()) {
    throw new IsochroneError('node_draining', 'this node is about to stop and takes no new work')
  }
  const models = modules.models()
  const refusal = refusalOf(request, models)
  if (refusal !== undefined) throw refusal
  const slots = findModel(request, models)?.slots ?? 1
  const limit = Math.max(1, slots) * options.limits.requestsPerSlotMax
  if (modules.running() >= limit) {
    throw new IsochroneError('all_nodes_busy', 'this node has as much work as it takes', {
      detail: { running: modules.running(), limit },
    })
  }
}

function signResult(
  gateway: NodeId,
  outputHash: Uint8Array,
  about: { readonly context: ServeContext; readonly digest: ModelDigest | null },
): SignedEnvelope {
  const { modules, options } = about.context
  const now = modules.clock.now()
  return signEnvelope(modules.identity, {
    domain: 'result',
    network: options.network,
    recipient: gateway,
    bodyHash: outputHash,
    nonce: modules.random.bytes(nonceLengthBytes),
    issuedAtMs: now,
    expiresAtMs: now + options.limits.resultLifeMs,
    modelDigest: about.digest,
  })
}

function sha256(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(createHash('sha256').update(bytes).digest())
}
