/** The composition root of a gateway. */
import { rmSync } from 'node:fs'
import { networkInterfaces } from 'node:os'
import { resolve } from 'node:path'
import { type Log, secureRandom, systemClock } from '../../base/index.ts'
import type { Engine } from '../../engine/index.ts'
import { EvidenceBook } from '../../evidence/index.ts'
import {
  ApiKeyFile,
  createGateway,
  createJoinTokens,
  type Gateway,
  type GatewayOptions,
  hashSecret,
  makeSecret,
} from '../../gateway/index.ts'
import { defaultClusterRules, MeshAgent } from '../../mesh/index.ts'
import { asIsochroneError, hasCode, type Identity } from '../../protocol/index.ts'
import { defaultPolicy } from '../../routing/index.ts'
import { openSqliteStorage, type Storage } from '../../storage/index.ts'
import { createTlsTransport, type Transport } from '../../transport/index.ts'
import { writeFileAtomically } from '../files/atomic-file.ts'
import { type DataFolder, dataFolder } from '../files/data-folder.ts'
import { lockDataFolder } from '../files/data-lock.ts'
import { openIdentity } from '../files/identity-file.ts'
import { openLatencyMap } from '../files/latency-map-file.ts'
import { openMeshView } from '../files/mesh-view-file.ts'
import { keepOutOfGit } from '../files/out-of-git.ts'
import { readOrCreateSecret } from '../files/secret-file.ts'
import { type CommandContext, exitCode } from '../options/command.ts'
import { commandLine, dataFlag } from '../options/command-line.ts'
import { usageError } from '../options/usage-error.ts'
import { PolicyFile, type PolicyPath } from '../policy/policy-file.ts'
import { reportToParent } from '../process/child-report.ts'
import { watchLifetime, whenStopping } from '../process/lifetime.ts'
import { programLog } from '../process/program-log.ts'
import { softwareVersion } from '../version.ts'
import { emulatedPaths } from './emulated-paths.ts'
import { renderReadyGateway } from './gateway-announcement.ts'
import { declaredCell } from './location.ts'
import { ownHost, reachableAddress } from './reachable-address.ts'
import { takenPort } from './taken-port.ts'

export interface GatewayCommandOptions {
  readonly host: string
  readonly port: number
  readonly 'mesh-host': string
  readonly 'mesh-port': number
  readonly 'mesh-advertise': string | undefined
  readonly 'cluster-bound-ms': number
  readonly data: string
  readonly network: string
  readonly region: string
  readonly location: string
  readonly token: string | undefined
  readonly policy: string | undefined
  readonly upstream: readonly string[]
  readonly 'upstream-key': string | undefined
  readonly auth: boolean
  readonly 'body-bytes-max': number
  readonly 'requests-per-minute': number
  readonly 'tokens-per-minute': number
  readonly 'requests-in-flight-max': number
  readonly 'total-timeout-ms': number
  readonly 'first-token-timeout-ms': number
  readonly 'emulated-path': readonly string[]
  readonly 'log-level': string
  readonly json: boolean
}

/** Older observations say little after decay (evidence's half-life is far shorter). */
const evidenceKeptMs = 7 * 24 * 3600 * 1000

export async function runGateway(
  options: GatewayCommandOptions,
  context: CommandContext,
): Promise<number> {
  const lifetime = watchLifetime()
  const folder = dataFolder(options.data, context.folder)
  const log = programLog(options['log-level'], context.terminal)
  try {
    const upstreams = options.upstream.map(parseUpstream)
    keepOutOfGit(folder.root)
    const lock = lockDataFolder(folder.gateway)
    try {
      const policyPath = pathOf(options.policy, context)
      const running = await openGateway(options, { folder, log, upstreams, policyPath })
      announce(running, options, context)
      await whenStopping(lifetime)
      await closeGateway(running, folder)
    } finally {
      lock.release()
    }
    return exitCode.ok
  } catch (error) {
    const { code, message } = asIsochroneError(error)
    reportToParent({ type: 'failed', code, message })
    throw error
  } finally {
    lifetime.release()
  }
}

function pathOf(file: string | undefined, { folder }: CommandContext): PolicyPath | undefined {
  return file === undefined ? undefined : { file, path: resolve(folder, file) }
}

