/**
 * How soon every gateway refuses a node that one of them has found out: three gateways, real
 * processes, the third of them far from the other two and so in another cluster.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { importModel } from '../../src/models/index.ts'
import { factsOf, joinToken, KillableProcess, model, nodeArgs, root } from './network.ts'
import { type Misdeed, WrongNode } from './wrong-node.ts'

const network = 'isochrone'
const gatewayCount = 3
/** One way: half of a transatlantic round trip. */
const farMs = 40
/** Members find each other within a minute; processes start together here. */
const meetingLimitMs = 180_000
const lookMs = 10
/** By then every gateway has long refused it, or never will. */
const refusalLimitMs = 10_000
/** By chance alone a node among two is left out of so many once in a million times. */
const laterRequests = 20

export interface QuarantineRun {
  readonly misdeed: Misdeed
  /** From its answer until each gateway refuses it, ms; Infinity: not at all. */
  readonly afterMs: readonly number[]
  /** Requests that still reached it then. */
  readonly later: number
  /** Questions that the other gateways asked it themselves. */
  readonly rechecks: number
}

interface RunningGateway {
  readonly process: KillableProcess
  id: string
  url: string
  readonly mesh: string
}

export class SeveralGateways {
  readonly #folder: string
  readonly #node: KillableProcess
  readonly gateways: readonly RunningGateway[]
  #honest = ''

  private constructor(folder: string, ports: readonly number[]) {
    this.#folder = folder
    const meshes = ports.map((port) => `127.0.0.1:${port}`)
    this.gateways = meshes.map((mesh, i) => {
      const args = gatewayArgs(join(folder, `gateway-${i}`), i, meshes)
      const name = `gateway-${i}`
      return { process: new KillableProcess(name, args, folder), id: '', url: '', mesh }
    })
    this.#node = new KillableProcess('node', nodeArgs(folder, 'node', meshes), folder)
  }

  static async start(): Promise<SeveralGateways> {
    const folder = await mkdtemp(join(tmpdir(), 'isochrone-gateways-'))
    const all = new SeveralGateways(folder, await freePorts(gatewayCount))
    try {
      await all.#start()
      return all
    } catch (error) {
      await all.stop()
      throw error
    }
  }

