/**
 * For end-to-end tests: a gateway and nodes as real processes, each behind a relay of its own, and
 * what every one of them says about the others in its log.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { type AddressInfo, createServer as createTcpServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Random } from '../base/index.ts'
import { FaultyRelay } from './faulty-relay.fixture.ts'

const main = join(import.meta.dirname, '..', '..', 'bin', 'isochrone.js')
const token = 'join_end-to-end'
/** More than any link takes here: all are one cluster, whatever the relays do. */
const clusterBoundMs = 1_000
const model = 'end-to-end'

type State = 'alive' | 'suspect' | 'dead' | 'left'

/** What the log says, and what it means. */
const sayings: Readonly<Record<string, State>> = {
  'a member joined': 'alive',
  'a member returned': 'alive',
  'a member refuted a suspicion': 'alive',
  'a member is suspected': 'suspect',
  'a member died': 'dead',
  'a member left': 'left',
}

export class MeshProcess {
  readonly name: string
  readonly relay: FaultyRelay
  readonly view = new Map<string, State>()
  /** Everyone whom it ever held for dead, in order. */
  readonly deaths: string[] = []
  id = ''
  exit: Promise<unknown> = Promise.resolve()
  process: ChildProcess | undefined
  readonly #args: readonly string[]
  readonly #onChange: () => void
  readonly #lastLines: string[] = []

  constructor(
    { name, args, relay }: { name: string; args: readonly string[]; relay: FaultyRelay },
    onChange: () => void,
  ) {
    this.name = name
    this.#args = args
    this.relay = relay
    this.#onChange = onChange
  }

  get isRunning(): boolean {
    const { process: child } = this
    return child !== undefined && child.exitCode === null && child.signalCode === null
  }

