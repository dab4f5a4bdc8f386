/**
 * The main thread's side of writing: gathers what is appended and hands it to the writing thread
 * in groups.
 *
 * A group leaves `groupDelayMs` after its first item, or when it is full, or on `flush`; while one
 * is being committed the next one gathers. When more gathers than `backlogMax`, `append` blocks
 * until the running commit is done: the disk's pace becomes the gateway's, and nothing is lost.
 * Only while the disk *fails*, or does not answer for seconds, are the oldest items dropped,
 * counted and logged; everything since then is still served from memory, and written once the disk
 * works again.
 */
import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker } from 'node:worker_threads'
import type { Clock, Log, Timer } from '../../base/index.ts'
import type { Observation, Sighting } from '../../evidence/index.ts'
import {
  type Decision,
  type Signer,
  sealTree,
  textOfDecision,
  type ViewPiece,
} from '../../routing/index.ts'
import { emptyGroup, type Gathered, observationsOf, Uncommitted } from './gathered.ts'
import { type Group, repliesIndex, type WriterOptions, type WriterReply } from './group.ts'
import type { Row } from './group-entries.ts'
import { rowOf } from './observation-rows.ts'
import { storageFailed } from './storage-error.ts'
import type { ThreadData } from './writer-thread.ts'

/** A crash loses at most this much of what nobody waited for. */
const groupDelayMs = 50
/** Enough that the flush of the disk is a small part of the work of a group. */
const groupItemsMax = 500
/** About 10 MB of observations and decisions in memory, as bytes, where decisions are short. */
const backlogMax = 5_000
/** One that names a thousand rejected nodes has 150 KB. */
const backlogBytesMax = 64 * 1024 * 1024
/** A commit takes milliseconds; a disk that needs longer than this counts as failing. */
const blockedMsMax = 2_000
/** A full disk is not mended within milliseconds. */
const retryDelayMs = 1_000
const retryDelayMsMax = 30_000

export interface GroupWriterModules {
  readonly clock: Clock
  readonly log: Log
  /** How long `append` waits for a commit; `blockedMsMax` where none is given. */
  readonly blockedMsMax?: number
  /** `backlogBytesMax` where none is given. */
  readonly backlogBytesMax?: number
  /** Signs all decisions of a group at once; without it, none is signed. */
  readonly signer?: Signer | undefined
}

/** What the thread is sent lives for one commit: a small nursery is collected before it grows. */
const threadLimits = { maxYoungGenerationSizeMb: 4 }

export class GroupWriter {
  readonly #options: WriterOptions
  readonly #clock: Clock
  readonly #log: Log
  readonly #blockedMsMax: number
  readonly #backlogBytesMax: number
  readonly #signer: Signer | undefined
  readonly #sequenceOnDisk: () => number
  readonly #replies = new Int32Array(new SharedArrayBuffer(4))
  #worker: Worker | undefined
  #port: MessagePort | undefined
  #timer: Timer | undefined
  #gathered = emptyGroup()
  #committing: Gathered | undefined
  /** Used in turns with the one that gathers. */
  #spare = emptyGroup()
  #committedSequence: number
  #failures = 0
  #dropped = 0
  /** The thread did not answer in time: nobody waits for it again before it has. */
  #stalled = false
  #closed = false

  /** @param sequenceOnDisk the highest sequence number of the observations in the file */
  constructor(options: WriterOptions, modules: GroupWriterModules, sequenceOnDisk: () => number) {
    this.#options = options
    this.#clock = modules.clock
    this.#log = modules.log
    this.#blockedMsMax = modules.blockedMsMax ?? blockedMsMax
    this.#backlogBytesMax = modules.backlogBytesMax ?? backlogBytesMax
    this.#signer = modules.signer
    this.#sequenceOnDisk = sequenceOnDisk
    this.#committedSequence = sequenceOnDisk()
  }

  /** Observations up to this sequence number are to be read from the file, the others from here. */
  get committedSequence(): number {
    return this.#committedSequence
  }

  /** How many items were given up because the disk failed for too long. */
  get dropped(): number {
    return this.#dropped
  }

