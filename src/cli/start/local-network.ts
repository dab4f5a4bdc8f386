/** The processes of a local network: one gateway, then its nodes, all watched. */
import { join } from 'node:path'
import { secureRandom, seededRandom } from '../../base/index.ts'
import { IsochroneError, type NodeId, shortId } from '../../protocol/index.ts'
import type { DataFolder } from '../files/data-folder.ts'
import type { ReadyFacts } from '../process/child-report.ts'
import { formatDuration } from '../terminal/progress.ts'
import type { Terminal } from '../terminal/terminal.ts'
import type { RunningNetwork } from './announcement.ts'
import { SupervisedChild } from './child.ts'
import { findFreePorts } from './free-port.ts'
import { type EmulatedRegion, gatewayRegion, oneWayDelayMs, regionOfNode } from './regions.ts'

export interface LocalNetworkOptions {
  readonly nodes: number
  readonly port: number
  /** Where nodes join; 0: anywhere. */
  readonly meshPort: number
  readonly wan: boolean
  /** Absolute. */
  readonly policy: string | undefined
}

export interface LocalNetworkModules {
  readonly folder: DataFolder
  readonly terminal: Terminal
  readonly model: string
}

/** Two are taken for 0: the tiny model's decode is one small product after the other. */
const threadsPerNode = 1
const slotsPerNode = 8
const loopback = '127.0.0.1'
/** Enough for some rounds of the reference model; nodes measure one after the other. */
const benchmarkMs = 500
const drainLimitMs = 3_000
/** The whole network is ready by then, or says which node is not. */
const readyLimitMs = 60_000

interface PlacedNode {
  readonly child: SupervisedChild
  readonly region: EmulatedRegion
  /** Where others dial it; 0: anywhere. */
  port: number
  facts: ReadyFacts | undefined
  /** What to tell of its joining. */
  joined: string
}

export class LocalNetwork {
  readonly #options: LocalNetworkOptions
  readonly #modules: LocalNetworkModules
  readonly #gateway: SupervisedChild
  readonly #nodes: readonly PlacedNode[]
  #gatewayFacts: ReadyFacts | undefined
  #port: number
  #meshPort: number
  /** How many nodes' joining has been told. */
  #told = 0
  #reject: (error: IsochroneError) => void = () => {}
  /** Rejects when the network cannot go on. */
  readonly failed: Promise<never>