interface Upstream {
  readonly name: string
  readonly url: string
}

function parseUpstream(text: string): Upstream {
  const [, name, url] = /^([a-z0-9][a-z0-9-]{0,62})=(https?:\/\/\S+)$/.exec(text) ?? []
  if (name === undefined || url === undefined || !URL.canParse(url)) {
    throw usageError(
      `--upstream "${text}" must be NAME=URL, for example vllm=http://127.0.0.1:8000/v1; ` +
        'a name has lower-case letters, digits and "-"',
    )
  }
  return { name, url }
}

interface RunningGateway {
  readonly identity: Identity
  readonly gateway: Gateway
  readonly transport: Transport
  readonly mesh: MeshAgent
  readonly storage: Storage
  readonly engines: readonly Engine[]
  /** What is kept in the background. */
  readonly files: readonly { settled(): Promise<void> }[]
  readonly httpAddress: string
  readonly meshAddress: string
  readonly token: string
  readonly keys: ApiKeyFile
  readonly policyFile: PolicyFile | undefined
}

interface OpenModules {
  readonly folder: DataFolder
  readonly log: Log
  readonly upstreams: readonly Upstream[]
  readonly policyPath: PolicyPath | undefined
}

async function openGateway(
  options: GatewayCommandOptions,
  modules: OpenModules,
): Promise<RunningGateway> {
  const { folder, log } = modules
  const base = { clock: systemClock, random: secureRandom, log }
  const identity = openIdentity(folder.gateway)
  const token =
    options.token ?? readOrCreateSecret(folder.joinToken, () => makeSecret('join', secureRandom))
  const keys = new ApiKeyFile(folder.apiKeys, base)
  const storage = openSqliteStorage(folder.records, { ...base, signer: identity })
  const { close: _, ...stores } = storage
  const contacts = openMeshView(folder.gateway, log)
  const latencyStore = openLatencyMap(folder.gateway, log)
  const rules = { ...defaultClusterRules, boundMs: options['cluster-bound-ms'] }
  const mesh = new MeshAgent(
    { network: options.network, token, region: options.region, role: 'gateway', rules },
    {
      ...base,
      identity,
      contacts,
      transport: { dial: (...args) => transport.dial(...args) },
      onFault: (...args) => gateway.onPeerFault(...args),
      onNotice: (...args) => gateway.onNotice(...args),
      onExperience: (...args) => gateway.onExperience(...args),
    },
  )
  const policyFile = openPolicy(modules, () => gateway)
  const gateway = await createGateway(
    { ...gatewayOptions(options), cell: await declaredCell(options.location) },
    {
      ...base,
      identity,
      apiKeys: keys,
      joinTokens: createJoinTokens([hashSecret(token)]),
      policy: policyFile?.policy ?? defaultPolicy,
      evidence: restoredEvidence(storage),
      ...stores,
      latencyStore,
      mesh,
    },
  )
  policyFile?.watch()
  const { onConnection, onStream } = gateway
  const wideArea = emulatedPaths(0, options['emulated-path'])
  const transport = createTlsTransport(
    { ...base, identity, ...(wideArea === undefined ? {} : { decorateSocket: wideArea }) },
    { onConnection, onStream },
  )
  const engines = await addUpstreams(gateway, { options, modules })
  const httpAddress = await naming('port', options, gateway.listen())
  const meshAt = joinHostPort(options['mesh-host'], options['mesh-port'])
  const { address: meshAddress } = await naming('mesh-port', options, transport.listen(meshAt))
  mesh.start([options['mesh-advertise'] ?? reachable(meshAddress)])
  writeFileAtomically(folder.address, `http://${reachableAddress(httpAddress, '127.0.0.1')}\n`)
  return {
    identity,
    gateway,
    transport,
    mesh,
    storage,
    engines,
    files: [contacts, latencyStore],
    httpAddress,
    meshAddress,
    token,
    keys,
    policyFile,
  }
}