  async stop(): Promise<void> {
    const all = [this.#node, ...this.gateways.map((gateway) => gateway.process)]
    await Promise.all(all.map((one) => one.kill()))
    await rm(this.#folder, { recursive: true, force: true })
  }

  async startGateway(index: number): Promise<void> {
    const gateway = this.#gateway(index)
    const { id, url } = await gateway.process.start()
    gateway.id = String(id)
    gateway.url = String(url)
  }

  /** Resolves when what each gateway says reaches each other. */
  async meet(): Promise<void> {
    for (let from = 0; from < gatewayCount; from += 1) {
      const run = await this.run('other-model', from, meetingLimitMs)
      if (run.afterMs.some((ms) => ms === Number.POSITIVE_INFINITY)) {
        throw new Error(`gateways have not met within ${meetingLimitMs} ms`)
      }
    }
  }

  /** The cluster that each gateway is in. */
  async clusters(): Promise<readonly (string | null)[]> {
    return Promise.all(this.gateways.map(({ id, url }) => clusterOf(id, url)))
  }

  /** A new node answers wrongly at one gateway. */
  async run(misdeed: Misdeed, at: number, limitMs = refusalLimitMs): Promise<QuarantineRun> {
    const node = await this.wrongNode(misdeed)
    try {
      const answeredAtMs = await this.caught(node, at)
      const openedAtMs = await this.refusals(node, limitMs)
      const before = node.visits.length
      for (const index of this.gateways.keys()) {
        for (let i = 0; i < laterRequests; i += 1) await this.ask(index)
      }
      const later = node.visits.length - before
      const afterMs = openedAtMs.map((ms) => ms - answeredAtMs)
      return { misdeed, afterMs, later, rechecks: before - 1 }
    } finally {
      await node.leave()
    }
  }

  /** Joined at all gateways. */
  async wrongNode(misdeed: Misdeed): Promise<WrongNode> {
    const node = new WrongNode(misdeed, { network, model })
    await Promise.all(this.gateways.map(({ mesh }) => node.join(mesh, joinToken)))
    return node
  }

  /** Whoever is not the honest one. @returns the answer's status */
  askWrong(at: number): Promise<number> {
    return this.ask(at, [this.#honest])
  }

  /** An operator's key of one gateway. */
  async operatorKey(at: number): Promise<string> {
    const args = ['keys', 'create', '--operator', '--json', '--config', 'none']
    const data = ['--data', join(this.#folder, `gateway-${at}`)]
    return String((await factsOf([...args, ...data], this.#folder))['key'])
  }

  /** @returns when it had given its wrong answer */
  async caught(node: WrongNode, at: number): Promise<number> {
    await this.askWrong(at)
    const [visit] = node.visits
    if (visit === undefined) throw new Error('the wrong node was not asked')
    return visit.answeredAtMs
  }

  /** When each gateway began to refuse it; Infinity: not until then. */
  async refusals(node: WrongNode, limitMs = refusalLimitMs): Promise<readonly number[]> {
    const untilMs = performance.now() + limitMs
    const refusals = this.gateways.map(() => Number.POSITIVE_INFINITY)
    while (refusals.includes(Number.POSITIVE_INFINITY) && performance.now() < untilMs) {
      for (const [index, ms] of refusals.entries()) {
        if (ms === Number.POSITIVE_INFINITY) refusals[index] = await this.#refusal(index, node.id)
      }
      await delay(lookMs)
    }
    return refusals
  }

  /** @returns the answer's status */
  async ask(at: number, exclude: readonly string[] = []): Promise<number> {
    const response = await fetch(`${this.#gateway(at).url}/v1/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ model, prompt: 'One', max_tokens: 1, isochrone: { exclude } }),
    })
    await response.text()
    return response.status
  }

  async #refusal(at: number, node: string): Promise<number> {
    const response = await fetch(`${this.#gateway(at).url}/v1/incidents`)
    const { data } = (await response.json()) as { data: readonly IncidentView[] }
    const found = data.find((one) => one.state === 'quarantined' && one.subject.worker === node)
    return found?.opened_at_ms ?? Number.POSITIVE_INFINITY
  }

  #gateway(index: number): RunningGateway {
    const gateway = this.gateways[index]
    if (gateway === undefined) throw new Error(`there is no gateway ${index}`)
    return gateway
  }

  async #start(): Promise<void> {
    await importModel(join(root, 'models', model), { storeDir: join(this.#folder, 'models') })
    await Promise.all(this.gateways.keys().map((index) => this.startGateway(index)))
    const { id } = await this.#node.start()
    this.#honest = String(id)
  }
}

async function clusterOf(id: string, url: string): Promise<string | null> {
  const response = await fetch(`${url}/v1/mesh`)
  const { regions } = (await response.json()) as MeshView
  const clusters = regions.flatMap((region) => region.clusters)
  return clusters.find(({ members }) => members.some((one) => one.id === id))?.id ?? null
}

interface MeshView {
  readonly regions: readonly {
    readonly clusters: readonly {
      readonly id: string | null
      readonly members: readonly { readonly id: string }[]
    }[]
  }[]
}

interface IncidentView {
  readonly state: string
  readonly opened_at_ms: number
  readonly subject: { readonly worker?: string }
}

function gatewayArgs(folder: string, index: number, meshes: readonly string[]): readonly string[] {
  const isFar = (i: number) => i === gatewayCount - 1
  const paths = meshes.flatMap((mesh, i) =>
    isFar(i) === isFar(index) ? [] : ['--emulated-path', `${mesh}=${farMs}`],
  )
  return [
    ...['gateway', '--config', 'none', '--data', folder, '--port', '0', '--network', network],
    ...['--mesh-port', meshes[index]?.split(':')[1] ?? '', '--token', joinToken, '--no-auth'],
    ...['--json', '--log-level', 'warn', ...paths],
  ]
}

/** All different, because none is given back before all are taken. */
async function freePorts(count: number): Promise<readonly number[]> {
  const servers = Array.from({ length: count }, () => createServer())
  const ports: number[] = []
  for (const server of servers) {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const address = server.address()
    if (typeof address === 'object' && address !== null) ports.push(address.port)
  }
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
  return ports
}
