/** `isochrone keys`: create, list, revoke. */
import { dirname } from 'node:path'
import { secureRandom, systemClock } from '../../base/index.ts'
import { ApiKeyFile } from '../../gateway/index.ts'
import { IsochroneError } from '../../protocol/index.ts'
import { prepareFolder } from '../files/atomic-file.ts'
import { dataFolder } from '../files/data-folder.ts'
import { keepOutOfGit } from '../files/out-of-git.ts'
import { type CommandContext, exitCode } from '../options/command.ts'
import { commandLine, dataFlag } from '../options/command-line.ts'
import { renderTable } from '../terminal/table.ts'
import type { Terminal } from '../terminal/terminal.ts'

export interface KeysOptions {
  readonly action: string
  readonly subject: string | undefined
  readonly name: string
  readonly operator: boolean
  readonly 'requests-per-minute': number
  readonly 'tokens-per-minute': number
  readonly data: string
  readonly json: boolean
}

export async function runKeys(options: KeysOptions, context: CommandContext): Promise<number> {
  const { apiKeys, root } = dataFolder(options.data, context.folder)
  if (options.action === 'create') {
    keepOutOfGit(root)
    prepareFolder(dirname(apiKeys))
  }
  const keys = new ApiKeyFile(apiKeys, { clock: systemClock, random: secureRandom })
  const { terminal } = context
  if (options.action === 'create') create(keys, options, terminal)
  else if (options.action === 'list') list(keys, options, terminal)
  else revoke(keys, options, terminal)
  return exitCode.ok
}

function create(keys: ApiKeyFile, options: KeysOptions, terminal: Terminal): void {
  const orNull = (limit: number) => (limit === 0 ? null : limit)
  const { info, key } = keys.create({
    name: options.name,
    role: options.operator ? 'operator' : 'client',
    limits: {
      requestsPerMinute: orNull(options['requests-per-minute']),
      tokensPerMinute: orNull(options['tokens-per-minute']),
    },
  })
  if (options.json) {
    terminal.out(`${JSON.stringify({ ...info, key })}\n`)
    return
  }
  terminal.out(`${key}\n`)
  const { noteStyle } = terminal
  terminal.note(
    noteStyle.dim(
      `${info.id}: keep the key now, it cannot be shown again (only its hash is kept).\n`,
    ),
  )
}

function list(keys: ApiKeyFile, options: KeysOptions, terminal: Terminal): void {
  const all = keys.list()
  if (options.json) {
    terminal.out(`${JSON.stringify(all)}\n`)
    return
  }
  if (all.length === 0) {
    const command = commandLine(`keys create${dataFlag(options.data)}`)
    terminal.note(`There is no key yet. Make one with: ${command}\n`)
    return
  }
  const rows = all.map(({ id, name, role, createdAtMs, limits }) => [
    id,
    name,
    role,
    new Date(createdAtMs).toISOString().slice(0, 16).replace('T', ' '),
    String(limits.requestsPerMinute ?? '–'),
    String(limits.tokensPerMinute ?? '–'),
  ])
  const columns = [
    { title: 'KEY' },
    { title: 'NAME' },
    { title: 'ROLE' },
    { title: 'CREATED' },
    { title: 'REQUESTS/MIN', align: 'right' },
    { title: 'TOKENS/MIN', align: 'right' },
  ] as const
  const { style, width } = terminal
  terminal.out(renderTable(columns, rows, { paintTitle: style.bold, width }))
}

function revoke(keys: ApiKeyFile, options: KeysOptions, terminal: Terminal): void {
  const id = options.subject ?? ''
  if (!keys.revoke(id)) {
    throw new IsochroneError(
      'not_found',
      `there is no key ${id}; list them with: ${commandLine(`keys list${dataFlag(options.data)}`)}`,
    )
  }
  terminal.note(`Revoked ${id}; a running gateway refuses it within a second.\n`)
}