function openPolicy(
  { policyPath, log }: OpenModules,
  gateway: () => Gateway,
): PolicyFile | undefined {
  if (policyPath === undefined) return undefined
  return new PolicyFile(policyPath, {
    clock: systemClock,
    log,
    onPolicy: (policy) => gateway().usePolicy(policy),
    onRefused(words) {
      gateway().refusedPolicy()
      reportToParent({ type: 'notice', words })
    },
  })
}

function restoredEvidence({ observations, sightings }: Storage): EvidenceBook {
  const evidence = new EvidenceBook({ clock: systemClock })
  const since = systemClock.now() - evidenceKeptMs
  evidence.restore(observations.since(since), sightings.since(since))
  return evidence
}

/** A taken port is mended by another value of an option: says which. */
async function naming<T>(
  option: 'port' | 'mesh-port',
  options: GatewayCommandOptions,
  bound: Promise<T>,
): Promise<T> {
  try {
    return await bound
  } catch (error) {
    if (!hasCode(error, 'address_in_use')) throw error
    const host = option === 'port' ? options.host : options['mesh-host']
    throw takenPort({ host, port: options[option], option }, error)
  }
}

function gatewayOptions(options: GatewayCommandOptions): GatewayOptions {
  return {
    httpAddress: joinHostPort(options.host, options.port),
    network: options.network,
    region: options.region,
    softwareVersion: softwareVersion(),
    requireApiKey: options.auth,
    keyCommand: isLoopback(options.host)
      ? commandLine(`keys create${dataFlag(options.data)}`)
      : undefined,
    limits: {
      bodyBytesMax: options['body-bytes-max'],
      requestsPerMinute: options['requests-per-minute'],
      tokensPerMinute: options['tokens-per-minute'],
      requestsInFlightMax: options['requests-in-flight-max'],
      totalMs: options['total-timeout-ms'],
      firstTokenMs: options['first-token-timeout-ms'],
    },
  }
}

async function addUpstreams(
  gateway: Gateway,
  about: { readonly options: GatewayCommandOptions; readonly modules: OpenModules },
): Promise<readonly Engine[]> {
  const { options, modules } = about
  const apiKey = options['upstream-key']
  const engines: Engine[] = []
  if (modules.upstreams.length === 0) return engines
  // Loaded only when needed: a gateway of nodes alone has no use for an engine's memory.
  const { createUpstreamEngine } = await import('../../engine/index.ts')
  for (const { name, url } of modules.upstreams) {
    const engine = await createUpstreamEngine({
      url,
      name,
      clock: systemClock,
      log: modules.log,
      ...(apiKey === undefined ? {} : { apiKey }),
    })
    gateway.addUpstream({ name, engine, region: options.region })
    engines.push(engine)
  }
  return engines
}

async function closeGateway(running: RunningGateway, folder: DataFolder): Promise<void> {
  // Clients of this machine should not look for a gateway that is gone.
  rmSync(folder.address, { force: true })
  running.policyFile?.stop()
  try {
    const left = running.mesh.leave()
    await running.gateway.close()
    await left
    await running.transport.close()
    for (const engine of running.engines) await engine.close()
    await running.storage.close()
  } finally {
    for (const file of running.files) await file.settled()
  }
}

function joinHostPort(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

/** Where nodes of other machines find this one. */
function reachable(meshAddress: string): string {
  return reachableAddress(meshAddress, ownHost(networkInterfaces()))
}

/** Only callers of this machine can type its commands, and should read the names of its folders. */
function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || host.startsWith('127.')
}

function announce(
  running: RunningGateway,
  options: GatewayCommandOptions,
  context: CommandContext,
): void {
  const { httpAddress, identity, keys, meshAddress, token } = running
  const url = `http://${reachableAddress(httpAddress, '127.0.0.1')}`
  reportToParent({ type: 'ready', facts: { url, id: identity.id, meshAddress } })
  const { terminal } = context
  if (options.json) {
    terminal.out(`${JSON.stringify({ url, id: identity.id, meshAddress, token })}\n`)
    return
  }
  if (process.connected) return
  const ready = {
    url,
    meshAddress,
    joinAddress: `${identity.id}@${reachable(meshAddress)}`,
    token,
    hasKeys: options.auth ? keys.list().length > 0 : undefined,
    data: options.data,
  }
  terminal.out(renderReadyGateway(ready, terminal.style))
}
