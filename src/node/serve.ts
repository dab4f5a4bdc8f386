/**
 * What a gateway may call here: generate, embed and attest, each signed, checked, and answered with
 * a signed result.
 *
 * The order of checks is from cheap to dear, and nothing of the request is looked at before its
 * sender is known to be the connection's peer and a gateway that this node joined. The dear one,
 * of the signature, is made while the engine already works: until then nothing is answered or
 * counted, and a bad one ends the work.
 */
import { assert, type Clock, type Log, type Random, SlotList, systemTurn } from '../base/index.ts'
import type { Engine } from '../engine/index.ts'
import {
  type Attestation,
  attestationHash,
  beginVerification,
  boundedEmbedding,
  decodeAttestationAsk,
  decodeAttestCall,
  decodeEmbedCall,
  decodeEmbeddingRequest,
  decodeGenerateCall,
  decodeGenerationRequest,
  type EmbeddingRequest,
  type EmbeddingResult,
  EnvelopeSigner,
  embeddingReceipt,
  encodeAttestation,
  encodeAttestReply,
  encodeEmbedReply,
  encodeGenerateReply,
  type GenerationEvent,
  type GenerationRequest,
  hashBody,
  type Identity,
  IsochroneError,
  type ModelDigest,
  methods,
  type NodeId,
  NonceStore,
  nonceLengthBytes,
  type OfferedModel,
  OutputTally,
  type PendingEnvelope,
  receiptHash,
  resultHash,
  type SignedEnvelope,
  type VerifiedEnvelope,
  VerifiedRoots,
} from '../protocol/index.ts'
import type { CallHandler, IncomingCall } from '../transport/index.ts'
import type { NodeLimits } from './limits.ts'
import { findModel, refusalOf } from './request-fit.ts'
import { SelfChecks } from './self-check.ts'

export interface ServeOptions {
  readonly network: string
  readonly softwareVersion: string
  readonly limits: NodeLimits
}

export interface ServeModules {
  readonly identity: Identity
  readonly engine: Engine
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly models: () => readonly OfferedModel[]
  /** Whether products of integer matrices are exact here, now. */
  readonly checkItself: () => Promise<boolean>
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
  const checks = new SelfChecks(clock, modules.checkItself)
  const context: ServeContext = { options, modules, signer, nonces, roots, running, checks }
  stop.addEventListener('abort', () => {
    for (const call of running) call.abort(stop.reason)
  })
  return {
    [methods.generate]: (call) => serveGenerate(call, context),
    [methods.embed]: (call) => serveEmbed(call, context),
    [methods.attest]: (call) => serveAttest(call, context),
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
  readonly checks: SelfChecks
}

async function serveGenerate(call: IncomingCall, context: ServeContext): Promise<void> {
  const { engine } = context.modules
  const message = await call.request()
  const { envelope, body } = decodeGenerateCall(message)
  const pending = checkRequest(call, { envelope, body }, context)
  const { asked, begun } = beginWhileVerifying(call, pending, () => {
    const request = decodeGenerationRequest(body)
    const model = fitting(request, envelope, context)
    const work = new BegunGeneration(engine.generate(request, call.signal))
    return { request, model, work }
  })
  await working(call, context, async () => {
    const tally = new OutputTally(begun.request, body.length)
    for await (const written of begun.work) {
      const events = tally.addOwn(written)
      // Awaited: a gateway that reads slowly slows the engine, not this node's memory.
      await call.send(encodeGenerateReply({ type: 'events', events }))
    }
    const modelDigest = begun.model.digest
    const digest = receiptHash(tally.receipt())
    const result = await signResult(digest, { context, asked, modelDigest })
    await call.send(encodeGenerateReply({ type: 'result', result }))
  })
}

async function serveEmbed(call: IncomingCall, context: ServeContext): Promise<void> {
  const { engine } = context.modules
  const message = await call.request()
  const { envelope, body } = decodeEmbedCall(message)
  const pending = checkRequest(call, { envelope, body }, context)
  const { asked, begun } = beginWhileVerifying(call, pending, () => {
    const request = decodeEmbeddingRequest(body)
    const model = fitting(request, envelope, context)
    return { request, model, work: new BegunEmbedding(engine.embed(request, call.signal)) }
  })
  await working(call, context, async () => {
    const { model, request, work } = begun
    const answer = boundedEmbedding(request, await work.answer)
    const about = { context, asked, modelDigest: model.digest }
    const result = await signResult(receiptHash(embeddingReceipt(request, answer)), about)
    await call.send(encodeEmbedReply({ ...answer, result }))
  })
}

/** Nothing begins before the signature is verified: a check of itself is more than it costs. */
async function serveAttest(call: IncomingCall, context: ServeContext): Promise<void> {
  const { envelope, body } = decodeAttestCall(await call.request())
  const asked = checkRequest(call, { envelope, body }, context).finish()
  if (asked.modelDigest !== null) {
    // What is signed in answer names none: shown to others, that would be another model's answer.
    throw new IsochroneError('invalid_signature', 'a challenge is about no one model')
  }
  const { models: names } = decodeAttestationAsk(body)
  const selfCheck = await context.checks.found()
  const served = context.modules.models().filter(({ name }) => names.includes(name))
  const attestation: Attestation = {
    softwareVersion: context.options.softwareVersion,
    selfCheck,
    models: served.map(({ digest, name, quantisation, runtime }) => {
      return { name, digest, runtime, quantisation }
    }),
  }
  const statement = encodeAttestation(attestation)
  const about = { context, asked, modelDigest: null }
  const result = await signResult(attestationHash(statement), about)
  await call.send(encodeAttestReply({ statement, result }))
}

/** Work that nobody may take anything of yet. */
interface Begun {
  readonly model: OfferedModel
  readonly work: { leave(): void }
}

/**
 * Begins the work, and verifies the signature in the same turn of the event loop, while the work
 * goes on elsewhere. Whatever is wrong with the request, a bad signature is what is said of it.
 * @param begin begins what ends when the call's signal aborts
 */
function beginWhileVerifying<T extends Begun>(
  call: IncomingCall,
  pending: PendingEnvelope,
  begin: () => T,
): { readonly asked: VerifiedEnvelope; readonly begun: T } {
  let begun: T
  try {
    begun = begin()
  } catch (error) {
    pending.finish()
    throw error
  }
  try {
    return { asked: pending.finish(), begun }
  } catch (error) {
    call.abort(error)
    begun.work.leave()
    throw error
  }
}

type Batch = readonly GenerationEvent[]

/** A generation whose first events are asked for already; it is read as any other. */
class BegunGeneration implements AsyncIterableIterator<Batch, undefined, undefined> {
  readonly #events: AsyncIterator<Batch, undefined>
  #first: Promise<IteratorResult<Batch, undefined>> | undefined

