/**
 * The main thread's side of writing: gathers what is appended and hands it to the writing thread
 * in groups.
 *
 * A group leaves `groupDelayMs` after its first item, or when it is full, or on `flush`; while one
 * is being committed the next one gathers. When more gathers than `backlogMax`, `append` blocks
 * until the running commit is done: the disk's pace becomes the gateway's, and nothing is lost.
 * Only while the disk *fails* are the oldest items dropped, counted and logged; everything since
 * then is still served from memory, and written once the disk works again.
 */
import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker } from 'node:worker_threads'
import type { Clock, Log, Timer } from '../../base/index.ts'
import type { Observation } from '../../evidence/index.ts'
import type { DecisionId } from '../../protocol/index.ts'
import type { Decision } from '../../routing/index.ts'
import { type Group, repliesIndex, type WriterOptions, type WriterReply } from './group.ts'
import { rowOf } from './observation-rows.ts'
import { storageFailed } from './storage-error.ts'
import type { ThreadData } from './writer-thread.ts'

/** A crash loses at most this much of what nobody waited for. */
const groupDelayMs = 50
/** Enough that the flush of the disk is a small part of the work of a group. */
const groupItemsMax = 500
/** About 10 MB of observations and decisions in memory. */
const backlogMax = 5_000
/** A commit takes milliseconds; a disk that needs longer than this counts as failing. */
const blockedMsMax = 2_000
/** A full disk is not mended within milliseconds. */
const retryDelayMs = 1_000
const retryDelayMsMax = 30_000

export interface GroupWriterModules {
  readonly clock: Clock
  readonly log: Log
}

interface Waiting {
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

/** What the thread is sent lives for one commit: a small nursery is collected before it grows. */
const threadLimits = { maxYoungGenerationSizeMb: 4 }

/** What has not been committed yet, oldest first. */
interface Gathered {
  observations: Observation[]
  readonly decisions: Map<DecisionId, Decision>
  readonly waiting: Waiting[]
}

export class GroupWriter {
  readonly #options: WriterOptions
  readonly #clock: Clock
  readonly #log: Log
  readonly #replies = new Int32Array(new SharedArrayBuffer(4))
  #worker: Worker | undefined
  #port: MessagePort | undefined
  #timer: Timer | undefined
  #gathered = emptyGroup()
  #committing: Gathered | undefined
  #committedSequence: number
  #failures = 0
  #dropped = 0
  #closed = false

  constructor(options: WriterOptions, modules: GroupWriterModules, committedSequence: number) {
    this.#options = options
    this.#clock = modules.clock
    this.#log = modules.log
    this.#committedSequence = committedSequence
  }

  /** Observations up to this sequence number are to be read from the file, the others from here. */
  get committedSequence(): number {
    return this.#committedSequence
  }

  /** How many items were given up because the disk failed for too long. */
  get dropped(): number {
    return this.#dropped
  }

