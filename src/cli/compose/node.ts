/** The composition root of a node. */
import { readFileSync } from 'node:fs'
import { networkInterfaces } from 'node:os'
import { join, resolve } from 'node:path'
import { type Log, secureRandom, systemClock } from '../../base/index.ts'
import {
  createNode,
  type IsochroneNode,
  measureSpeeds,
  type NodeModules,
  type NodeOptions,
  parseGatewayAddress,
} from '../../node/index.ts'
import { asIsochroneError, type Identity, shortId } from '../../protocol/index.ts'
import { createTlsTransport } from '../../transport/index.ts'
import { dataFolder } from '../files/data-folder.ts'
import { lockDataFolder } from '../files/data-lock.ts'
import { takeTurn } from '../files/exclusive-lock.ts'
import { openIdentity } from '../files/identity-file.ts'
import { openKnownGateways } from '../files/known-gateways-file.ts'
import { type MeshViewFile, openMeshView } from '../files/mesh-view-file.ts'
import { keepOutOfGit } from '../files/out-of-git.ts'
import { type CommandContext, exitCode } from '../options/command.ts'
import { commandLine } from '../options/command-line.ts'
import { usageError } from '../options/usage-error.ts'
import { reportToParent } from '../process/child-report.ts'
import { watchLifetime, whenStopping } from '../process/lifetime.ts'
import { programLog } from '../process/program-log.ts'
import { softwareVersion } from '../version.ts'
import { emulatedPaths } from './emulated-paths.ts'
import { composeEngine, type EngineChoice } from './engine.ts'
import { keptGateways } from './kept-gateways.ts'
import { declaredCell } from './location.ts'
import { engineProbes, machineFindings } from './probes.ts'
import { ownHost, reachableAddress } from './reachable-address.ts'

export interface NodeCommandOptions extends EngineChoice {
  readonly join: readonly string[]
  readonly token: string | undefined
  readonly 'token-file': string | undefined
  readonly region: string
  readonly location: string
  readonly network: string
  readonly data: string
  readonly name: string
  readonly store: string | undefined
  readonly 'cluster-bound-ms': number
  readonly listen: string | undefined
  readonly advertise: string | undefined
  readonly 'prompt-price': number
  readonly 'completion-price': number
  readonly 'benchmark-ms': number
  readonly 'drain-limit-ms': number
  readonly 'emulated-wan': number
  readonly 'emulated-path': readonly string[]
  readonly 'log-level': string
  readonly json: boolean
}

const anotherNode = 'give this node a folder of its own with --name NAME'
/** Longer than a dozen nodes take; a node that waits still joins. */
const measuringPatienceMs = 15_000

