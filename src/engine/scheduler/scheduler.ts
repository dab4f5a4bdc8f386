/**
 * Continuous batching (Yu et al., "Orca", OSDI 2022): several generations share each step of one
 * model, join when a slot is free and leave when they are done. Prompts are read in chunks
 * between the steps, so that running answers go on.
 */
import type { Clock, Log } from '../../base/index.ts'
import {
  asIsochroneError,
  type GenerationEvent,
  type GenerationRequest,
  IsochroneError,
} from '../../protocol/index.ts'
import type { EngineLoad } from '../engine.ts'
import type { DecodeStep, ModelRunner } from '../model-runner.ts'
import { SamplingBuffers } from '../sampling/sampler.ts'
import type { Tokenizer } from '../tokenizer/tokenizer.ts'
import { Answer } from './answer.ts'
import { Job } from './job.ts'
import { type PrefillLimits, PrefillPace, promptInTurn } from './prefill-pace.ts'

export interface SchedulerLimits extends PrefillLimits {
  /** Answers that wait for a slot; beyond, requests are refused and may try another node. */
  readonly waitingMax: number
  /** Events that a reader may be behind. */
  readonly eventsMax: number
  readonly stalledMs: number
}

export const defaultSchedulerLimits: SchedulerLimits = {
  waitingMax: 64,
  // Enough to use the processor well.
  prefillChunkTokens: 512,
  // Between two runs others are admitted, and who left is noticed.
  aloneMs: 1000,
  // What MLPerf's inference rules allow between two tokens (Llama 2 70B, server): a reader does not
  // notice less.
  stallMs: 200,
  // What the same rules allow before the first token. Beyond, a reader takes the answer for dead.
  slowStallMs: 2000,
  stallTokensMax: 4096,
  eventsMax: 256,
  stalledMs: 60_000,
}

export interface SchedulerModules {
  readonly runner: ModelRunner
  readonly tokenizer: Tokenizer
  readonly endTokenIds: ReadonlySet<number>
  readonly clock: Clock
  readonly log: Log
}

interface Entry {
  readonly job: Job
  readonly answer: Answer
}

interface Running extends Entry {
  readonly slot: number
  /** Tokens in the slot. */
  position: number
}

export class Scheduler {
  readonly #limits: SchedulerLimits
  readonly #modules: SchedulerModules
  readonly #buffers: SamplingBuffers
  readonly #freeSlots: number[]
  readonly #pace: PrefillPace
  #turn = 0
  #waiting: Entry[] = []
  #running: Running[] = []
  #looping: Promise<void> | null = null
  #wakeLoop: (() => void) | null = null
  #awake = false
  #closed = false
  /** The runner's, as of when the slots in use were filled. */
  #losses: number

  constructor(limits: SchedulerLimits, modules: SchedulerModules) {
    this.#limits = limits
    this.#modules = modules
    this.#pace = new PrefillPace(limits)
    this.#buffers = new SamplingBuffers(modules.runner.vocabularySize)
    this.#losses = modules.runner.losses
    this.#freeSlots = Array.from({ length: modules.runner.slots }, (_, i) => i).reverse()
  }

