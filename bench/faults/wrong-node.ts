/** A node whose results are signed wrongly, over real connections; it notes who asked it when. */
import { secureRandom, silentLog, systemClock } from '../../src/base/index.ts'
import {
  createIdentity,
  decodeGenerateCall,
  decodeGenerationRequest,
  decodeJoinReply,
  encodeGenerateReply,
  encodeJoin,
  type GenerationEvent,
  methods,
  modelDigestOf,
  type NodeId,
  type NodeRecord,
  OutputTally,
  receiptHash,
  resultHash,
  type SignedEnvelope,
  signEnvelope,
  signNodeRecord,
} from '../../src/protocol/index.ts'
import {
  callUnary,
  createTlsTransport,
  type IncomingCall,
  serveCalls,
} from '../../src/transport/index.ts'

/** With its own key, for another model than was asked for: that proves itself. Or with another. */
export const misdeeds = ['other-model', 'foreign-signature'] as const
/** The last signs its answers rightly, and bills what it is told to. */
export type Misdeed = (typeof misdeeds)[number] | 'false-bill'

const recordLifeMs = 600_000
const digest = modelDigestOf('ab'.repeat(32))
const otherDigest = modelDigestOf('cd'.repeat(32))

const answer: readonly GenerationEvent[] = [
  { type: 'delta', choice: 0, text: 'word', tokenIds: [1], logprobs: [], extra: null },
  { type: 'finish', choice: 0, reason: 'stop' },
]

/** Of the one that only bills falsely, micro-dollars per million tokens. */
export const wrongNodePrice = 1_000_000

export interface Visit {
  readonly gateway: NodeId
  /** When it had answered, ms since 1970. */
  readonly answeredAtMs: number
}

export class WrongNode {
  readonly visits: Visit[] = []
  /** Of its next answers; it writes one. */
  billedTokens = 1
  readonly #identity = createIdentity()
  readonly #transport
  readonly #misdeed: Misdeed
  readonly #about: { readonly network: string; readonly model: string }

  constructor(misdeed: Misdeed, about: { readonly network: string; readonly model: string }) {
    this.#misdeed = misdeed
    this.#about = about
    const handlers = { [methods.generate]: (call: IncomingCall) => this.#generate(call) }
    const base = { clock: systemClock, random: secureRandom, log: silentLog }
    const onStream = serveCalls(handlers, base)
    this.#transport = createTlsTransport({ ...base, identity: this.#identity }, { onStream })
  }

  get id(): NodeId {
    return this.#identity.id
  }

  async join(address: string, token: string): Promise<void> {
    const connection = await this.#transport.dial(address, undefined)
    const record = signNodeRecord(this.#identity, this.#record())
    decodeJoinReply(await callUnary(connection, methods.join, encodeJoin({ token, record })))
  }

  async leave(): Promise<void> {
    await this.#transport.close()
  }

  async #generate(call: IncomingCall): Promise<void> {
    const { body, envelope } = decodeGenerateCall(await call.request())
    const tally = new OutputTally(decodeGenerationRequest(body), body.length)
    const counts = { promptTokens: 1, completionTokens: this.billedTokens, cachedTokens: 0 }
    const events = [...answer, { type: 'usage' as const, ...counts }]
    tally.add(events)
    await call.send(encodeGenerateReply({ type: 'events', events }))
    const result = this.#sign(envelope, receiptHash(tally.receipt()))
    await call.send(encodeGenerateReply({ type: 'result', result }))
    this.visits.push({ gateway: envelope.envelope.sender, answeredAtMs: systemClock.now() })
  }

  #sign({ envelope }: SignedEnvelope, output: Uint8Array): SignedEnvelope {
    const isForeign = this.#misdeed === 'foreign-signature'
    const now = systemClock.now()
    return signEnvelope(isForeign ? createIdentity() : this.#identity, {
      domain: 'result',
      network: this.#about.network,
      recipient: envelope.sender,
      bodyHash: resultHash(envelope, output),
      nonce: secureRandom.bytes(16),
      issuedAtMs: now,
      expiresAtMs: now + 60_000,
      modelDigest: this.#misdeed === 'other-model' ? otherDigest : envelope.modelDigest,
    })
  }

  #record(): NodeRecord {
    const now = systemClock.now()
    const price = this.#misdeed === 'false-bill' ? wrongNodePrice : 0
    const prices = { promptPrice: price, completionPrice: price }
    const speeds = { decodeTokensPerSecond: 1_000, prefillTokensPerSecond: 10_000 }
    const features = ['chat', 'completion', 'seed'] as const
    return {
      id: this.id,
      network: this.#about.network,
      sequence: 1,
      issuedAtMs: now,
      expiresAtMs: now + recordLifeMs,
      softwareVersion: '0.0.0',
      region: '',
      cell: '',
      addresses: [],
      hardware: {
        platform: 'bench',
        cpu: 'bench',
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
          ...{ name: this.#about.model, digest, runtime: 'bench', quantisation: 'float32' },
          ...{ contextTokensMax: 4096, slots: 8, features, ...prices, ...speeds },
        },
      ],
    }
  }
}