export async function runNode(
  options: NodeCommandOptions,
  context: CommandContext,
): Promise<number> {
  const lifetime = watchLifetime()
  const folder = dataFolder(options.data, context.folder)
  try {
    const gateways = gatewaysOf(options)
    const token = tokenOf(options, context.folder)
    keepOutOfGit(folder.root)
    const lock = lockDataFolder(folder.node(options.name), anotherNode)
    try {
      const cell = await declaredCell(options.location)
      const prepared = await prepare(options, context)
      const composed = { ...options, gateways, token, cell }
      const { contacts, node } = compose(composed, { context, prepared })
      try {
        reportToParent({ type: 'stage', stage: 'joining' })
        await Promise.race([node.start(), whenStopping(lifetime)])
        if (!lifetime.stopping.aborted) announce(node, options, context)
        await whenStopping(lifetime)
        await node.drain()
      } finally {
        try {
          await node.close()
          await prepared.engine.close()
        } finally {
          await contacts.settled()
        }
      }
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

function gatewaysOf(options: NodeCommandOptions): NodeOptions['gateways'] {
  if (options.join.length === 0) {
    throw usageError(
      '--join is missing: the gateway prints the line to start a node with. ' +
        `See: ${commandLine('node --help')}`,
    )
  }
  return options.join.map(parseGatewayAddress)
}

function tokenOf(options: NodeCommandOptions, folder: string): string {
  if (options.token !== undefined) return options.token
  const file = options['token-file']
  if (file === undefined) {
    throw usageError(
      'the join token is missing: give it as the variable ISOCHRONE_TOKEN, or --token-file FILE',
    )
  }
  try {
    const token = readFileSync(resolve(folder, file), 'utf8').trim()
    if (token !== '') return token
  } catch (error) {
    throw usageError(`cannot read --token-file ${file}: ${reasonOf(error)}`)
  }
  throw usageError(`--token-file ${file} is empty`)
}

function reasonOf(error: unknown): string {
  const { code } = error as NodeJS.ErrnoException
  return code === 'ENOENT' ? 'there is no such file' : String(error)
}

type Prepared = Pick<NodeModules, 'engine' | 'hardware' | 'speeds'>

/**
 * Loads and measures, one node of a data folder at a time: beside each other they would measure
 * one another, and a node that says it is slow is not asked.
 */
async function prepare(options: NodeCommandOptions, context: CommandContext): Promise<Prepared> {
  const { root, store } = dataFolder(options.data, context.folder)
  const log = programLog(options['log-level'], context.terminal)
  reportToParent({ type: 'stage', stage: 'waiting for its turn' })
  return takeTurn(join(root, 'measuring'), measuringPatienceMs, async () => {
    reportToParent({ type: 'stage', stage: 'loading the model' })
    const storeDir = resolve(context.folder, options.store ?? store)
    const engine = await composeEngine(options, { store: storeDir, log })
    reportToParent({ type: 'stage', stage: 'measuring' })
    const { hardware, faults } = await machineFindings(root)
    for (const fault of faults) log.warn('a measurement failed', { fault })
    const budget = { budgetMs: options['benchmark-ms'] }
    const speeds = await measureSpeeds(engine, budget, systemClock)
    return { engine, hardware, speeds }
  })
}

interface ComposeOptions extends NodeCommandOptions {
  readonly gateways: NodeOptions['gateways']
  readonly token: string
  readonly cell: string
}

function compose(
  options: ComposeOptions,
  parts: { readonly context: CommandContext; readonly prepared: Prepared },
): { readonly node: IsochroneNode; readonly contacts: MeshViewFile } {
  const { context, prepared } = parts
  const log = programLog(options['log-level'], context.terminal)
  const folder = dataFolder(options.data, context.folder).node(options.name)
  const identity = openIdentity(folder)
  const contacts = openMeshView(folder, log)
  const known = openKnownGateways(folder)
  const told = options.gateways
  const gateways = [...told, ...keptGateways(contacts.load(), told, known)]
  const node = createNode(nodeOptions({ ...options, gateways }), {
    ...prepared,
    checkItself: engineProbes.integerExact,
    identity,
    createTransport: transportOf(options, identity, log),
    known,
    contacts,
    advertised: (bound) =>
      options.advertise ?? reachableAddress(bound, ownHost(networkInterfaces())),
    clock: systemClock,
    random: secureRandom,
    log,
  })
  return { node, contacts }
}

function nodeOptions(options: ComposeOptions): NodeOptions {
  return {
    gateways: options.gateways,
    token: options.token,
    network: options.network,
    region: options.region,
    cell: options.cell,
    softwareVersion: softwareVersion(),
    clusterBoundMs: options['cluster-bound-ms'],
    ...(options.listen === undefined ? {} : { listen: options.listen }),
    promptPrice: options['prompt-price'],
    completionPrice: options['completion-price'],
    limits: { drainLimitMs: options['drain-limit-ms'] },
  }
}

function transportOf(
  options: NodeCommandOptions,
  identity: Identity,
  log: Log,
): NodeModules['createTransport'] {
  const base = { identity, log, clock: systemClock, random: secureRandom }
  const decorateSocket = emulatedPaths(options['emulated-wan'], options['emulated-path'])
  const wideArea = decorateSocket === undefined ? {} : { decorateSocket }
  return (events) => createTlsTransport({ ...base, ...wideArea }, events)
}

function announce(node: IsochroneNode, options: NodeCommandOptions, context: CommandContext): void {
  const { models, region } = node.record()
  const speed = models[0]?.decodeTokensPerSecond ?? 0
  reportToParent({
    type: 'ready',
    facts: { id: node.id, models: models.length, decodeTokensPerSecond: Math.round(speed) },
  })
  const { terminal } = context
  if (options.json) {
    const { gateway, id } = { gateway: node.joined(), id: node.id }
    terminal.out(`${JSON.stringify({ id, region, gateways: gateway, models })}\n`)
    return
  }
  const { style } = terminal
  terminal.out(`${style.green('Joined')} as node ${style.bold(shortId(node.id))} (${node.id})\n`)
  for (const model of models) {
    const { decodeTokensPerSecond: pace, quantisation, runtime } = model
    const known = [runtime, ...(quantisation === 'unknown' ? [] : [quantisation])]
    const shown = pace > 0 ? [...known, `${Math.round(pace)} tokens/s`] : known
    terminal.out(`  serves ${model.name} (${shown.join(', ')})\n`)
  }
  terminal.out('Stop with Ctrl-C: running answers are finished first.\n')
}
