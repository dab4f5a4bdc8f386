/**
 * For tests: the far end of the wire, as a node would be, honest or not. (The real node is another
 * room's, and tests of a gateway do not import it.)
 */
import { type Clock, secureRandom, silentLog, systemClock } from '../../base/index.ts'
import {
  type Attestation,
  attestationHash,
  createIdentity,
  decodeAttestationAsk,
  decodeAttestCall,
  decodeEmbedCall,
  decodeEmbeddingRequest,
  decodeGenerateCall,
  decodeGenerationRequest,
  decodeJoinReply,
  embeddingReceipt,
  encodeAttestation,
  encodeAttestReply,
  encodeEmbedReply,
  encodeGenerateReply,
  encodeJoin,
  encodeReport,
  type GenerationEvent,
  hashBody,
  type Identity,
  type JoinReply,
  type LoadReport,
  methods,
  modelDigestOf,
  type NodeId,
  type NodeRecord,
  NonceStore,
  OutputTally,
  type Receipt,
  receiptHash,
  resultHash,
  type SignedEnvelope,
  signEnvelope,
  signNodeRecord,
  verifyEnvelope,
} from '../../protocol/index.ts'
import {
  type Connection,
  callUnary,
  type IncomingCall,
  serveCalls,
  type Transport,
  type TransportEvents,
} from '../../transport/index.ts'
import type { Script } from '../gateway.fixture.ts'

/** How the stand-in breaks the rules. */
export type Misdeed =
  | 'no-result'
  | 'other-output'
  | 'foreign-signature'
  | 'replayed-result'
  | 'other-request'
  | 'other-model'
  | 'more-after-result'
  | 'unknown-choice'
  | 'garbage'
  | 'invented-usage'
  | 'a-little-over'
  | 'earlier-version'

export interface StandInOptions {
  readonly script: Script
  readonly createTransport: (identity: Identity, events: TransportEvents) => Transport
  readonly misdeed?: Misdeed
  /** Before it answers with an embedding. */
  readonly embedsAfter?: Promise<void>
  /** A new one where none is given. */
  readonly identity?: Identity
  readonly record?: Partial<NodeRecord>
  /** Of what it signs; the system's where not given. */
  readonly clock?: Clock
  /** Otherwise than its record says. */
  readonly attests?: Partial<Attestation>
}

export class StandInNode {
  readonly identity: Identity
  readonly transport: Transport
  readonly #options: StandInOptions
  readonly #nonces = new NonceStore({ entriesMax: 10_000, clock: systemClock })
  connection: Connection | undefined
  misdeed: Misdeed | undefined
  generations = 0
  attestations = 0
  embeddings = 0
  cancelled = 0
  #kept: SignedEnvelope | undefined

  constructor(options: StandInOptions) {
    this.#options = options
    this.misdeed = options.misdeed
    this.identity = options.identity ?? createIdentity()
    const handlers = {
      [methods.generate]: (call: IncomingCall) => this.#generate(call),
      [methods.embed]: (call: IncomingCall) => this.#embed(call),
      [methods.attest]: (call: IncomingCall) => this.#attest(call),
    }
    const onStream = serveCalls(handlers, { log: silentLog, clock: systemClock })
    this.transport = options.createTransport(this.identity, { onStream })
  }

  get id(): NodeId {
    return this.identity.id
  }

  recordOf(more: Partial<NodeRecord> = {}): NodeRecord {
    const now = this.#now()
    return {
      id: this.id,
      network: 'test',
      sequence: 1,
      issuedAtMs: now,
      expiresAtMs: now + 60_000,
      softwareVersion: '0.0.0',
      region: 'here',
      cell: '',
      addresses: [],
      hardware: {
        platform: 'test',
        cpu: 'test',
        cores: 1,
        memoryBytes: 1,
        memoryFreeBytes: 1,
        gpu: '',
        gpuMemoryBytes: 0,
        memoryBandwidthBytesPerSecond: 1,
        integerExact: true,
      },
      models: [
        {
          name: 'm',
          digest: standInDigest,
          runtime: 'test',
          quantisation: 'float32',
          contextTokensMax: 4096,
          decodeTokensPerSecond: 100,
          prefillTokensPerSecond: 100,
          slots: 8,
          features: ['chat', 'completion', 'embedding', 'logprobs', 'seed'],
          promptPrice: 0,
          completionPrice: 0,
        },
      ],
      ...this.#options.record,
      ...more,
    }
  }

  async join(address: string, token: string, more: Partial<NodeRecord> = {}): Promise<JoinReply> {
    this.connection ??= await this.transport.dial(address, undefined)
    const record = signNodeRecord(this.identity, this.recordOf(more))
    return this.call(methods.join, encodeJoin({ token, record })).then(decodeJoinReply)
  }

  async report(load: LoadReport): Promise<void> {
    await this.call(methods.report, encodeReport({ load, record: null, links: [] }))
  }

  /** Any bytes to any method. */
  async call(method: string, message: Uint8Array): Promise<Uint8Array> {
    if (this.connection === undefined) throw new Error('join first')
    return callUnary(this.connection, method, message)
  }