  uncommittedObservations(): readonly Observation[] {
    return [...(this.#committing?.observations ?? []), ...this.#gathered.observations]
  }

  /** By id, least recently put first. */
  uncommittedDecisions(): ReadonlyMap<DecisionId, Decision> {
    const decisions = new Map(this.#committing?.decisions)
    for (const [id, decision] of this.#gathered.decisions) {
      decisions.delete(id)
      decisions.set(id, decision)
    }
    return decisions
  }

  uncommittedDecision(id: DecisionId): Decision | undefined {
    return this.#gathered.decisions.get(id) ?? this.#committing?.decisions.get(id)
  }

  appendObservation(observation: Observation): void {
    if (this.#closed) return
    this.#makeRoom()
    this.#gathered.observations.push(observation)
    this.#afterAppend()
  }

  putDecision(decision: Decision): void {
    if (this.#closed) return
    this.#makeRoom()
    this.#gathered.decisions.delete(decision.id)
    this.#gathered.decisions.set(decision.id, decision)
    this.#afterAppend()
  }

  /**
   * Resolves when all that was appended before is on the disk; throws `storage_failed` if it
   * cannot be.
   */
  flush(): Promise<void> {
    if (this.#length() === 0 && this.#committing === undefined) return Promise.resolve()
    return new Promise((resolve, reject) => {
      // With nothing gathered, what is being committed is all there is to wait for.
      const group = this.#length() === 0 ? (this.#committing ?? this.#gathered) : this.#gathered
      group.waiting.push({ resolve, reject })
      this.#send()
      this.#port?.ref()
    })
  }

  /** Flushes, then ends the thread. What cannot be written is lost, and logged. */
  async close(): Promise<void> {
    if (this.#closed) return
    try {
      // What failed while it was being committed comes back as gathered: once more, then it is
      // over.
      await this.flush()
    } catch (error) {
      const lost = this.#length()
      this.#log.error('storage closed with unwritten items', { lost, error: String(error) })
    }
    this.#closed = true
    this.#timer?.cancel()
    await this.#endThread()
  }

  #length(): number {
    return this.#gathered.observations.length + this.#gathered.decisions.size
  }

  #afterAppend(): void {
    if (this.#failures > 0) return
    if (this.#length() >= groupItemsMax) this.#send()
    else this.#timer ??= this.#clock.after(groupDelayMs, () => this.#send())
  }

  #makeRoom(): void {
    if (this.#length() < backlogMax) return
    if (this.#failures === 0) this.#block()
    if (this.#length() < backlogMax) return
    const { observations, decisions } = this.#gathered
    if (observations.length > 0) observations.shift()
    else decisions.delete(decisions.keys().next().value as DecisionId)
    this.#dropped += 1
  }

  /** Waits for the reply to the group that is being committed, without the event loop. */
  #block(): void {
    this.#send()
    const port = this.#port
    if (port === undefined) return
    const seen = Atomics.load(this.#replies, repliesIndex)
    const early = receiveMessageOnPort(port)
    if (early === undefined) Atomics.wait(this.#replies, repliesIndex, seen, blockedMsMax)
    const received = early ?? receiveMessageOnPort(port)
    if (received !== undefined) this.#onReply(received.message as WriterReply)
  }

  #send(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    if (this.#committing !== undefined || this.#length() === 0 || this.#closed) return
    const group = this.#gathered
    this.#gathered = emptyGroup()
    this.#committing = group
    const message: Group = {
      observations: group.observations.map(rowOf),
      decisions: [...group.decisions.values()].map((one) => [one.id, JSON.stringify(one)] as const),
      now: this.#clock.now(),
    }
    this.#thread().postMessage(message)
  }

  #onReply(reply: WriterReply): void {
    const group = this.#committing
    if (group === undefined) return
    this.#committing = undefined
    if (reply.error !== null) {
      this.#onFailure(group, reply.error)
      return
    }
    if (this.#failures > 0) this.#log.info('storage works again', { dropped: this.#dropped })
    this.#failures = 0
    this.#committedSequence = Math.max(this.#committedSequence, reply.sequence)
    for (const { resolve } of group.waiting) resolve()
    if (this.#gathered.waiting.length > 0 || this.#length() >= groupItemsMax) this.#send()
    else if (this.#length() > 0) this.#afterAppend()
    if (this.#committing === undefined) this.#port?.unref()
  }

  #onFailure(group: Gathered, cause: { readonly message: string; readonly errcode: number }): void {
    const error = storageFailed(
      this.#options.file,
      cause.errcode === 0 ? cause.message : asError(cause),
    )
    this.#failures += 1
    if (this.#failures === 1)
      this.#log.error('storage failed, serving from memory', { error: error.message })
    const later = this.#gathered
    this.#gathered = {
      observations: [...group.observations, ...later.observations],
      decisions: new Map(group.decisions),
      waiting: [],
    }
    for (const [id, decision] of later.decisions) {
      this.#gathered.decisions.delete(id)
      this.#gathered.decisions.set(id, decision)
    }
    for (const { reject } of [...group.waiting, ...later.waiting]) reject(error)
    this.#port?.unref()
    const delayMs = Math.min(retryDelayMs * 2 ** (this.#failures - 1), retryDelayMsMax)
    this.#timer?.cancel()
    this.#timer = this.#clock.after(delayMs, () => this.#send())
  }

  #thread(): MessagePort {
    if (this.#port !== undefined) return this.#port
    const { port1, port2 } = new MessageChannel()
    const data: ThreadData = { options: this.#options, port: port2, replies: this.#replies }
    const worker = new Worker(new URL('./writer-thread.ts', import.meta.url), {
      workerData: data,
      transferList: [port2],
      resourceLimits: threadLimits,
    })
    port1.on('message', (reply: WriterReply) => this.#onReply(reply))
    worker.on('error', (error) => this.#onThreadLost(worker, String(error)))
    worker.on('exit', () => this.#onThreadLost(worker, 'the writing thread ended'))
    worker.unref()
    this.#worker = worker
    this.#port = port1
    return port1
  }

  /** A new thread starts with the next group. */
  #onThreadLost(worker: Worker, message: string): void {
    if (this.#worker !== worker) return
    this.#worker = undefined
    this.#port?.close()
    this.#port = undefined
    this.#onReply({ sequence: 0, error: { message, errcode: 0 } })
  }

  async #endThread(): Promise<void> {
    const worker = this.#worker
    this.#worker = undefined
    if (worker === undefined) return
    worker.ref()
    const ended = new Promise<void>((resolve) => worker.once('exit', () => resolve()))
    this.#port?.postMessage('close')
    await ended
    this.#port?.close()
    this.#port = undefined
  }
}

function emptyGroup(): Gathered {
  return { observations: [], decisions: new Map(), waiting: [] }
}

function asError(cause: { readonly message: string; readonly errcode: number }): Error {
  return Object.assign(new Error(cause.message), { errcode: cause.errcode })
}
