/**
 * A runner that is started again when it is lost, with what its slots held: a thread can run out of
 * memory. Until one works again calls fail, and the model is not offered.
 */
import type { Clock, Log, Timer } from '../../base/index.ts'
import { asIsochroneError, IsochroneError } from '../../protocol/index.ts'
import type { DecodeStep, ModelRunner } from '../model-runner.ts'

/** Starts a runner; it says when it is lost, unless it was closed. */
export type StartRunner = (onLost: (cause: IsochroneError) => void) => Promise<ModelRunner>

export interface RestartModules {
  readonly clock: Clock
  readonly log: Log
}

export const restartLimits = {
  /** Loading takes seconds; what ended the thread may be over by then. */
  delayFirstMs: 1_000,
  delayMaxMs: 60_000,
  /** One that ran for this long was sound: when it is lost, the delays begin anew. */
  steadyMs: 300_000,
} as const

/** Any vocabulary has it. */
const probeTokenId = 0

/** Errors as of `start`, which has to succeed once. */
export async function startRestartingRunner(
  start: StartRunner,
  modules: RestartModules,
): Promise<ModelRunner> {
  let made: RestartingRunner | undefined
  const first = await start((cause) => made?.lose(first, cause))
  made = new RestartingRunner(first, start, modules)
  return made
}

class RestartingRunner implements ModelRunner {
  readonly slots: number
  readonly contextTokensMax: number
  readonly vocabularySize: number
  readonly runtime: string
  readonly #start: StartRunner
  readonly #modules: RestartModules
  #runner: ModelRunner | undefined
  #losses = 0
  /** Restarts in a row that did not last. */
  #failures = 0
  #startedAtMs: number
  #timer: Timer | undefined
  #starting: Promise<void> | undefined
  #closed = false

  constructor(first: ModelRunner, start: StartRunner, modules: RestartModules) {
    this.slots = first.slots
    this.contextTokensMax = first.contextTokensMax
    this.vocabularySize = first.vocabularySize
    this.runtime = first.runtime
    this.#runner = first
    this.#start = start
    this.#modules = modules
    this.#startedAtMs = modules.clock.monotonic()
  }

  get isReady(): boolean {
    return this.#runner !== undefined
  }

  get losses(): number {
    return this.#losses
  }

  async prefill(
    slot: number,
    tokenIds: readonly number[],
    position: number,
  ): Promise<Float32Array> {
    return this.#working().prefill(slot, tokenIds, position)
  }

  async decode(steps: readonly DecodeStep[]): Promise<Float32Array> {
    return this.#working().decode(steps)
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#timer?.cancel()
    await this.#starting
    const runner = this.#runner
    this.#runner = undefined
    await runner?.close()
  }

  /** The runner, if it is the one in use, is gone. */
  lose(runner: ModelRunner, { message }: IsochroneError): void {
    if (this.#runner !== runner) return
    this.#runner = undefined
    this.#losses += 1
    const ranMs = this.#modules.clock.monotonic() - this.#startedAtMs
    if (ranMs >= restartLimits.steadyMs) this.#failures = 0
    this.#again('the model is not offered until it runs again', message)
  }

  #working(): ModelRunner {
    if (this.#runner !== undefined) return this.#runner
    const what = this.#closed ? 'has ended' : 'was lost, and is being started again'
    throw new IsochroneError('engine_failed', `The thread that the model runs in ${what}.`)
  }

  #again(what: string, reason: string): void {
    if (this.#closed) return
    const { delayFirstMs, delayMaxMs } = restartLimits
    const delayMs = Math.min(delayMaxMs, delayFirstMs * 2 ** this.#failures)
    this.#failures = Math.min(this.#failures + 1, 30)
    this.#modules.log.error(what, { reason, delayMs })
    const restart = () => {
      this.#starting = this.#restart()
    }
    this.#timer = this.#modules.clock.after(delayMs, restart)
  }

  async #restart(): Promise<void> {
    let runner: ModelRunner | undefined
    try {
      runner = await this.#start((cause) => {
        if (runner !== undefined) this.lose(runner, cause)
      })
      this.#checkSame(runner)
      await runner.prefill(0, [probeTokenId], 0)
    } catch (error) {
      await runner?.close().catch(() => {})
      this.#again('the model cannot be started', asIsochroneError(error).message)
      return
    }
    // Whoever closes it waits for this, and closes what is there then.
    this.#runner = runner
    this.#startedAtMs = this.#modules.clock.monotonic()
    this.#modules.log.info('the model runs again', { losses: this.#losses })
  }

  /** What was said of the model, and the scheduler's tables, stay true. */
  #checkSame({ slots, contextTokensMax, vocabularySize }: ModelRunner): void {
    const same =
      slots === this.slots &&
      contextTokensMax === this.contextTokensMax &&
      vocabularySize === this.vocabularySize
    if (!same) throw new IsochroneError('model_corrupt', 'The model is another one than before.')
  }
}
