/**
 * One process of a local network: started, watched, restarted with back-off when it dies, a
 * bounded number of times.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { dirname, join } from 'node:path'
import {
  asIsochroneError,
  type ErrorCode,
  IsochroneError,
  isErrorCode,
} from '../../protocol/index.ts'
import { storageFault } from '../files/atomic-file.ts'
import { makeFolder } from '../files/make-folder.ts'
import { type ChildReport, isChildReport, type ReadyFacts } from '../process/child-report.ts'

export interface ChildOptions {
  readonly name: string
  /**
   * The command and its flags; asked for at each start, since the gateway's port is known only
   * after its first.
   */
  readonly command: () => readonly string[]
  readonly env: Readonly<Record<string, string | undefined>>
  readonly logFile: string
}

export interface ChildEvents {
  readonly onStage: (stage: string) => void
  /** Something that a person should know. */
  readonly onNotice: (words: string) => void
  /** It died although nobody stopped it, and is started again. */
  readonly onRestart: (how: string, delayMs: number) => void
  /** It is up again after a restart. */
  readonly onReturn: (facts: ReadyFacts) => void
  /** It died too often, or cannot work at all. */
  readonly onGivenUp: (error: IsochroneError) => void
}

/** A process that dies at once on every start would otherwise burn the machine. */
const restartsMax = 5
/** Restarts longer ago than this do not count. */
const restartWindowMs = 60_000
const restartFirstMs = 500
/**
 * A signal to the whole group may end a child that is only just loading before this process has
 * heard of it: no failure and no death.
 */
const sharedSignalMs = 200
/** After being told to stop. Longer than a node's own drain limit under `start`. */
const stopLimitMs = 6_000

export class SupervisedChild {
  readonly #options: ChildOptions
  readonly #events: ChildEvents
  #process: ChildProcess | undefined
  #stopping = false
  #restarts: number[] = []
  #timer: NodeJS.Timeout | undefined

  constructor(options: ChildOptions, events: ChildEvents) {
    this.#options = options
    this.#events = events
  }

  get name(): string {
    return this.#options.name
  }

  get pid(): number | undefined {
    return this.#process?.pid
  }

  /** Resolves with what the child tells when it is ready; rejects when it fails before. */
  start(): Promise<ReadyFacts> {
    if (this.#stopping) {
      return Promise.reject(new IsochroneError('cancelled', `${this.name} was told to stop`))
    }
    return new Promise((resolve, reject) => {
      try {
        this.#spawn({ resolve, reject })
      } catch (error) {
        reject(asIsochroneError(error))
      }
    })
  }

  async stop(): Promise<void> {
    this.#stopping = true
    clearTimeout(this.#timer)
    const child = this.#process
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()))
    if (child.connected) child.send({ type: 'stop' }, () => {})
    else child.kill('SIGTERM')
    const force = setTimeout(() => child.kill('SIGKILL'), stopLimitMs)
    await gone
    clearTimeout(force)
  }

  /** At once, without a chance to finish. */
  kill(): void {
    this.#stopping = true
    clearTimeout(this.#timer)
    this.#process?.kill('SIGKILL')
  }

  #spawn(first: FirstStart | undefined): void {
    const log = openLog(this.#options.logFile)
    const program = join(import.meta.dirname, '..', '..', '..', 'bin', 'isochrone.js')
    const args = [...process.execArgv, program, ...this.#options.command()]
    const child = spawn(process.execPath, args, {
      stdio: ['ignore', 'ignore', log, 'ipc'],
      env: this.#options.env as NodeJS.ProcessEnv,
    })
    closeSync(log)
    this.#process = child
    let failure: IsochroneError | undefined
    let pending = first
    child.on('message', (message) => {
      if (!isChildReport(message)) return
      if (message.type === 'failed') failure = faultOf(message)
      if (message.type === 'notice') this.#events.onNotice(message.words)
      if (message.type === 'stage') this.#events.onStage(message.stage)
      if (message.type !== 'ready') return
      if (pending === undefined) this.#events.onReturn(message.facts)
      pending?.resolve(message.facts)
      pending = undefined
    })
    child.on('error', (cause) => {
      failure ??= new IsochroneError('internal', `cannot start ${this.name}: ${cause.message}`)
      if (child.pid === undefined) pending?.reject(failure)
    })
    child.on('exit', (code, signal) => {
      const how = signal === null ? `exit code ${code}` : `signal ${signal}`
      const fault = failure ?? unexplained(this.name, how, this.#options.logFile)
      this.#timer = setTimeout(() => {
        if (pending !== undefined) pending.reject(fault)
        else this.#restart(how, fault)
      }, sharedSignalMs)
    })
  }

  #restart(how: string, fault: IsochroneError): void {
    if (this.#stopping) return
    const now = Date.now()
    this.#restarts = this.#restarts.filter((at) => now - at < restartWindowMs)
    if (this.#restarts.length >= restartsMax) {
      this.#events.onGivenUp(fault)
      return
    }
    const delayMs = restartFirstMs * 2 ** this.#restarts.length
    this.#restarts.push(now)
    this.#events.onRestart(how, delayMs)
    this.#timer = setTimeout(() => {
      if (!this.#stopping) this.#spawn(undefined)
    }, delayMs)
  }
}

interface FirstStart {
  readonly resolve: (facts: ReadyFacts) => void
  readonly reject: (error: IsochroneError) => void
}

function openLog(file: string): number {
  try {
    makeFolder(dirname(file))
    return openSync(file, 'w', 0o600)
  } catch (cause) {
    throw storageFault(file, cause)
  }
}

function faultOf(report: Extract<ChildReport, { type: 'failed' }>): IsochroneError {
  const code: ErrorCode = isErrorCode(report.code) ? report.code : 'internal'
  return new IsochroneError(code, report.message)
}

function unexplained(name: string, how: string, logFile: string): IsochroneError {
  return new IsochroneError('internal', `${name} ended with ${how}; its log is ${logFile}`)
}
