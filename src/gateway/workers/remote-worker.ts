/** A joined node, asked over the connection that it opened. */
import { type Clock, SlotList } from '../../base/index.ts'
import type { FaultKind } from '../../evidence/index.ts'
import {
  attestationHash,
  decodeAttestReply,
  decodeEmbedReply,
  decodeGenerateReply,
  type EmbeddingRequest,
  type EmbeddingResult,
  embeddingHash,
  encodeAttestationAsk,
  encodeAttestCall,
  encodeEmbedCall,
  encodeEmbeddingRequest,
  encodeGenerateCall,
  encodeGenerationRequest,
  type GenerationEvent,
  type GenerationRequest,
  IsochroneError,
  type JsonObject,
  type LoadReport,
  methods,
  type NodeId,
  type NodeRecord,
  OutputHash,
  type SignedEnvelope,
} from '../../protocol/index.ts'
import {
  type Connection,
  callUnary,
  type LinkQuality,
  type OutgoingCall,
  openCall,
} from '../../transport/index.ts'
import { faultEvidence, faultOf, type Shown } from './answer-faults.ts'
import type { SignedCalls } from './signed-calls.ts'
import { embeddingTokensMax, UsageBounds } from './usage-bounds.ts'
import type { CallLimits, Worker, WorkerView } from './worker.ts'

export interface RemoteWorkerModules {
  readonly clock: Clock
  readonly calls: SignedCalls
  /** Told what a node's answer breaks the rules with. */
  readonly faults?: {
    answer(worker: NodeId, kind: FaultKind, evidence: JsonObject): void
  }
}

/** A statement and its two envelopes, verified. */
export interface Attested {
  readonly asked: SignedEnvelope
  readonly result: SignedEnvelope
  /** `decodeAttestation`. */
  readonly statement: Uint8Array
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
  readonly #running = new SlotList<Pick<OutgoingCall, 'cancel'>>()
  /** Why it is quarantined. */
  #barred: string | undefined

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

  /** Ends what runs there; whoever waits for it hears why, and asks somebody else. */
  bar(why: string): void {
    this.#barred = why
    for (const call of this.#running) call.cancel(why)
  }

  unbar(): void {
    this.#barred = undefined
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
    this.#refuseBarred()
    const call = await openCall(this.#connection, methods.generate, { signal, deadlineMs, clock })
    const slot = this.#running.add(call)
    const answer = new SignedAnswer(request, body.length - continuedBytes(request))
    const shown: Shown = { asked: envelope }
    try {
      this.#refuseBarred()
      // A failure to send shows in the responses too.
      call.send(encodeGenerateCall({ envelope, body })).catch(ignore)
      call.end().catch(ignore)
      for await (const messages of call.responses()) {
        const events = this.#read(answer, messages, shown)
        if (events.length > 0) yield events
      }
    } catch (error) {
      if (this.#barred !== undefined) call.cancel(this.#barred)
      throw this.#told(error)
    } finally {
      this.#running.remove(slot)
    }
    this.#check(answer, shown, limits.readerMs?.())
  }

  async embed(request: EmbeddingRequest, limits: CallLimits): Promise<EmbeddingResult> {
    const body = encodeEmbeddingRequest(request)
    const envelope = await this.#modules.calls.request(this.id, body, request.modelDigest)
    const answer = await this.#callEmbed(encodeEmbedCall({ envelope, body }), limits)
    const shown: Shown = { asked: envelope }
    const { result, ...embedding } = this.#decoded(answer, shown)
    const hash = embeddingHash(embedding)
    try {
      this.#modules.calls.checkResult(result, envelope, { hash })
    } catch (error) {
      throw this.#faulty(error, { ...shown, result, hash })
    }
    const promptTokens = Math.min(embedding.promptTokens, embeddingTokensMax(request))
    return { ...embedding, promptTokens }
  }

  /**
   * What it states of itself now, and who signed it for which question. Whoever is quarantined may
   * say this, too.
   * @param names of models; those that it serves of them
   */
  async attest(
    names: readonly string[],
    { deadlineMs, signal }: Pick<CallLimits, 'deadlineMs' | 'signal'>,
  ): Promise<Attested> {
    const body = encodeAttestationAsk({ models: names })
    const asked = await this.#modules.calls.request(this.id, body, null)
    const message = encodeAttestCall({ envelope: asked, body })
    const options = { signal, deadlineMs, clock: this.#modules.clock }
    const answer = await callUnary(this.#connection, methods.attest, message, options)
    try {
      const { result, statement } = decodeAttestReply(answer)
      this.#modules.calls.checkResult(result, asked, { hash: attestationHash(statement) })
      return { asked, result, statement }
    } catch (error) {
      throw this.#faulty(error, { asked })
    }
  }

  async #callEmbed(message: Uint8Array, { deadlineMs, signal }: CallLimits): Promise<Uint8Array> {
    this.#refuseBarred()
    const cut = new AbortController()
    const cancel = () => cut.abort()
    signal.addEventListener('abort', cancel, { once: true })
    const slot = this.#running.add({ cancel })
    try {
      const options = { signal: cut.signal, deadlineMs, clock: this.#modules.clock }
      signal.throwIfAborted()
      const answer = await callUnary(this.#connection, methods.embed, message, options)
      this.#refuseBarred()
      return answer
    } catch (error) {
      throw this.#told(error)
    } finally {
      signal.removeEventListener('abort', cancel)
      this.#running.remove(slot)
    }
  }

  #read(answer: SignedAnswer, messages: readonly Uint8Array[], shown: Shown) {
    try {
      return answer.read(messages)
    } catch (error) {
      throw this.#faulty(error, shown)
    }
  }

  #decoded(answer: Uint8Array, shown: Shown) {
    try {
      return decodeEmbedReply(answer)
    } catch (error) {
      throw this.#faulty(error, shown)
    }
  }

  #check(answer: SignedAnswer, shown: Shown, heldUpMs: number | undefined): void {
    let end: ReturnType<SignedAnswer['end']> | undefined
    try {
      end = answer.end()
      this.#modules.calls.checkResult(end.result, shown.asked, { hash: end.hash, heldUpMs })
    } catch (error) {
      throw this.#faulty(error, { ...shown, ...end })
    }
  }

  /** What was found here, not what the node says of itself. */
  #faulty(error: unknown, shown: Shown): unknown {
    const kind = faultOf(error)
    if (kind !== undefined) this.#modules.faults?.answer(this.id, kind, faultEvidence(error, shown))
    return error
  }

  /** Only this gateway knows whether it has quarantined it. */
  #told(error: unknown): unknown {
    if (this.#barred !== undefined) return quarantined(this.#barred)
    if (!(error instanceof IsochroneError) || error.code !== 'node_quarantined') return error
    return new IsochroneError('node_failed', `The node failed: ${error.message}`)
  }

  #refuseBarred(): void {
    if (this.#barred !== undefined) throw quarantined(this.#barred)
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

function quarantined(why: string): IsochroneError {
  return new IsochroneError('node_quarantined', `The node was ${why}.`)
}

function ignore(): void {}

/** What was taken over is no part of the prompt. */
function continuedBytes({ continued }: GenerationRequest): number {
  return continued === undefined ? 0 : JSON.stringify(continued).length
}

function malformed(what: string): IsochroneError {
  return new IsochroneError('malformed_message', `The node’s answer is malformed: ${what}.`)
}
