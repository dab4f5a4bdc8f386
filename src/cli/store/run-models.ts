/** `isochrone models`: import, pull, list, remove. */
import { resolve } from 'node:path'
import { systemClock } from '../../base/index.ts'
import {
  importModel,
  listModels,
  type ModelManifest,
  type ModelProgress,
  type PullOptions,
  pullModel,
  type Quantisation,
  removeModel,
} from '../../models/index.ts'
import { prepareFolder } from '../files/atomic-file.ts'
import { dataFolder } from '../files/data-folder.ts'
import { keepOutOfGit } from '../files/out-of-git.ts'
import { type CommandContext, exitCode } from '../options/command.ts'
import { commandLine, storeFlag } from '../options/command-line.ts'
import { usageError } from '../options/usage-error.ts'
import { createProgress, formatBytes } from '../terminal/progress.ts'
import { renderTable } from '../terminal/table.ts'
import type { Terminal } from '../terminal/terminal.ts'

export interface ModelsOptions {
  readonly action: string
  readonly subject: string | undefined
  readonly data: string
  readonly store: string | undefined
  readonly name: string | undefined
  readonly quantisation: Quantisation
  readonly hub: string
  readonly 'hub-token': string | undefined
  readonly revision: string
  readonly json: boolean
}

export async function runModels(options: ModelsOptions, context: CommandContext): Promise<number> {
  const data = dataFolder(options.data, context.folder)
  const store = options.store ?? data.store
  const storeDir = resolve(context.folder, store)
  const { terminal } = context
  const subject = options.subject ?? ''
  if (options.action === 'list') {
    await list(storeDir, options, terminal)
  } else if (options.action === 'remove') {
    await removeModel(storeDir, subject)
    terminal.note(`Removed ${subject}.\n`)
  } else {
    const folder = resolve(context.folder, subject)
    if (options.store === undefined) keepOutOfGit(data.root)
    prepareFolder(storeDir)
    const manifest = await bring(folder, { ...options, storeDir }, terminal)
    if (options.json) terminal.out(`${JSON.stringify(manifest)}\n`)
  }
  return exitCode.ok
}

interface BringOptions extends ModelsOptions {
  readonly storeDir: string
}

async function bring(
  folder: string,
  options: BringOptions,
  terminal: Terminal,
): Promise<ModelManifest> {
  const stop = new AbortController()
  const onInterrupt = () => stop.abort()
  process.once('SIGINT', onInterrupt)
  const subject = options.subject ?? ''
  const progress = showPhases(subject, terminal)
  const common = {
    storeDir: options.storeDir,
    quantisation: options.quantisation,
    onProgress: progress.update,
    signal: stop.signal,
    ...(options.name === undefined ? {} : { name: options.name }),
  }
  try {
    const manifest =
      options.action === 'pull'
        ? await pullModel(subject, { ...common, ...hubOf(options) })
        : await importModel(folder, common)
    const size = formatBytes(manifest.files.reduce((sum, file) => sum + file.bytes, 0))
    const millions = (manifest.parameters / 1e6).toFixed(1)
    progress.finish(
      `${terminal.noteStyle.green('✓')} ${manifest.name}: ${millions} M parameters, ` +
        `${manifest.quantisation}, ${size}.\n${servingHint(manifest.name, options)}`,
    )
    return manifest
  } finally {
    process.off('SIGINT', onInterrupt)
  }
}

/** True whether nodes run already or not: they look for models when they start. */
function servingHint(model: string, options: ModelsOptions): string {
  const what = `node${storeFlag(options)} --model ${model}`
  const command = `${what} --join GATEWAY_ID@HOST:PORT --token-file FILE`
  return (
    'Nodes find their models when they start. One that serves this is started with:\n' +
    `  ${commandLine(command)}\n` +
    'The gateway, or npm start, printed a line for nodes: it has GATEWAY_ID@HOST:PORT and the\n' +
    'token, or the file that holds it.'
  )
}

interface Phases {
  readonly update: (progress: ModelProgress) => void
  readonly finish: (message: string) => void
}

/** Rate and remaining time belong to one phase each: downloading and converting differ in speed. */
function showPhases(subject: string, terminal: Terminal): Phases {
  let phase = ''
  let bar = createProgress(subject, terminal, systemClock)
  return {
    update({ phase: now, bytesDone, bytesTotal }) {
      if (now !== phase) {
        phase = now
        bar = createProgress(`${now} ${subject}`, terminal, systemClock)
      }
      bar.update(bytesDone, bytesTotal)
    },
    finish: (message) => bar.finish(message),
  }
}

function hubOf(options: ModelsOptions): Pick<PullOptions, 'hub' | 'token' | 'revision'> {
  const { hub, revision } = options
  const token = options['hub-token']
  if (/^https?:\/\//.test(hub) && URL.canParse(hub)) {
    return { hub: new URL(hub), revision, ...(token === undefined ? {} : { token }) }
  }
  throw usageError(`--hub "${options.hub}" must be an address like https://huggingface.co`)
}

async function list(storeDir: string, options: ModelsOptions, terminal: Terminal): Promise<void> {
  const models = await listModels(storeDir)
  if (options.json) {
    terminal.out(`${JSON.stringify(models.map(({ manifest }) => manifest))}\n`)
    return
  }
  if (models.length === 0) {
    const command = commandLine(`models import DIR${storeFlag(options)}`)
    terminal.note(`No models in ${storeDir}. Bring one with: ${command}\n`)
    return
  }
  const rows = models.map(({ manifest }) => [
    manifest.name,
    `${(manifest.parameters / 1e6).toFixed(1)} M`,
    manifest.quantisation,
    formatBytes(manifest.files.reduce((sum, file) => sum + file.bytes, 0)),
    String(manifest.architecture.contextTokensMax),
    manifest.digest.slice(0, 'sha256:'.length + 12),
  ])
  const columns = [
    { title: 'NAME' },
    { title: 'PARAMETERS', align: 'right' },
    { title: 'WEIGHTS' },
    { title: 'SIZE', align: 'right' },
    { title: 'CONTEXT', align: 'right' },
    { title: 'DIGEST' },
  ] as const
  const { style, width } = terminal
  terminal.out(renderTable(columns, rows, { paintTitle: style.bold, width }))
}
