/** For end-to-end tests: the real `start`, as a person runs it, in a folder of its own. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import type { RunningNetwork } from './start/announcement.ts'

const main = join(import.meta.dirname, '..', '..', 'bin', 'isochrone.js')

export interface Finished {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

/** Variables of the machine that runs the tests must not steer the program under test. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !name.startsWith('ISOCHRONE_'))
  // Node's test runner tells its children that they are tests; these are not.
  return Object.fromEntries(kept.filter(([name]) => name !== 'NODE_TEST_CONTEXT'))
}

export async function runCli(
  args: readonly string[],
  options: {
    readonly folder: string
    readonly input?: string
    readonly env?: Readonly<Record<string, string>>
  },
): Promise<Finished> {
  const child = spawn(process.execPath, [main, ...args], {
    cwd: options.folder,
    env: { ...cleanEnvironment(), ...options.env },
    stdio: 'pipe',
  })
  const collected = { out: '', err: '' }
  child.stdout.setEncoding('utf8').on('data', (text) => {
    collected.out += text
  })
  child.stderr.setEncoding('utf8').on('data', (text) => {
    collected.err += text
  })
  child.stdin.end(options.input ?? '')
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, ...collected }
}

export class StartedNetwork {
  readonly network: RunningNetwork
  readonly folder: string
  readonly #process: ChildProcess
  /** What it told people, by line. */
  readonly notes: readonly string[]
  readonly #exit: Promise<number | null>
  #onNote: () => void = () => {}

  private constructor(parts: {
    network: RunningNetwork
    folder: string
    process: ChildProcess
    notes: string[]
    exit: Promise<number | null>
  }) {
    this.network = parts.network
    this.folder = parts.folder
    this.#process = parts.process
    this.notes = parts.notes
    this.#exit = parts.exit
  }

  static async start(args: readonly string[] = []): Promise<StartedNetwork> {
    const folder = mkdtempSync(join(tmpdir(), 'isochrone-start-'))
    const child = spawn(
      process.execPath,
      [main, 'start', '--port', '0', '--data', folder, '--json', ...args],
      // In a group of its own, so that a signal can reach the group and not the tests.
      { cwd: folder, env: cleanEnvironment(), stdio: ['ignore', 'pipe', 'pipe'], detached: true },
    )
    const exit = once(child, 'exit').then(([code]) => code as number | null)
    const notes: string[] = []
    let onNote = () => {}
    createInterface(child.stderr).on('line', (line) => {
      notes.push(line)
      onNote()
    })
    const line = once(createInterface(child.stdout), 'line').then(([text]) => String(text))
    const failed = exit.then((code) => {
      throw new Error(`start ended with ${code}:\n${notes.join('\n')}`)
    })
    const network: RunningNetwork = JSON.parse(await Promise.race([line, failed]))
    failed.catch(() => {})
    const started = new StartedNetwork({ network, folder, process: child, notes, exit })
    onNote = () => started.#onNote()
    return started
  }

  /** Every process of the network, the parent last. */
  get pids(): readonly number[] {
    const { gatewayPid, nodes } = this.network
    const all = [...nodes.map(({ pid }) => pid), gatewayPid, this.#process.pid]
    return all.filter((pid) => pid !== null && pid !== undefined)
  }

  signal(name: NodeJS.Signals): void {
    this.#process.kill(name)
  }

  signalGroup(name: NodeJS.Signals): void {
    process.kill(-(this.#process.pid ?? 0), name)
  }

  /** Resolves once a line of what it tells people matches. */
  async told(pattern: RegExp): Promise<void> {
    while (!this.notes.some((line) => pattern.test(line))) {
      await new Promise<void>((resolve) => {
        this.#onNote = resolve
      })
    }
  }

  exitCode(): Promise<number | null> {
    return this.#exit
  }

  async stop(): Promise<number | null> {
    this.signal('SIGINT')
    const code = await this.#exit
    rmSync(this.folder, { recursive: true, force: true })
    return code
  }
}

/** Resolves when none of the processes is there any more. */
export async function allGone(
  pids: readonly number[],
  limitMs: number,
): Promise<readonly number[]> {
  const until = performance.now() + limitMs
  let left = pids
  while (left.length > 0 && performance.now() < until) {
    // Other processes' ends raise no event here; asking again is the only way.
    await delay(20)
    left = left.filter(isThere)
  }
  return left
}

function isThere(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