  /** What was appended and is not committed yet. */
  get uncommitted(): Uncommitted {
    return new Uncommitted([this.#committing, this.#gathered])
  }

  appendObservation(observation: Observation): void {
    if (this.#closed) return
    this.#makeRoom()
    this.#gathered.buffer.addObservation(rowOf(observation))
    this.#afterAppend()
  }

  putDecision(decision: Decision): void {
    if (this.#closed) return
    this.#makeRoom()
    this.#gathered.buffer.addDecision(decision, textOfDecision(decision))
    this.#afterAppend()
  }

  putView({ frame, at, bytes }: ViewPiece): void {
    if (this.#closed) return
    this.#makeRoom()
    this.#gathered.buffer.addView(frame, at, bytes)
    this.#afterAppend()
  }

  appendSighting({ worker, kind, fromMs, atMs }: Sighting): void {
    if (this.#closed) return
    this.#makeRoom()
    this.#gathered.buffer.addSighting([worker, kind, fromMs, atMs])
    this.#afterAppend()
  }

  appendIncidentStep(row: Row): void {
    if (this.#closed) return
    this.#makeRoom()
    this.#gathered.buffer.addIncidentStep(row)
    this.#afterAppend()
  }

  appendLedgerEntry(row: Row): void {
    if (this.#closed) return
    this.#makeRoom()
    this.#gathered.buffer.addLedgerEntry(row)
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
      // What was appended during a commit is gathered behind it.
      do await this.flush()
      while (this.#length() > 0)
    } catch (error) {
      const lost = this.#length()
      this.#log.error('storage closed with unwritten items', { lost, error: String(error) })
    }
    this.#closed = true
    this.#timer?.cancel()
    await this.#endThread()
  }

  #length(): number {
    return this.#gathered.buffer.count
  }

  #afterAppend(): void {
    if (this.#failures > 0) return
    if (this.#length() >= groupItemsMax) this.#send()
    else this.#timer ??= this.#clock.after(groupDelayMs, () => this.#send())
  }

  #makeRoom(): void {
    if (!this.#isFull) return
    if (this.#failures === 0 && !this.#stalled) this.#block()
    while (this.#isFull) {
      this.#gathered.buffer.dropOldest()
      this.#dropped += 1
    }
  }

  get #isFull(): boolean {
    const { count, size } = this.#gathered.buffer
    return count >= backlogMax || size >= this.#backlogBytesMax
  }

  /** Waits for the reply to the group that is being committed, without the event loop. */
  #block(): void {
    this.#send()
    const port = this.#port
    if (port === undefined) return
    for (;;) {
      const seen = Atomics.load(this.#replies, repliesIndex)
      const received = receiveMessageOnPort(port)
      if (received !== undefined) {
        this.#onReply(received.message as WriterReply)
        return
      }
      const woken = Atomics.wait(this.#replies, repliesIndex, seen, this.#blockedMsMax)
      if (woken === 'timed-out') break
    }
    this.#stalled = true
    this.#log.error('storage does not answer, serving from memory', { file: this.#options.file })
  }

  #send(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    if (this.#committing !== undefined || this.#length() === 0 || this.#closed) return
    const group = this.#gathered
    this.#gathered = this.#spare
    this.#committing = group
    const message = { bytes: group.buffer.bytes, now: this.#clock.now(), seal: this.#seal(group) }
    try {
      this.#thread().postMessage(message satisfies Group)
    } catch (error) {
      // A machine without memory or threads to spare may have some later.
      this.#onReply({ sequence: 0, error: { message: `no writing thread: ${error}`, errcode: 0 } })
    }
  }

  #seal({ buffer }: Gathered): Group['seal'] {
    if (this.#signer === undefined) return null
    const leaves = buffer.leaves()
    return leaves.length === 0 ? null : sealTree(this.#signer, leaves)
  }

  #onReply(reply: WriterReply): void {
    const group = this.#committing
    if (group === undefined) return
    this.#committing = undefined
    const wasStalled = this.#stalled
    this.#stalled = false
    if (reply.error !== null) {
      this.#onFailure(group, reply.error)
      return
    }
    if (this.#failures > 0 || wasStalled)
      this.#log.info('storage works again', { dropped: this.#dropped })
    this.#failures = 0
    this.#committedSequence = Math.max(this.#committedSequence, reply.sequence)
    for (const { resolve } of group.waiting) resolve()
    this.#reuse(group)
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
    group.buffer.append(later.buffer)
    this.#gathered = group
    const waiting = [...group.waiting, ...later.waiting]
    group.waiting = []
    this.#reuse(later)
    for (const { reject } of waiting) reject(error)
    this.#port?.unref()
    const delayMs = Math.min(retryDelayMs * 2 ** (this.#failures - 1), retryDelayMsMax)
    this.#timer?.cancel()
    this.#timer = this.#clock.after(delayMs, () => this.#send())
  }

  #reuse(group: Gathered): void {
    group.buffer.clear()
    group.waiting = []
    this.#spare = group
  }

  #thread(): MessagePort {
    if (this.#port !== undefined) return this.#port
    const { port1, port2 } = new MessageChannel()
    const data: ThreadData = { options: this.#options, port: port2, replies: this.#replies }
    let worker: Worker
    try {
      worker = new Worker(new URL('./writer-thread.ts', import.meta.url), {
        workerData: data,
        transferList: [port2],
        resourceLimits: threadLimits,
      })
    } catch (error) {
      port1.close()
      throw error
    }
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
    const port = this.#port
    this.#port = undefined
    // What it said before it ended is true: the same group would be written twice.
    const said = port === undefined ? undefined : receiveMessageOnPort(port)
    port?.close()
    if (said !== undefined) this.#onReply(said.message as WriterReply)
    else this.#onReply(this.#leftUnsaid(message))
  }

  /**
   * What the lost thread would have said: it may have ended between its commit and its word. A
   * group is committed as a whole, so the file has all of its observations or none. Decisions may
   * be written twice: the second takes the place of the first.
   */
  #leftUnsaid(message: string): WriterReply {
    const failed = { sequence: 0, error: { message, errcode: 0 } }
    const observations = this.#committing === undefined ? 0 : observationsOf(this.#committing)
    const sequence = this.#committedSequence + observations
    if (observations === 0) return failed
    try {
      return this.#sequenceOnDisk() === sequence ? { sequence, error: null } : failed
    } catch {
      return failed
    }
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

function asError(cause: { readonly message: string; readonly errcode: number }): Error {
  return Object.assign(new Error(cause.message), { errcode: cause.errcode })
}