  /** @returns the first line that it prints: its facts, when it has joined or listens */
  start(folder: string): Promise<string> {
    this.view.clear()
    const child = spawn(process.execPath, [main, ...this.#args], {
      cwd: folder,
      env: { PATH: process.env['PATH'], HOME: folder },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.process = child
    this.exit = once(child, 'exit')
    createInterface(child.stderr).on('line', (line) => this.#read(line))
    const line = once(createInterface(child.stdout), 'line').then(([text]) => String(text))
    const failed = this.exit.then(() => {
      throw new Error(`${this.name} ended:\n${this.#lastLines.join('\n')}`)
    })
    failed.catch(() => {})
    return Promise.race([line, failed])
  }

  signal(name: NodeJS.Signals): void {
    this.process?.kill(name)
  }

  #read(line: string): void {
    this.#lastLines.push(line)
    if (this.#lastLines.length > 20) this.#lastLines.shift()
    if (!line.startsWith('{')) return
    const { message, member } = JSON.parse(line) as { message?: string; member?: string }
    const state = sayings[message ?? '']
    if (state === undefined || member === undefined) return
    this.view.set(member, state)
    if (state === 'dead') this.deaths.push(member)
    this.#onChange()
  }
}

export class MeshOfProcesses {
  readonly folder = mkdtempSync(join(tmpdir(), 'isochrone-mesh-'))
  readonly gateway: MeshProcess
  readonly nodes: readonly MeshProcess[]
  /** Of the gateway, for clients. */
  url = ''
  readonly #upstream: Server
  #onChange: () => void = () => {}

  private constructor(parts: {
    upstream: Server
    make: (changed: () => void) => { gateway: MeshProcess; nodes: MeshProcess[] }
  }) {
    this.#upstream = parts.upstream
    const { gateway, nodes } = parts.make(() => this.#onChange())
    this.gateway = gateway
    this.nodes = nodes
  }

  static async start(count: number, random: Random): Promise<MeshOfProcesses> {
    const upstream = await startUpstream()
    const ports = await freePorts(count + 1)
    const relays = await Promise.all(ports.map((port) => FaultyRelay.to(port, random)))
    const url = `http://127.0.0.1:${(upstream.address() as AddressInfo).port}/v1`
    const make = (changed: () => void) => {
      const all = relays.map((relay, i) => {
        const listening = { port: ports[i] ?? 0, advertised: relay.address }
        const join = relays[0]?.address ?? ''
        const name = i === 0 ? 'gateway' : `node-${i}`
        const args = i === 0 ? gatewayArgs(listening) : nodeArgs(name, { ...listening, join, url })
        return new MeshProcess({ name, args, relay }, changed)
      })
      const [gateway, ...nodes] = all
      if (gateway === undefined) throw new Error('there is always a gateway')
      return { gateway, nodes }
    }
    const mesh = new MeshOfProcesses({ upstream, make })
    try {
      const told = JSON.parse(await mesh.gateway.start(mesh.folder))
      mesh.gateway.id = told.id
      mesh.url = told.url
      await Promise.all(mesh.nodes.map((node) => mesh.startNode(node)))
      return mesh
    } catch (error) {
      await mesh.stop()
      throw error
    }
  }

  /** Resolves when it has joined the gateway. */
  async startNode(node: MeshProcess): Promise<void> {
    node.id = JSON.parse(await node.start(this.folder)).id
  }

  get all(): readonly MeshProcess[] {
    return [this.gateway, ...this.nodes]
  }

  /** Resolves with who answered, once it has, and with the decision's id. */
  async ask(): Promise<{ readonly worker: string; readonly decision: string }> {
    const response = await fetch(`${this.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ model, messages: [{ role: 'user', content: 'go' }], max_tokens: 4 }),
    })
    const text = await response.text()
    if (!response.ok) throw new Error(`the gateway answered ${response.status}: ${text}`)
    const header = (name: string) => response.headers.get(name) ?? ''
    return { worker: header('x-isochrone-worker'), decision: header('x-isochrone-decision') }
  }

  /** Resolves with the ms it took until every one of these holds this one for that. */
  async seen(
    subject: MeshProcess,
    state: State,
    about: { readonly by: readonly MeshProcess[]; readonly limitMs: number },
  ): Promise<number> {
    return this.until(() => about.by.every(({ view }) => view.get(subject.id) === state), {
      ...about,
      what: `${subject.name} is ${state}`,
    })
  }

  /** Resolves with the ms it took until each of these holds all others of them for alive. */
  oneView(of: readonly MeshProcess[], limitMs: number): Promise<number> {
    const isRight = ({ id, view }: MeshProcess) =>
      of.every((other) => other.id === id || view.get(other.id) === 'alive')
    return this.until(() => of.every(isRight), { by: of, limitMs, what: 'there is one view' })
  }

  async until(
    holds: () => boolean,
    about: {
      readonly by: readonly MeshProcess[]
      readonly limitMs: number
      readonly what: string
    },
  ): Promise<number> {
    const start = performance.now()
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(this.#describe(about))), about.limitMs)
    })
    try {
      while (!holds()) {
        const changed = new Promise<void>((resolve) => {
          this.#onChange = resolve
        })
        await Promise.race([changed, late])
      }
      return Math.round(performance.now() - start)
    } finally {
      clearTimeout(timer)
      late.catch(() => {})
    }
  }

  async stop(): Promise<void> {
    for (const one of this.all) one.signal('SIGKILL')
    await Promise.all(this.all.map(({ exit }) => exit))
    await Promise.all(this.all.map(({ relay }) => relay.close()))
    this.#upstream.close()
    rmSync(this.folder, { recursive: true, force: true })
  }

  #describe(about: {
    readonly by: readonly MeshProcess[]
    readonly limitMs: number
    readonly what: string
  }): string {
    const names = new Map(this.all.map(({ id, name }) => [id, name]))
    const views = about.by.map(({ name, view }) => {
      const told = [...view].filter(([, state]) => state !== 'alive')
      const others = told.map(([id, state]) => `${names.get(id) ?? id} ${state}`)
      return `  ${name} of ${view.size}: ${others.join(', ') || 'all alive'}`
    })
    return `after ${about.limitMs} ms it does not hold that ${about.what}:\n${views.join('\n')}`
  }
}

interface Listening {
  readonly port: number
  readonly advertised: string
}

function gatewayArgs({ port, advertised }: Listening): readonly string[] {
  return [
    ...['gateway', '--config', 'none', '--data', '.', '--port', '0', '--token', token, '--json'],
    ...['--mesh-port', String(port), '--mesh-advertise', advertised],
    ...['--cluster-bound-ms', String(clusterBoundMs), '--no-auth'],
  ]
}

function nodeArgs(
  name: string,
  about: Listening & { readonly join: string; readonly url: string },
): readonly string[] {
  return [
    ...['node', '--config', 'none', '--data', '.', '--name', name, '--token', token, '--json'],
    ...['--join', about.join, '--engine', 'upstream', '--upstream-url', about.url],
    ...['--benchmark-ms', '0', '--drain-limit-ms', '0'],
    ...['--cluster-bound-ms', String(clusterBoundMs)],
    ...['--listen', `127.0.0.1:${about.port}`, '--advertise', about.advertised],
  ]
}

/** All different, because none is given back before all are taken. */
async function freePorts(count: number): Promise<readonly number[]> {
  const servers = Array.from({ length: count }, () => createTcpServer().listen(0, '127.0.0.1'))
  await Promise.all(servers.map((server) => once(server, 'listening')))
  const ports = servers.map((server) => (server.address() as AddressInfo).port)
  for (const server of servers) server.close()
  await Promise.all(servers.map((server) => once(server, 'close')))
  return ports
}

/** An OpenAI-compatible server with one model, which has one word for everybody. */
async function startUpstream(): Promise<Server> {
  const models = { object: 'list', data: [{ id: model, object: 'model', created: 0 }] }
  const server = createServer((request, response) => {
    if (request.method === 'GET') {
      response.setHeader('content-type', 'application/json')
      response.end(JSON.stringify(models))
      return
    }
    request.resume().on('end', () => {
      response.setHeader('content-type', 'text/event-stream')
      response.write(chunk({ delta: { content: 'yes' }, finish_reason: null }))
      response.end(`${chunk({ delta: {}, finish_reason: 'stop' })}data: [DONE]\n\n`)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return server
}

function chunk(choice: object): string {
  const head = { id: 'c', object: 'chat.completion.chunk', created: 1, model }
  return `data: ${JSON.stringify({ ...head, choices: [{ index: 0, ...choice }] })}\n\n`
}