  constructor(events: AsyncIterable<Batch, undefined>) {
    this.#events = events[Symbol.asyncIterator]()
    this.#first = this.#events.next()
    // Who began it may leave before it fails.
    this.#first.catch(ignore)
  }

  next(): Promise<IteratorResult<Batch, undefined>> {
    const first = this.#first
    if (first === undefined) return this.#events.next()
    this.#first = undefined
    return first
  }

  async return(): Promise<IteratorResult<Batch, undefined>> {
    await this.#events.return?.()
    return { value: undefined, done: true }
  }

  leave(): void {
    this.return().catch(ignore)
  }

  [Symbol.asyncIterator](): this {
    return this
  }
}

class BegunEmbedding {
  readonly answer: Promise<EmbeddingResult>

  constructor(answer: Promise<EmbeddingResult>) {
    this.answer = answer
    answer.catch(ignore)
  }

  /** The signal ended it. */
  leave(): void {}
}

function ignore(): void {}

/** @param work ends when the call's signal aborts: it is over early, or the node stops */
async function working(
  call: IncomingCall,
  { modules, running }: ServeContext,
  work: () => Promise<void>,
): Promise<void> {
  if (modules.stop.aborted) call.abort(modules.stop.reason)
  const slot = running.add(call)
  modules.onWork(1)
  try {
    await work()
  } finally {
    modules.onWork(-1)
    running.remove(slot)
  }
}

function checkRequest(
  call: IncomingCall,
  signed: { readonly envelope: SignedEnvelope; readonly body: Uint8Array },
  context: ServeContext,
): PendingEnvelope {
  const { modules, nonces, roots, options } = context
  if (!modules.isJoined(call.peer)) {
    throw new IsochroneError(
      'peer_unauthenticated',
      'this node serves only gateways that it joined; the caller is not one of them',
    )
  }
  return beginVerification(signed.envelope, {
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
    readonly asked: VerifiedEnvelope
    readonly modelDigest: ModelDigest | null
  },
): Promise<SignedEnvelope> {
  const { modules, options, signer } = about.context
  const { asked, modelDigest } = about
  const now = modules.clock.now()
  return signer.sign({
    domain: 'result',
    network: options.network,
    recipient: asked.sender,
    bodyHash: resultHash(asked, outputDigest),
    nonce: modules.random.bytes(nonceLengthBytes),
    issuedAtMs: now,
    expiresAtMs: now + options.limits.resultLifeMs,
    modelDigest,
  })
}
