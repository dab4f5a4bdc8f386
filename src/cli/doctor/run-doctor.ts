/**
 * `isochrone doctor`: what a node would find out about this machine, and what would keep it from
 * working.
 */
import { accessSync, constants, existsSync, statfsSync } from 'node:fs'
import { dirname } from 'node:path'
import { type BackendReport, loadLocalEngine } from '../../engine/index.ts'
import { listModels } from '../../models/index.ts'
import { detectHardware, type MachineFindings, measureMachine } from '../../node/index.ts'
import { asIsochroneError } from '../../protocol/index.ts'
import { engineProbes } from '../compose/probes.ts'
import { type DataFolder, dataFolder } from '../files/data-folder.ts'
import { type CommandContext, exitCode } from '../options/command.ts'
import { commandLine, dataFlag } from '../options/command-line.ts'
import { formatBytes } from '../terminal/progress.ts'
import { absent, type Check, fail, ok, renderChecks, warn } from './check.ts'

export interface DoctorOptions {
  readonly measure: boolean
  readonly data: string
  readonly json: boolean
}

/** What sources and packages are written for. */
const nodeMajorMin = 26
/** The reference model needs a tenth of it; a small useful model about this. */
const memoryBytesMin = 2e9
const diskBytesMin = 1e9

export async function runDoctor(options: DoctorOptions, context: CommandContext): Promise<number> {
  const folder = dataFolder(options.data, context.folder)
  const { terminal } = context
  const doing = options.measure ? 'Looking and measuring …' : 'Looking …'
  if (!options.json) terminal.note(terminal.noteStyle.dim(`${doing}\n\n`))
  const { availableBackends } = await loadLocalEngine()
  const backends = await availableBackends()
  const measured = options.measure ? await measure(backends) : undefined
  const checks = [
    nodeVersion(),
    ...machine(),
    dataFolderCheck(folder),
    disk(folder),
    await store(folder, dataFlag(options.data)),
    ...backends.map(backendCheck),
    ...(measured === undefined ? [] : measurementChecks(measured)),
  ]
  const hardware = measured?.hardware ?? detectHardware()
  if (options.json) terminal.out(`${JSON.stringify({ hardware, checks })}\n`)
  else terminal.out(renderChecks(checks, terminal))
  return checks.some(({ status }) => status === 'fail') ? exitCode.failed : exitCode.ok
}

function nodeVersion(): Check {
  const version = process.versions.node
  const major = Number(version.split('.')[0])
  if (major >= nodeMajorMin) return ok('Node', version)
  return fail(
    'Node',
    `${version}, but ${nodeMajorMin} is needed`,
    'run: npm ci, and start with npm',
  )
}

function machine(): readonly Check[] {
  const { cores, cpu, memoryBytes, memoryFreeBytes, platform } = detectHardware()
  const memory = `${formatBytes(memoryBytes)}, ${formatBytes(memoryFreeBytes)} free`
  return [
    ok('platform', platform),
    ok('processor', `${cpu}, ${cores} ${cores === 1 ? 'core' : 'cores'}`),
    memoryFreeBytes >= memoryBytesMin
      ? ok('memory', memory)
      : warn('memory', memory, 'close other programs, or serve small models only'),
  ]
}

function dataFolderCheck(folder: DataFolder): Check {
  const place = nearestExisting(folder.root)
  try {
    accessSync(place, constants.W_OK)
    return ok('data folder', folder.root)
  } catch {
    return fail(
      'data folder',
      `${folder.root} cannot be written`,
      'choose another with --data DIR, or change its owner',
    )
  }
}

function disk(folder: DataFolder): Check {
  const { bavail, bsize } = statfsSync(nearestExisting(folder.root))
  const free = bavail * bsize
  const finding = `${formatBytes(free)} free`
  if (free >= diskBytesMin) return ok('disk', finding)
  return warn('disk', finding, 'free some space before bringing models')
}

async function store(folder: DataFolder, place: string): Promise<Check> {
  try {
    const names = (await listModels(folder.store)).map(({ manifest }) => manifest.name)
    if (names.length > 0) return ok('models', names.join(', '))
    return warn(
      'models',
      'none yet',
      `${commandLine(`models import DIR${place}`)}, or ${commandLine(`models pull ID${place}`)}`,
    )
  } catch (error) {
    return fail('models', asIsochroneError(error).message, 'choose another folder with --data DIR')
  }
}

function backendCheck({ available, backend, detail }: BackendReport): Check {
  const name = `engine onnx/${backend}`
  if (available) return ok(name, detail === '' ? 'works' : `works, ${detail}`)
  // Without a CPU back end there is no engine; the others only make it faster.
  if (backend === 'cpu') return fail(name, detail, 'reinstall the packages: npm ci')
  // What is missing is the first sentence; how it could be had, the rest.
  const [, missing = detail, mend = ''] = /^(?:The \w+ back end: )?(.+?)\. (.+)$/.exec(detail) ?? []
  return absent(name, `not here: ${missing}`, mend)
}

/** undefined: there is no engine to measure with. */
async function measure(backends: readonly BackendReport[]): Promise<MachineFindings | undefined> {
  const works = backends.some(({ available, backend }) => backend === 'cpu' && available)
  return works ? measureMachine(engineProbes) : undefined
}

function measurementChecks({ faults, hardware }: MachineFindings): readonly Check[] {
  const { gpu, gpuMemoryBytes, integerExact } = hardware
  const { memoryBandwidthBytesPerSecond: bandwidth } = hardware
  const memory = gpuMemoryBytes === 0 ? 'memory unknown' : formatBytes(gpuMemoryBytes)
  return [
    gpu === '' ? absent('GPU', 'none found; the CPU is used') : ok('GPU', `${gpu}, ${memory}`),
    ok('memory bandwidth', `${formatBytes(bandwidth)}/s`),
    integerExact
      ? ok('integer products', 'exact: answers of integer models can be audited')
      : warn(
          'integer products',
          'not exact on this machine',
          'nodes here serve float models only; a newer processor or ONNX Runtime may help',
        ),
    ...faults.map((fault) => warn('measurement', fault, '')),
  ]
}

function nearestExisting(path: string): string {
  return existsSync(path) || dirname(path) === path ? path : nearestExisting(dirname(path))
}
