/**
 * A model runner in a thread of its own: while it computes, this thread's event loop goes on with
 * heartbeats and sockets. Loading a model blocks as well, and does so over there.
 */
import { Worker } from 'node:worker_threads'
import { assert } from '../../base/index.ts'
import type { StoredModel } from '../../models/index.ts'
import { asIsochroneError, IsochroneError } from '../../protocol/index.ts'
import type { DecodeStep, ModelRunner } from '../model-runner.ts'
import type { OnnxRunnerOptions } from './onnx-runner.ts'
import { errorOf, type RunnerCall, type RunnerReady, type RunnerReply } from './runner-messages.ts'
import type { RunnerThreadData } from './runner-thread.ts'

/**
 * Errors as of `openOnnxRunner`.
 * @param onLost called when the thread ends without having been told to
 */
export async function startThreadedRunner(
  model: StoredModel,
  options: OnnxRunnerOptions,
  onLost: (cause: IsochroneError) => void,
): Promise<ModelRunner> {
  const thread = new RunnerThread(model, options, onLost)
  const ready = await thread.reply()
  assert(ready.type === 'ready', 'a thread says first what it has')
  return new ThreadedRunner(thread, ready)
}

interface Waiting {
  readonly resolve: (reply: RunnerReply) => void
  readonly reject: (error: unknown) => void
}

/**
 * How long a process that exits waits for the call under way: a thread that is ended within ONNX
 * Runtime takes the process down with an abort.
 */
const exitTimeoutMs = 5_000

/** One reply is waited for at a time. */
class RunnerThread {
  readonly #worker: Worker
  readonly #tell: (cause: IsochroneError) => void
  #waiting: Waiting | null = null
  #closing = false
  #lost: IsochroneError | null = null

  readonly #busy = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT)).fill(1)
  readonly #onProcessExit = () => void Atomics.wait(this.#busy, 0, 1, exitTimeoutMs)

  get isLost(): boolean {
    return this.#lost !== null
  }

  constructor(
    model: StoredModel,
    options: OnnxRunnerOptions,
    onLost: (cause: IsochroneError) => void,
  ) {
    this.#tell = onLost
    const workerData: RunnerThreadData = { model, options, busy: this.#busy }
    this.#worker = new Worker(new URL('./runner-thread.ts', import.meta.url), {
      workerData,
      // What was meant for this thread's own script, as `--input-type`, would end that one.
      execArgv: [],
    })
    process.once('exit', this.#onProcessExit)
    this.#worker.on('message', (reply: RunnerReply) => {
      if (reply.type === 'failed') this.#settle()?.reject(errorOf(reply))
      else this.#settle()?.resolve(reply)
    })
    this.#worker.on('error', (error) => {
      this.#onLost(asIsochroneError(error).message, error)
    })
    this.#worker.on('exit', (code) => this.#onLost(`it ended with code ${code}`))
  }

  /** The next reply, after a call or the start. */
  reply(call?: RunnerCall): Promise<RunnerReply> {
    assert(this.#waiting === null, 'calls on one runner never overlap')
    return new Promise((resolve, reject) => {
      if (this.#lost !== null) return reject(this.#lost)
      if (call !== undefined) this.#call(call)
      this.#waiting = { resolve, reject }
      // Only a call that is under way keeps the process alive.
      this.#worker.ref()
    })
  }

  async close(): Promise<void> {
    if (this.#lost !== null) return
    this.#closing = true
    this.#worker.ref()
    const ended = new Promise<void>((resolve) => this.#worker.once('exit', () => resolve()))
    this.#call({ type: 'close' })
    await ended
  }

  #call(call: RunnerCall): void {
    Atomics.store(this.#busy, 0, 1)
    this.#worker.postMessage(call)
  }

  #settle(): Waiting | null {
    const waiting = this.#waiting
    this.#waiting = null
    this.#worker.unref()
    return waiting
  }

  #onLost(reason: string, cause?: unknown): void {
    if (this.#lost !== null) return
    const message = `The thread that the model runs in is gone (${reason}).`
    const lost = new IsochroneError('engine_failed', message, { cause })
    this.#lost = lost
    process.off('exit', this.#onProcessExit)
    this.#settle()?.reject(lost)
    if (!this.#closing) this.#tell(lost)
  }
}

class ThreadedRunner implements ModelRunner {
  readonly slots: number
  readonly contextTokensMax: number
  readonly vocabularySize: number
  readonly runtime: string
  readonly losses = 0
  readonly #thread: RunnerThread
  readonly #logits: Float32Array

  constructor(thread: RunnerThread, ready: RunnerReady) {
    this.#thread = thread
    this.slots = ready.slots
    this.contextTokensMax = ready.contextTokensMax
    this.vocabularySize = ready.vocabularySize
    this.runtime = ready.runtime
    this.#logits = ready.logits
  }

  get isReady(): boolean {
    return !this.#thread.isLost
  }

  async prefill(
    slot: number,
    tokenIds: readonly number[],
    position: number,
  ): Promise<Float32Array> {
    await this.#thread.reply({ type: 'prefill', slot, tokenIds, position })
    return this.#logits.subarray(0, this.vocabularySize)
  }

  async decode(steps: readonly DecodeStep[]): Promise<Float32Array> {
    await this.#thread.reply({ type: 'decode', steps })
    return this.#logits.subarray(0, steps.length * this.vocabularySize)
  }

  close(): Promise<void> {
    return this.#thread.close()
  }
}
