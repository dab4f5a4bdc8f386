/**
 * What a gateway may call here: generate and embed, each signed, checked, and answered with a
 * signed result.
 *
 * The order of checks is from cheap to dear, and nothing of the request is looked at before its
 * sender is known to be the connection's peer and a gateway that this node joined.
 */
import { assert, type Clock, type Log, type Random, SlotList, systemTurn } from '../base/index.ts'
import type { Engine } from '../engine/index.ts'
import {
  decodeEmbedCall,
  decodeEmbeddingRequest,
  decodeGenerateCall,
  decodeGenerationRequest,
  type EmbeddingRequest,
  EnvelopeSigner,
  embeddingHash,
  encodeEmbedReply,
  encodeGenerateReply,
  type GenerationRequest,
  hashBody,
  type Identity,
  IsochroneError,
  methods,
  type NodeId,
  NonceStore,
  nonceLengthBytes,
  type OfferedModel,
  OutputHash,
  resultHash,
  type SignedEnvelope,
  VerifiedRoots,
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

type Handlers = Readonly<Record<string, CallHandler>>

export function createHandlers(options: ServeOptions, modules: ServeModules): Handlers {
  const { clock, stop } = modules
  const { noncesMax, gatewaysRememberedMax } = options.limits
  const nonces = new NonceStore({ entriesMax: noncesMax, clock })
  const roots = new VerifiedRoots({ sendersMax: gatewaysRememberedMax, clock })
  const signer = new EnvelopeSigner(modules.identity, systemTurn)
  const running = new SlotList<IncomingCall>()
  const context: ServeContext = { options, modules, signer, nonces, roots, running }
  stop.addEventListener('abort', () => {
    for (const call of running) call.abort(stop.reason)
  })
  return {
    [methods.generate]: (call) => serveGenerate(call, context),
    [methods.embed]: (call) => serveEmbed(call, context),
  }
}

interface ServeContext {
  readonly options: ServeOptions
  readonly modules: ServeModules
  readonly signer: EnvelopeSigner
  readonly nonces: NonceStore
  readonly roots: VerifiedRoots
  /** Calls that work. */
  readonly running: SlotList<IncomingCall>
}

async function serveGenerate(call: IncomingCall, context: ServeContext): Promise<void> {
  const { modules } = context
  const message = await call.request()
  const { envelope, body } = decodeGenerateCall(message)
  verifyRequest(call, { envelope, body }, context)
  const request = decodeGenerationRequest(body)
  const model = fitting(request, envelope, context)
  await working(call, context, async (signal) => {
    const hash = new OutputHash()
    for await (const events of modules.engine.generate(request, signal)) {
      hash.add(events)
      // Awaited: a gateway that reads slowly slows the engine, not this node's memory.
      await call.send(encodeGenerateReply({ type: 'events', events }))
    }
    const result = await signResult(hash.digest(), { context, asked: envelope, model })
    await call.send(encodeGenerateReply({ type: 'result', result }))
  })
}

async function serveEmbed(call: IncomingCall, context: ServeContext): Promise<void> {
  const { modules } = context
  const message = await call.request()
  const { envelope, body } = decodeEmbedCall(message)
  verifyRequest(call, { envelope, body }, context)
  const request = decodeEmbeddingRequest(body)
  const model = fitting(request, envelope, context)
  await working(call, context, async (signal) => {
    const answer = await modules.engine.embed(request, signal)
    const result = await signResult(embeddingHash(answer), { context, asked: envelope, model })
    await call.send(encodeEmbedReply({ ...answer, result }))
  })
}

/** @param work ends when the call's signal aborts: it is over early, or the node stops */
async function working(
  call: IncomingCall,
  { modules, running }: ServeContext,
  work: (signal: AbortSignal) => Promise<void>,
): Promise<void> {
  if (modules.stop.aborted) call.abort(modules.stop.reason)
  const slot = running.add(call)
  modules.onWork(1)
  try {
    await work(call.signal)
  } finally {
    modules.onWork(-1)
    running.remove(slot)
  }
}

function verifyRequest(
  call: IncomingCall,
  signed: { readonly envelope: SignedEnvelope; readonly body: Uint8Array },
  context: ServeContext,
): void {
  const { modules, nonces, roots, options } = context
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
    bodyHash: hashBody(signed.body),
    now: modules.clock.now(),
    nonces,
    roots,
  })
}

/** The model that is to answer; throws the reason where there is none, or no room. */
function fitting(
  request: GenerationRequest | EmbeddingRequest,
  { envelope }: SignedEnvelope,
  context: ServeContext,
): OfferedModel {
  const { modules, options } = context
  if (envelope.modelDigest !== request.modelDigest) {
    const message = 'the request’s envelope and its body speak of two models'
    throw new IsochroneError('invalid_signature', message)
  }
  if (modules.isDraining()) {
    throw new IsochroneError('node_draining', 'this node is about to stop and takes no new work')
  }
  const models = modules.models()
  const refusal = refusalOf(request, models)
  if (refusal !== undefined) throw refusal
  const model = findModel(request, models)
  assert(model !== undefined, 'what is not refused has a model')
  const limit = Math.max(1, model.slots) * options.limits.requestsPerSlotMax
  if (modules.running() >= limit) {
    throw new IsochroneError('all_nodes_busy', 'this node has as much work as it takes', {
      detail: { running: modules.running(), limit },
    })
  }
  return model
}

/** Resolves when this turn of the event loop ends: its results are signed together. */
function signResult(
  outputDigest: Uint8Array,
  about: {
    readonly context: ServeContext
    readonly asked: SignedEnvelope
    readonly model: OfferedModel
  },
): Promise<SignedEnvelope> {
  const { modules, options, signer } = about.context
  const { bodyHash, sender } = about.asked.envelope
  const now = modules.clock.now()
  return signer.sign({
    domain: 'result',
    network: options.network,
    recipient: sender,
    bodyHash: resultHash(bodyHash, outputDigest),
    nonce: modules.random.bytes(nonceLengthBytes),
    issuedAtMs: now,
    expiresAtMs: now + options.limits.resultLifeMs,
    modelDigest: about.model.digest,
  })
}
