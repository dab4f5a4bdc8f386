/** A joined node, asked over the connection that it opened. */
import type { Clock } from '../../base/index.ts'
import {
  decodeEmbedReply,
  decodeGenerateReply,
  type EmbeddingRequest,
  type EmbeddingResult,
  embeddingHash,
  encodeEmbedCall,
  encodeEmbeddingRequest,
  encodeGenerateCall,
  encodeGenerationRequest,
  type GenerationEvent,
  type GenerationRequest,
  IsochroneError,
  type LoadReport,
  methods,
  type NodeId,
  type NodeRecord,
  OutputHash,
  type SignedEnvelope,
} from '../../protocol/index.ts'
import { type Connection, callUnary, type LinkQuality, openCall } from '../../transport/index.ts'
import type { SignedCalls } from './signed-calls.ts'
import { embeddingTokensMax, UsageBounds } from './usage-bounds.ts'
import type { CallLimits, Worker, WorkerView } from './worker.ts'

export interface RemoteWorkerModules {
  readonly clock: Clock
  readonly calls: SignedCalls
}

const idle: LoadReport = { running: 0, waiting: 0, kvTokensFree: 0, draining: false }

export class RemoteWorker implements Worker {
  readonly id: NodeId
  readonly #connection: Connection
  readonly #modules: RemoteWorkerModules
  #record: NodeRecord
  #load: LoadReport = idle
  #connected = true
  #locationRefuted = false

  constructor(connection: Connection, record: NodeRecord, modules: RemoteWorkerModules) {
    this.id = record.id
    this.#connection = connection
    this.#record = record
    this.#modules = modules
  }

  get connection(): Connection {
    return this.#connection
  }

  get record(): NodeRecord {
    return this.#record
  }

  /** undefined: its connection is gone. */
  link(): LinkQuality | undefined {
    return this.#connected ? this.#connection.link() : undefined
  }

  report(load: LoadReport): void {
    this.#load = load
  }

  renew(record: NodeRecord): void {
    this.#record = record
  }

  /** Its declared location cannot be, or can after all. */
  setLocationRefuted(refuted: boolean): void {
    this.#locationRefuted = refuted
  }

  disconnected(): void {
    this.#connected = false
  }

  describe(): WorkerView {
    const record = this.#record
    const link = this.link()
    return {
      // Who is not where it says is not believed about its region either.
      region: this.#locationRefuted ? '' : record.region,
      models: record.models,
      load: this.#load,
      roundTripMs: link?.roundTripMs,
      overdue: link?.overdue ?? false,
      // A node that lets its record expire says nothing any more, connected or not.
      connected: this.#connected && record.expiresAtMs > this.#modules.clock.now(),
      integerExact: record.hardware.integerExact,
      record,
    }
  }

  async *generate(
    request: GenerationRequest,
    limits: CallLimits,
  ): AsyncGenerator<readonly GenerationEvent[], void, undefined> {
    const body = encodeGenerationRequest(request)
    const envelope = await this.#modules.calls.request(this.id, body, request.modelDigest)
    const { signal, deadlineMs } = limits
    const { clock } = this.#modules
    const call = await openCall(this.#connection, methods.generate, { signal, deadlineMs, clock })
    // A failure to send shows in the responses too.
    call.send(encodeGenerateCall({ envelope, body })).catch(() => {})
    call.end().catch(() => {})
    const answer = new SignedAnswer(request, body.length - continuedBytes(request))
    for await (const messages of call.responses()) {
      const events = answer.read(messages)
      if (events.length > 0) yield events
    }
    const { result, hash } = answer.end()
    this.#modules.calls.checkResult(result, envelope, hash)
  }

  async embed(request: EmbeddingRequest, limits: CallLimits): Promise<EmbeddingResult> {
    const body = encodeEmbeddingRequest(request)
    const envelope = await this.#modules.calls.request(this.id, body, request.modelDigest)
    const { signal, deadlineMs } = limits
    const message = encodeEmbedCall({ envelope, body })
    const options = { signal, deadlineMs, clock: this.#modules.clock }
    const answer = await callUnary(this.#connection, methods.embed, message, options)
    const { result, ...embedding } = decodeEmbedReply(answer)
    this.#modules.calls.checkResult(result, envelope, embeddingHash(embedding))
    const promptTokens = Math.min(embedding.promptTokens, embeddingTokensMax(request))
    return { ...embedding, promptTokens }
  }
}

/**
 * Events as they come, their hash as it grows, and the signature over it at the end. Counts of
 * tokens that cannot be are bounded on their way to the client; the hash is over what was said.
 */
class SignedAnswer {
  readonly #choices: number
  readonly #bounds: UsageBounds
  readonly #hash = new OutputHash()
  #result: SignedEnvelope | undefined

  constructor(request: GenerationRequest, bodyBytes: number) {
    this.#choices = request.choices
    this.#bounds = new UsageBounds(request, bodyBytes)
  }

  read(messages: readonly Uint8Array[]): readonly GenerationEvent[] {
    const batches: (readonly GenerationEvent[])[] = []
    for (const message of messages) {
      const reply = decodeGenerateReply(message)
      if (this.#result !== undefined) throw malformed('it goes on after its signed result')
      if (reply.type === 'result') this.#result = reply.result
      else batches.push(this.#checked(reply.events))
    }
    const [only] = batches
    return batches.length === 1 && only !== undefined ? only : batches.flat()
  }

  end(): { readonly result: SignedEnvelope; readonly hash: Uint8Array } {
    if (this.#result === undefined) throw malformed('it ended without a signed result')
    return { result: this.#result, hash: this.#hash.digest() }
  }

  #checked(events: readonly GenerationEvent[]): readonly GenerationEvent[] {
    let hasUsage = false
    for (const event of events) {
      if (event.type === 'usage') {
        hasUsage = true
        continue
      }
      if (event.choice >= this.#choices) {
        throw malformed(`it speaks of choice ${event.choice} of ${this.#choices}`)
      }
      if (event.type === 'delta') this.#bounds.delivered(event)
    }
    this.#hash.add(events)
    if (!hasUsage) return events
    return events.map((event) => (event.type === 'usage' ? this.#bounds.bounded(event) : event))
  }
}

/** What was taken over is no part of the prompt. */
function continuedBytes({ continued }: GenerationRequest): number {
  return continued === undefined ? 0 : JSON.stringify(continued).length
}

function malformed(what: string): IsochroneError {
  return new IsochroneError('malformed_message', `The node’s answer is malformed: ${what}.`)
}