  async #generate(call: IncomingCall): Promise<void> {
    this.generations += 1
    const { envelope, body } = decodeGenerateCall(await call.request())
    this.#verify(call, envelope, body)
    const { misdeed } = this
    const { script } = this.#options
    const request = decodeGenerationRequest(body)
    const tally = new OutputTally(request, body.length)
    const onAbort = () => {
      this.cancelled += 1
    }
    call.signal.addEventListener('abort', onAbort, { once: true })
    for await (const batch of script(request, call.signal)) {
      const events = batch.map((event) => {
        if (misdeed === 'unknown-choice') return elsewhere(event)
        if (event.type !== 'usage') return event
        if (misdeed === 'a-little-over') return { ...event, completionTokens: 10 }
        return misdeed === 'invented-usage' ? invented : event
      })
      tally.add(events)
      await call.send(
        misdeed === 'garbage'
          ? Uint8Array.of(1, 2, 3)
          : encodeGenerateReply({ type: 'events', events }),
      )
    }
    call.signal.removeEventListener('abort', onAbort)
    if (misdeed === 'no-result') return
    if (misdeed === 'other-output') tally.add([usage])
    const signer = misdeed === 'foreign-signature' ? createIdentity() : this.identity
    const signed = this.#sign(signer, envelope, hashOf(tally.receipt(), misdeed))
    const result = misdeed === 'replayed-result' ? (this.#kept ?? signed) : signed
    this.#kept ??= result
    await call.send(encodeGenerateReply({ type: 'result', result }))
    if (misdeed === 'more-after-result') {
      await call.send(encodeGenerateReply({ type: 'events', events: [usage] }))
    }
  }

  async #embed(call: IncomingCall): Promise<void> {
    const { envelope, body } = decodeEmbedCall(await call.request())
    this.#verify(call, envelope, body)
    const request = decodeEmbeddingRequest(body)
    const { input } = request
    const { misdeed } = this
    const { embedsAfter } = this.#options
    this.embeddings += 1
    await embedsAfter
    const promptTokens = misdeed === 'invented-usage' ? invented.promptTokens : input.length
    const answer = { vectors: input.map(() => Float32Array.of(1, 2)), promptTokens }
    const isOther = misdeed === 'other-output'
    const signed = isOther ? { ...answer, promptTokens: 99 } : answer
    const receipt = embeddingReceipt(request, signed)
    const result = this.#sign(this.identity, envelope, hashOf(receipt, misdeed))
    await call.send(encodeEmbedReply({ ...answer, result }))
  }

  async #attest(call: IncomingCall): Promise<void> {
    this.attestations += 1
    const { envelope, body } = decodeAttestCall(await call.request())
    this.#verify(call, envelope, body)
    const { models: names } = decodeAttestationAsk(body)
    const { hardware, models, softwareVersion } = this.recordOf()
    const statement = encodeAttestation({
      softwareVersion,
      selfCheck: { integerExact: hardware.integerExact, atMs: this.#now() },
      models: models
        .filter(({ name }) => names.includes(name))
        .map(({ digest, name, quantisation, runtime }) => ({
          name,
          digest,
          runtime,
          quantisation,
        })),
      ...this.#options.attests,
    })
    const result = this.#sign(this.identity, envelope, attestationHash(statement))
    await call.send(encodeAttestReply({ statement, result }))
  }

  #now(): number {
    return (this.#options.clock ?? systemClock).now()
  }

  #verify(call: IncomingCall, envelope: SignedEnvelope, body: Uint8Array): void {
    verifyEnvelope(envelope, {
      expectedDomain: 'request',
      network: 'test',
      self: this.id,
      peer: call.peer,
      bodyHash: hashBody(body),
      now: this.#now(),
      nonces: this.#nonces,
    })
  }

  #sign(signer: Identity, { envelope }: SignedEnvelope, digest: Uint8Array): SignedEnvelope {
    const { misdeed } = this
    const bodyHash = misdeed === 'other-request' ? otherHash : envelope.bodyHash
    const now = this.#now()
    return signEnvelope(signer, {
      domain: 'result',
      network: 'test',
      recipient: envelope.sender,
      bodyHash: resultHash({ ...envelope, bodyHash }, digest),
      nonce: secureRandom.bytes(16),
      issuedAtMs: now,
      expiresAtMs: now + 60_000,
      modelDigest: misdeed === 'other-model' ? otherDigest : envelope.modelDigest,
    })
  }
}

function hashOf(receipt: Receipt, misdeed: Misdeed | undefined): Uint8Array {
  return misdeed === 'earlier-version' ? receipt.content : receiptHash(receipt)
}

const standInDigest = modelDigestOf('ab'.repeat(32))
const otherDigest = modelDigestOf('cd'.repeat(32))
const otherHash = hashBody(Buffer.from('another request'))

const usage: GenerationEvent = {
  type: 'usage',
  promptTokens: 1,
  completionTokens: 1,
  cachedTokens: 0,
}

const invented: GenerationEvent & { readonly type: 'usage' } = {
  type: 'usage',
  promptTokens: 1_000_000,
  completionTokens: 1_000_000,
  cachedTokens: 1_000_000,
}

function elsewhere(event: GenerationEvent): GenerationEvent {
  return event.type === 'usage' ? event : { ...event, choice: 7 }
}