  constructor(options: LocalNetworkOptions, modules: LocalNetworkModules) {
    this.#options = options
    this.#modules = modules
    this.#port = options.port
    this.#meshPort = options.meshPort
    this.failed = new Promise((_, reject) => {
      this.#reject = reject
    })
    this.failed.catch(() => {})
    this.#gateway = this.#child('gateway', () => this.#gatewayCommand())
    this.#nodes = Array.from({ length: options.nodes }, (_, i) => {
      const region = regionOfNode(i)
      const name = `node-${i + 1}`
      const child = this.#child(name, () => this.#nodeCommand(name, region))
      return { child, region, port: 0, facts: undefined, joined: '' }
    })
  }

  async start(): Promise<void> {
    if (this.#options.wan) await this.#choosePorts()
    const facts = await this.#withLimit(this.#gateway.start(), 'gateway')
    this.#gatewayFacts = facts
    const url = new URL(String(facts['url']))
    this.#port = Number(url.port)
    this.#meshPort = Number(String(facts['meshAddress']).split(':').at(-1))
    this.#tell('gateway', `${url.origin}, in ${gatewayRegion}, pid ${this.#gateway.pid}`)
    const starts = this.#nodes.map((node) => this.#startNode(node))
    await Promise.all(starts)
    this.#clearStatus()
  }

  describe(): Omit<RunningNetwork, 'apiKey' | 'startedInMs' | 'emulated'> {
    const facts = this.#gatewayFacts ?? {}
    return {
      url: String(facts['url']),
      model: this.#modules.model,
      meshAddress: String(facts['meshAddress']),
      gatewayId: String(facts['id']),
      gatewayPid: this.#gateway.pid ?? null,
      nodes: this.#nodes.map(({ child, region, facts: ready }) => ({
        name: child.name,
        id: String(ready?.['id']),
        region,
        pid: child.pid ?? null,
      })),
    }
  }

  /** Nodes first, so that they can still tell the gateway. */
  async stop(): Promise<void> {
    await Promise.all(this.#nodes.map(({ child }) => child.stop()))
    await this.#gateway.stop()
  }

  kill(): void {
    for (const { child } of this.#nodes) child.kill()
    this.#gateway.kill()
  }

  async #startNode(node: PlacedNode): Promise<void> {
    const startedMs = performance.now()
    node.facts = await this.#withLimit(node.child.start(), node.child.name)
    const took = formatDuration(performance.now() - startedMs)
    const speed = `${node.facts['decodeTokensPerSecond']} tokens/s, pid ${node.child.pid}`
    const id = shortId(String(node.facts['id']) as NodeId)
    node.joined = `${id}  ${node.region.padEnd(12)}  joined after ${took}, ${speed}`
    this.#tellJoined()
    this.#showStatus()
  }

  /** In the nodes' order, not in that of their joining: easier to look up. */
  #tellJoined(): void {
    for (;;) {
      const next = this.#nodes[this.#told]
      if (next === undefined || next.joined === '') return
      this.#tell(next.child.name, next.joined)
      this.#told += 1
    }
  }

  #child(name: string, command: () => readonly string[]): SupervisedChild {
    const { folder } = this.#modules
    const logFile = join(folder.logs, `${name}.log`)
    const child: SupervisedChild = new SupervisedChild(
      { name, command, env: childEnvironment(process.env), logFile },
      {
        onStage: () => this.#showStatus(),
        onNotice: (words) => this.#warn(`${name}: ${words}`),
        onRestart: (how, delayMs) =>
          this.#warn(`${name} ended (${how}); it starts again in ${formatDuration(delayMs)}`),
        onReturn: () => this.#tell(name, `is back, pid ${child.pid}`),
        onGivenUp: (error) =>
          this.#reject(
            new IsochroneError(error.code, `${name} ends again and again: ${error.message}`),
          ),
      },
    )
    return child
  }

  #gatewayCommand(): readonly string[] {
    const { folder } = this.#modules
    const command = ['gateway', '--config', 'none', '--data', folder.root]
    const ports = ['--port', String(this.#port), '--mesh-port', String(this.#meshPort)]
    const place = ['--region', gatewayRegion, ...this.#paths(gatewayRegion)]
    const { policy } = this.#options
    const rules = policy === undefined ? [] : ['--policy', policy]
    return [...command, ...ports, ...place, ...rules, '--log-level', 'warn']
  }

  /** How far the nodes are from a region. */
  #paths(from: EmulatedRegion): readonly string[] {
    if (!this.#options.wan) return []
    return this.#pathsFrom(from).flatMap((path) => ['--emulated-path', path])
  }

  #pathsFrom(from: EmulatedRegion): readonly string[] {
    return this.#nodes.map(
      ({ port, region }) => `${loopback}:${port}=${oneWayDelayMs(from, region)}`,
    )
  }

  /** Without it, a node that is added by hand would be next door to every region. */
  configurationOfAddedNode(): string {
    return [
      '# Where a node that is added by hand is in the emulated wide area. Written by each start.',
      'node:',
      `  region: ${gatewayRegion}`,
      `  emulated-wan: ${oneWayDelayMs(gatewayRegion, gatewayRegion)}`,
      '  emulated-path:',
      ...this.#pathsFrom(gatewayRegion).map((path) => `    - ${path}`),
      '',
    ].join('\n')
  }

  /**
   * Who dials tells from the port how far it is; so ports are chosen before anybody dials. They
   * follow from the one that is kept: to a node that was added by hand, a network that starts again
   * is as it was.
   */
  async #choosePorts(): Promise<void> {
    if (this.#meshPort === 0) {
      const [port = 0] = await findFreePorts(loopback, 1, secureRandom)
      this.#meshPort = port
    }
    const drawn = seededRandom(this.#meshPort)
    const ports = await findFreePorts(loopback, this.#nodes.length + 1, drawn)
    const others = ports.filter((port) => port !== this.#meshPort)
    for (const [i, node] of this.#nodes.entries()) node.port = others[i] ?? 0
  }

  #nodeCommand(name: string, region: EmulatedRegion): readonly string[] {
    const { folder, model } = this.#modules
    const gateway = `${this.#gatewayFacts?.['id']}@${loopback}:${this.#meshPort}`
    const port = this.#nodes.find(({ child }) => child.name === name)?.port ?? 0
    const delayMs = this.#options.wan ? oneWayDelayMs(region, gatewayRegion) : 0
    return [
      ...['node', '--config', 'none', '--data', folder.root, '--name', name],
      ...['--join', gateway, '--token-file', folder.joinToken, '--region', region],
      ...['--model', model, '--backend', 'cpu', '--threads', String(threadsPerNode)],
      ...['--slots', String(slotsPerNode), '--benchmark-ms', String(benchmarkMs)],
      ...['--drain-limit-ms', String(drainLimitMs), '--emulated-wan', String(delayMs)],
      ...['--listen', `${loopback}:${port}`, ...this.#paths(region), '--log-level', 'warn'],
    ]
  }

  async #withLimit(ready: Promise<ReadyFacts>, name: string): Promise<ReadyFacts> {
    let timer: NodeJS.Timeout | undefined
    const limit = new Promise<never>((_, reject) => {
      const { logs } = this.#modules.folder
      const message =
        `${name} was not ready after ${formatDuration(readyLimitMs)}; its log is ` +
        `${join(logs, `${name}.log`)}. On a slow machine, start fewer nodes with --nodes N.`
      timer = setTimeout(
        () => reject(new IsochroneError('deadline_exceeded', message)),
        readyLimitMs,
      )
    })
    try {
      return await Promise.race([ready, limit])
    } finally {
      clearTimeout(timer)
    }
  }

  #tell(name: string, message: string): void {
    const { terminal } = this.#modules
    this.#clearStatus()
    terminal.note(`  ${terminal.noteStyle.green('✓')} ${name.padEnd(8)} ${message}\n`)
  }

  #warn(message: string): void {
    const { terminal } = this.#modules
    this.#clearStatus()
    terminal.note(`  ${terminal.noteStyle.yellow('!')} ${message}\n`)
  }

  #showStatus(): void {
    const { terminal } = this.#modules
    const ready = this.#nodes.filter(({ facts }) => facts !== undefined).length
    if (!terminal.redraws || ready === this.#nodes.length) return
    const text = `  … ${ready} of ${this.#nodes.length} nodes have joined`
    terminal.note(`\r\u001b[2K${terminal.noteStyle.dim(text)}`)
  }

  #clearStatus(): void {
    if (this.#modules.terminal.redraws) this.#modules.terminal.note('\r\u001b[2K')
  }
}

/** Options meant for `start` must not reach its children: theirs are given as flags. */
function childEnvironment(
  env: Readonly<Record<string, string | undefined>>,
): Readonly<Record<string, string | undefined>> {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith('ISOCHRONE_')))
}
