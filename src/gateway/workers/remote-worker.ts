/** A joined node, asked over the connection that it opened. */
import { type Clock, SlotList } from '../../base/index.ts'
import { type BillRules, billEvidence, type FaultKind, faultOfBill } from '../../evidence/index.ts'
import {
  attestationHash,
  type Bill,
  boundedEmbedding,
  decodeAttestReply,
  decodeEmbedReply,
  decodeGenerateReply,
  type EmbeddingRequest,
  type EmbeddingResult,
  embeddingReceipt,
  encodeAttestationAsk,
  encodeAttestCall,
  encodeEmbedCall,
  encodeEmbeddingRequest,
  encodeGenerateCall,
  encodeGenerationRequest,
  envelopeToJson,
  type GenerationEvent,
  type GenerationRequest,
  IsochroneError,
  type JsonObject,
  type LoadReport,
  methods,
  type NodeId,
  type NodeRecord,
  OutputTally,
  type Receipt,
  receiptHash,
  type SignedEnvelope,
} from '../../protocol/index.ts'
import {
  type Connection,
  callUnary,
  type LinkQuality,
  type OutgoingCall,
  openCall,
} from '../../transport/index.ts'
import { faultEvidence, faultOf, isOfEarlierVersion, type Shown } from './answer-faults.ts'
import type { SignedCalls } from './signed-calls.ts'
import type { CallLimits, Worker, WorkerView } from './worker.ts'

export interface RemoteWorkerModules {
  readonly clock: Clock
  readonly calls: SignedCalls
  /** Told what a node's answer breaks the rules with. */
  readonly faults?: {
    answer(worker: NodeId, kind: FaultKind, evidence: JsonObject): void
    conduct(worker: NodeId, kind: FaultKind, evidence: JsonObject): void
  }
  readonly bills: () => BillRules
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
    const answer = new SignedAnswer(request, body.length)
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
    this.#check(answer, shown, limits)
  }

  async embed(request: EmbeddingRequest, limits: CallLimits): Promise<EmbeddingResult> {
    const body = encodeEmbeddingRequest(request)
    const envelope = await this.#modules.calls.request(this.id, body, request.modelDigest)
    const answer = await this.#callEmbed(encodeEmbedCall({ envelope, body }), limits)
    const shown: Shown = { asked: envelope }
    const { result, ...embedding } = this.#decoded(answer, shown)
    const receipt = embeddingReceipt(request, embedding)
    const hash = receiptHash(receipt)
    try {
      this.#modules.calls.checkResult(result, envelope, { hash })
    } catch (error) {
      throw this.#faulty(error, { ...shown, result, hash, receipt })
    }
    const bounded = boundedEmbedding(request, embedding)
    const counted = { promptTokens: bounded.promptTokens, completionTokens: 0 }
    this.#judge(receipt, { asked: envelope, result }, { counted, limits })
    return bounded
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

  #check(answer: SignedAnswer, { asked }: Shown, limits: CallLimits): void {
    let end: ReturnType<SignedAnswer['end']> | undefined
    const heldUpMs = limits.readerMs?.()
    try {
      end = answer.end()
      this.#modules.calls.checkResult(end.result, asked, { hash: end.hash, heldUpMs })
    } catch (error) {
      throw this.#faulty(error, { asked, ...end })
    }
    const { result, receipt } = end
    this.#judge(receipt, { asked, result }, { counted: answer.counted, limits })
  }

  /** The answer is right, and stays so: it is what it is to cost that may be wrong. */
  #judge(
    receipt: Receipt,
    { asked, result }: Required<Pick<Shown, 'asked' | 'result'>>,
    { counted, limits }: { readonly counted: Bill; readonly limits: CallLimits },
  ): void {
    const kind = faultOfBill(receipt, this.#modules.bills())
    const isFalse = kind === 'settlement-mismatch'
    // First: by the fault it may be quarantined, and then what it did is asked for.
    limits.onBill?.({ bill: receipt.bill, counted, isFalse })
    if (kind === undefined) return
    const envelopes = { asked: envelopeToJson(asked), result: envelopeToJson(result) }
    const evidence = { ...billEvidence(receipt), ...envelopes }
    this.#modules.faults?.conduct(this.id, kind, evidence)
  }

  /** What was found here, not what the node says of itself. */
  #faulty(error: unknown, shown: Shown): unknown {
    const kind = faultOf(error)
    if (kind === 'result-content' && isOfEarlierVersion(shown)) return earlierVersion()
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
  readonly #tally: OutputTally
  #result: SignedEnvelope | undefined

  constructor(request: GenerationRequest, bodyBytes: number) {
    this.#choices = request.choices
    this.#tally = new OutputTally(request, bodyBytes)
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

  end(): {
    readonly result: SignedEnvelope
    readonly receipt: Receipt
    readonly hash: Uint8Array
  } {
    if (this.#result === undefined) throw malformed('it ended without a signed result')
    const receipt = this.#tally.receipt()
    return { result: this.#result, receipt, hash: receiptHash(receipt) }
  }

  get counted(): Bill {
    return this.#tally.counted
  }

  #checked(events: readonly GenerationEvent[]): readonly GenerationEvent[] {
    for (const event of events) {
      if (event.type !== 'usage' && event.choice >= this.#choices) {
        throw malformed(`it speaks of choice ${event.choice} of ${this.#choices}`)
      }
    }
    this.#tally.add(events)
    return this.#tally.bounded(events)
  }
}

function quarantined(why: string): IsochroneError {
  return new IsochroneError('node_quarantined', `The node was ${why}.`)
}

function earlierVersion(): IsochroneError {
  const message = 'The node signs its answers as an earlier version did: its software is too old.'
  return new IsochroneError('node_failed', message)
}

function ignore(): void {}

function malformed(what: string): IsochroneError {
  return new IsochroneError('malformed_message', `The node’s answer is malformed: ${what}.`)
}