  load(): EngineLoad & { readonly promptTokensUnread: number } {
    let unread = 0
    for (const { answer } of this.#waiting) unread += answer.readIds.length
    for (const entry of this.#running) unread += unreadOf(entry)
    return {
      running: this.#running.length,
      waiting: this.#waiting.length,
      promptTokensUnread: unread,
      kvTokensFree: this.#freeSlots.length * this.#modules.runner.contextTokensMax,
    }
  }

  /**
   * Puts a request in line.
   * @param tokensMax at least 1: how many tokens each answer may have
   * Errors: `all_nodes_busy`, `invalid_request`, `engine_failed` after `close`.
   */
  submit(request: GenerationRequest, promptIds: readonly number[], tokensMax: number): Job {
    this.#checkRoom(request.choices)
    const { runner, tokenizer, endTokenIds, clock } = this.#modules
    const answers = Array.from(
      { length: request.choices },
      (_, choice) =>
        new Answer({
          request,
          choice,
          promptIds,
          tokensMax,
          endTokenIds,
          vocabularySize: runner.vocabularySize,
          tokenizer,
          buffers: this.#buffers,
        }),
    )
    const { eventsMax, stalledMs } = this.#limits
    const wake = () => this.wake()
    const job = new Job(answers, promptIds.length, { eventsMax, stalledMs, clock, wake })
    for (const answer of answers) {
      if (answer.reason === null) this.#waiting.push({ job, answer })
      else job.write(answer.takeRepeated())
    }
    this.wake()
    return job
  }

  /** Something changed: a new request, a reader that took events or left. */
  wake(): void {
    this.#awake = true
    this.#wakeLoop?.()
    this.#looping ??= this.#loop().finally(() => {
      this.#looping = null
      if (this.#awake && !this.#closed) this.wake()
    })
  }

  /** Fails what runs and waits, and resolves when the runner is no longer used. */
  async close(): Promise<void> {
    this.#closed = true
    const error = new IsochroneError('engine_failed', 'The engine was stopped.')
    for (const { job } of [...this.#running, ...this.#waiting]) job.fail(error)
    this.#wakeLoop?.()
    await this.#looping
  }

  #checkRoom(choices: number): void {
    if (this.#closed) throw new IsochroneError('engine_failed', 'The engine was stopped.')
    const { waitingMax } = this.#limits
    const room = this.#freeSlots.length + waitingMax - this.#waiting.length
    if (choices <= room) return
    const most = this.#modules.runner.slots + waitingMax
    if (choices > most) {
      throw new IsochroneError(
        'invalid_request',
        `n is ${choices}; this node can work on at most ${most} answers.`,
        { detail: { param: 'n' } },
      )
    }
    throw new IsochroneError(
      'all_nodes_busy',
      `${this.#waiting.length} answers wait for one of ${this.#modules.runner.slots} slots; ` +
        `try again later.`,
      { detail: { waiting: this.#waiting.length, slots: this.#modules.runner.slots } },
    )
  }

  async #loop(): Promise<void> {
    while (!this.#closed) {
      this.#awake = false
      this.#failLost()
      this.#dropClosed()
      this.#admit()
      if ((await this.#prefillOne()) || (await this.#decodeAll())) {
        // Between steps the sockets have their turn, whatever the runner does.
        await new Promise<void>((resolve) => setImmediate(resolve))
      } else if (this.#running.length === 0 && this.#waiting.length === 0) {
        return
      } else if (!this.#awake) {
        await new Promise<void>((resolve) => {
          this.#wakeLoop = resolve
        })
        this.#wakeLoop = null
      }
    }
  }

  /** A runner that was started again knows nothing of what was in its slots. */
  #failLost(): void {
    const { losses } = this.#modules.runner
    if (losses === this.#losses) return
    this.#losses = losses
    const begun = this.#running.filter(({ job, position }) => position > 0 && !job.closed)
    if (begun.length > 0) this.#engineFailed(begun, 'it was lost with what its slots held')
  }

  #dropClosed(): void {
    const kept: Running[] = []
    for (const entry of this.#running) {
      if (entry.job.closed || entry.answer.reason !== null) this.#freeSlots.push(entry.slot)
      else kept.push(entry)
    }
    this.#running = kept
    if (this.#waiting.some(({ job }) => job.closed)) {
      this.#waiting = this.#waiting.filter(({ job }) => !job.closed)
    }
  }

  #admit(): void {
    while (this.#waiting.length > 0 && this.#freeSlots.length > 0) {
      const entry = this.#waiting.shift() as Entry
      const slot = this.#freeSlots.pop() as number
      this.#running.push({ ...entry, slot, position: 0 })
    }
  }

  /** Reads a chunk of one prompt, if it is time to; with its last chunk comes the first token. */
  async #prefillOne(): Promise<boolean> {
    const unread = this.#running.filter((entry) => unreadOf(entry) > 0 && !entry.job.checkParked())
    const entry = unread[promptInTurn(unread.map(unreadOf), this.#turn)]
    if (entry === undefined) return false
    const isDelaying = this.#running.some(isWriting)
    const { position } = entry
    const count = this.#pace.tokensNow({ position, unread: unreadOf(entry) }, isDelaying)
    if (count === 0) return false
    this.#turn += 1
    const { readIds } = entry.answer
    const tokens = readIds.slice(position, position + count)
    const { runner, clock } = this.#modules
    const start = clock.monotonic()
    try {
      const logits = await runner.prefill(entry.slot, tokens, position)
      this.#pace.read({ position, tokens: count, ms: clock.monotonic() - start }, isDelaying)
      entry.position += count
      if (entry.position === readIds.length) this.#advance(entry, logits, 0)
    } catch (error) {
      this.#engineFailed([entry], error)
    }
    return true
  }

  /** One token for every answer whose prompt is read and whose reader keeps up. */
  async #decodeAll(): Promise<boolean> {
    const batch: Running[] = []
    const steps: DecodeStep[] = []
    for (const entry of this.#running) {
      const { answer, slot, position } = entry
      if (!isWriting(entry)) continue
      batch.push(entry)
      steps.push({ slot, tokenId: answer.lastTokenId, position })
    }
    if (steps.length === 0) return false
    const { runner, clock } = this.#modules
    let logits: Float32Array
    const start = clock.monotonic()
    try {
      logits = await runner.decode(steps)
    } catch (error) {
      this.#engineFailed(batch, error)
      return true
    }
    this.#pace.stepped(clock.monotonic() - start, batch.length)
    const size = runner.vocabularySize
    for (let i = 0; i < batch.length; i += 1) {
      const entry = batch[i] as Running
      entry.position += 1
      this.#advance(entry, logits, i * size)
    }
    return true
  }

  /** An error of one answer ends its request and no other. */
  #advance(entry: Running, logits: Float32Array, offset: number): void {
    if (entry.job.closed) return
    let events: readonly GenerationEvent[]
    try {
      events = entry.answer.advance(logits, offset)
    } catch (error) {
      entry.job.fail(asIsochroneError(error, 'engine_failed'))
      this.#dropClosed()
      return
    }
    // Before the reader knows of the end, so that who sees it also sees the slot free.
    if (entry.answer.reason !== null) this.#dropClosed()
    entry.job.write(events)
  }

  #engineFailed(entries: readonly Running[], cause: unknown): void {
    const reason = cause instanceof Error ? cause.message : String(cause)
    this.#modules.log.error('the model runner failed', { reason, generations: entries.length })
    const error = new IsochroneError('engine_failed', `The model's runner failed: ${reason}.`, {
      cause,
    })
    for (const { job } of entries) job.fail(error)
    this.#dropClosed()
  }
}

function unreadOf({ answer, position }: Running): number {
  // What was written since lies behind the prompt.
  return Math.max(0, answer.readIds.length - position)
}

/** Its prompt is read, and its reader keeps up. */
function isWriting(entry: Running): boolean {
  const { answer, job } = entry
  if (unreadOf(entry) > 0 || answer.reason !== null) return false
  return !job.closed && !job.checkParked()
}
