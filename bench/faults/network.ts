/** A gateway and nodes with the reference model, real processes that can be killed and started. */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { importModel } from '../../src/models/index.ts'

export const root = join(import.meta.dirname, '..', '..')
const command = join(root, 'bin', 'isochrone.js')
export const joinToken = 'bench-join-token-of-some-length'
export const model = 'isochrone-tiny'
/** Longer than a process takes to start on a slow machine. */
const startLimitMs = 60_000
const tailLines = 20

/** One process, started again as often as it is killed. */
export class KillableProcess {
  readonly #name: string
  readonly #args: readonly string[]
  readonly #folder: string
  readonly #tail: string[] = []
  #child: ChildProcess | undefined
  #exit: Promise<unknown> = Promise.resolve()

  constructor(name: string, args: readonly string[], folder: string) {
    this.#name = name
    this.#args = args
    this.#folder = folder
  }

  /** Resolves with the facts that it prints when it listens, or has joined. */
  async start(): Promise<Readonly<Record<string, unknown>>> {
    const child = spawn(process.execPath, [command, ...this.#args], {
      cwd: this.#folder,
      env: { PATH: process.env['PATH'], HOME: this.#folder },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.#child = child
    this.#exit = once(child, 'exit')
    createInterface(child.stderr).on('line', (line) => {
      this.#tail.push(line)
      if (this.#tail.length > tailLines) this.#tail.shift()
    })
    const line = once(createInterface(child.stdout), 'line').then(([text]) => String(text))
    const ended = this.#exit.then(() => {
      throw new Error(`${this.#name} ended:\n${this.#tail.join('\n')}`)
    })
    ended.catch(() => {})
    const timeout = AbortSignal.timeout(startLimitMs)
    const late = once(timeout, 'abort').then(() => {
      throw new Error(`${this.#name} is not ready:\n${this.#tail.join('\n')}`)
    })
    late.catch(() => {})
    return JSON.parse(await Promise.race([line, ended, late]))
  }

  signal(name: NodeJS.Signals): void {
    this.#child?.kill(name)
  }

  /** kill -9; resolves when it is gone. */
  async kill(): Promise<void> {
    this.signal('SIGKILL')
    await this.#exit
  }
}

/** What a command prints as JSON. */
export async function factsOf(
  args: readonly string[],
  folder: string,
): Promise<Readonly<Record<string, unknown>>> {
  const { stdout } = await promisify(execFile)(process.execPath, [command, ...args], {
    cwd: folder,
  })
  return JSON.parse(stdout)
}

export class FaultyNetwork {
  readonly #folder: string
  readonly #gateway: KillableProcess
  readonly #nodes = new Map<string, KillableProcess>()
  /** For clients: `http://127.0.0.1:PORT`. */
  url = ''

  private constructor(folder: string) {
    this.#folder = folder
    this.#gateway = new KillableProcess('gateway', gatewayArgs(folder), folder)
  }

  static async start(nodes: number): Promise<FaultyNetwork> {
    const folder = await mkdtemp(join(tmpdir(), 'isochrone-faults-'))
    const network = new FaultyNetwork(folder)
    try {
      await network.#start(nodes)
      return network
    } catch (error) {
      await network.stop()
      throw error
    }
  }

  /** By the id that an answer's header names. */
  node(id: string): KillableProcess {
    const node = this.#nodes.get(id)
    if (node === undefined) throw new Error(`there is no node ${id}`)
    return node
  }

  async stop(): Promise<void> {
    await Promise.all([this.#gateway, ...this.#nodes.values()].map((one) => one.kill()))
    await rm(this.#folder, { recursive: true, force: true })
  }

  async #start(nodes: number): Promise<void> {
    const folder = this.#folder
    await importModel(join(root, 'models', model), { storeDir: join(folder, 'models') })
    const facts = await this.#gateway.start()
    this.url = String(facts['url'])
    for (let i = 1; i <= nodes; i += 1) {
      const name = `node-${i}`
      const args = nodeArgs(folder, name, [String(facts['meshAddress'])])
      const node = new KillableProcess(name, args, folder)
      const { id } = await node.start()
      this.#nodes.set(String(id), node)
    }
  }
}

function gatewayArgs(folder: string): readonly string[] {
  return [
    ...['gateway', '--config', 'none', '--data', folder, '--port', '0', '--mesh-port', '0'],
    ...['--token', joinToken, '--no-auth', '--json', '--log-level', 'warn'],
  ]
}

export function nodeArgs(
  folder: string,
  name: string,
  gateways: readonly string[],
): readonly string[] {
  return [
    ...['node', '--config', 'none', '--data', folder, '--name', name],
    ...gateways.flatMap((gateway) => ['--join', gateway]),
    ...['--token', joinToken, '--model', model, '--backend', 'cpu', '--threads', '1'],
    ...['--benchmark-ms', '0', '--drain-limit-ms', '0', '--json', '--log-level', 'warn'],
  ]
}
