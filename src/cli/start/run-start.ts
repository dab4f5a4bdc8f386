/** `isochrone start`: the model, a key, the gateway, the nodes; then watch them until the end. */
import { rmSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { secureRandom, systemClock } from '../../base/index.ts'
import { ApiKeyFile } from '../../gateway/index.ts'
import { importModel, listModels, type StoredModel } from '../../models/index.ts'
import { IsochroneError } from '../../protocol/index.ts'
import { writeFileAtomically } from '../files/atomic-file.ts'
import { type DataFolder, dataFolder } from '../files/data-folder.ts'
import { lockDataFolder } from '../files/data-lock.ts'
import { keepOutOfGit } from '../files/out-of-git.ts'
import { readSecretFile } from '../files/secret-file.ts'
import { type CommandContext, exitCode } from '../options/command.ts'
import { readPolicy } from '../policy/policy-file.ts'
import { type Lifetime, watchLifetime, whenStopping } from '../process/lifetime.ts'
import { createProgress } from '../terminal/progress.ts'
import type { Terminal } from '../terminal/terminal.ts'
import { programFolder, softwareVersion } from '../version.ts'
import { type Hints, type RunningNetwork, renderAnnouncement } from './announcement.ts'
import { checkPortIsFree } from './free-port.ts'
import { LocalNetwork } from './local-network.ts'
import { keepMeshPort, keptMeshPort } from './mesh-port.ts'

export interface StartOptions {
  readonly nodes: number
  readonly port: number
  readonly data: string
  readonly policy: string | undefined
  readonly wan: boolean
  readonly json: boolean
}

const referenceModel = 'isochrone-tiny'

export async function runStart(options: StartOptions, context: CommandContext): Promise<number> {
  const startedMs = systemClock.monotonic()
  const { terminal } = context
  const folder = dataFolder(options.data, context.folder)
  const policyPath = checkedPolicy(options.policy, context)
  let network: LocalNetwork | undefined
  const lifetime = watchLifetime(() => {
    network?.kill()
    process.exit(130)
  })
  keepOutOfGit(folder.root)
  const lock = lockDataFolder(folder.root)
  try {
    terminal.note(`\n${terminal.noteStyle.bold('Isochrone')} ${softwareVersion()}\n\n`)
    // What a gateway that was killed left behind.
    rmSync(folder.address, { force: true })
    await checkPortIsFree('127.0.0.1', options.port)
    const model = await provideModel(folder, terminal)
    const apiKey = provideLocalKey(folder)
    if (lifetime.stopping.aborted) return exitCode.ok
    const meshPort = await keptMeshPort(folder.meshPort)
    const modules = { folder, terminal, model: model.manifest.name }
    network = new LocalNetwork({ ...options, policy: policyPath, meshPort }, modules)
    const failed = network.failed
    const started = network.start()
    // Told below; without this a stop in the middle would leave a rejection that nobody hears.
    started.catch(() => {})
    await Promise.race([started, failed, whenStopping(lifetime)])
    if (!lifetime.stopping.aborted) {
      const facts = { apiKey, startedInMs: systemClock.monotonic() - startedMs }
      const running = { ...network.describe(), ...facts, emulated: options.wan }
      keepMeshPort(folder.meshPort, running.meshAddress)
      tellAddedNodes(network, options, folder)
      if (options.json) terminal.out(`${JSON.stringify(running)}\n`)
      else announce(running, hintsOf(options, folder), terminal)
      await untilEnd(lifetime, failed)
    }
    return exitCode.ok
  } finally {
    if (network !== undefined) await stop(network, terminal)
    lock.release()
    lifetime.release()
  }
}

/** Absolute; told of before anything starts, where it has a fault. */
function checkedPolicy(file: string | undefined, context: CommandContext): string | undefined {
  if (file === undefined) return undefined
  const path = resolve(context.folder, file)
  readPolicy({ file, path })
  return path
}

async function untilEnd(lifetime: Lifetime, failed: Promise<never>): Promise<void> {
  await Promise.race([whenStopping(lifetime), failed])
}

async function stop(network: LocalNetwork, terminal: Terminal): Promise<void> {
  terminal.note(`\n${terminal.noteStyle.dim('Stopping …')}\n`)
  await network.stop()
  terminal.note(`${terminal.noteStyle.dim('Every process has ended.')}\n`)
}

/** Imported once; later starts find it in the store. */
async function provideModel(folder: DataFolder, terminal: Terminal): Promise<StoredModel> {
  const present = await findModel(folder)
  if (present !== undefined) {
    tellModel(present, terminal)
    return present
  }
  const progress = createProgress(`  importing ${referenceModel}`, terminal, systemClock)
  await importModel(join(programFolder, 'models', referenceModel), {
    storeDir: folder.store,
    onProgress: ({ bytesDone, bytesTotal }) => progress.update(bytesDone, bytesTotal),
  })
  progress.finish('')
  const imported = await findModel(folder)
  if (imported === undefined) {
    throw new IsochroneError('internal', `${referenceModel} is not in ${folder.store} after import`)
  }
  tellModel(imported, terminal)
  return imported
}

async function findModel(folder: DataFolder): Promise<StoredModel | undefined> {
  const models = await listModels(folder.store)
  return models.find(({ manifest }) => manifest.name === referenceModel)
}

function tellModel({ manifest }: StoredModel, terminal: Terminal): void {
  const millions = (manifest.parameters / 1e6).toFixed(1)
  const mark = terminal.noteStyle.green('✓')
  terminal.note(
    `  ${mark} model    ${manifest.name}, ${millions} M parameters, ${manifest.quantisation}\n`,
  )
}

/**
 * A key for this machine's own use: in a file that only its owner can read, so that it can be
 * shown again.
 */
function provideLocalKey(folder: DataFolder): string {
  const keys = new ApiKeyFile(folder.apiKeys, { clock: systemClock, random: secureRandom })
  const kept = readSecretFile(folder.localKey)?.trim()
  const account = kept === undefined ? undefined : keys.find(kept)
  if (kept !== undefined && account !== undefined) {
    if (account.role !== 'operator') keys.makeOperator(account.keyId)
    return kept
  }
  const { key } = keys.create({ name: 'local', role: 'operator' })
  writeFileAtomically(folder.localKey, `${key}\n`, 0o600)
  return key
}

function tellAddedNodes(network: LocalNetwork, { wan }: StartOptions, folder: DataFolder): void {
  if (wan) writeFileAtomically(folder.addedNode, network.configurationOfAddedNode())
  else rmSync(folder.addedNode, { force: true })
}

function hintsOf({ data, wan }: StartOptions, folder: DataFolder): Hints {
  const addedNode = wan ? folder.addedNode : undefined
  return { data, joinTokenFile: folder.joinToken, addedNode }
}

function announce(network: RunningNetwork, hints: Hints, terminal: Terminal): void {
  terminal.out(renderAnnouncement(network, hints, terminal.style))
}
