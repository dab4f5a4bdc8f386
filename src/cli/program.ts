/**
 * The program around the commands: which one, with which options, and how its end is told.
 */
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { asIsochroneError, IsochroneError } from '../protocol/index.ts'
import { commands } from './commands/all.ts'
import { parseArguments } from './options/arguments.ts'
import { type Command, type CommandContext, exitCode } from './options/command.ts'
import { commandLine, storeFlag } from './options/command-line.ts'
import { type Configuration, parseConfiguration } from './options/configuration.ts'
import { renderCommandHelp, renderProgramHelp } from './options/help.ts'
import { variableOf } from './options/option.ts'
import { resolveOptions, sourceOf, unknownVariables } from './options/resolve.ts'
import { suggest } from './options/suggestion.ts'
import { usageError } from './options/usage-error.ts'
import type { Terminal } from './terminal/terminal.ts'
import { softwareVersion } from './version.ts'

export interface ProgramModules {
  readonly terminal: Terminal
  readonly env: Readonly<Record<string, string | undefined>>
  readonly folder: string
}

/** Runs one command; resolves with the exit code and never throws. */
export async function runProgram(
  given: readonly string[],
  modules: ProgramModules,
): Promise<number> {
  try {
    return await dispatch(given, modules)
  } catch (error) {
    const fault = asIsochroneError(error)
    modules.terminal.note(`${modules.terminal.noteStyle.red('error')}: ${fault.message}\n`)
    const showStack = fault.code === 'internal' || (modules.env['ISOCHRONE_DEBUG'] ?? '') !== ''
    if (showStack) modules.terminal.note(`${stackOf(fault)}\n`)
    return fault.code === 'invalid_configuration' ? exitCode.usage : exitCode.failed
  }
}

async function dispatch(given: readonly string[], modules: ProgramModules): Promise<number> {
  const { terminal } = modules
  const [name, ...rest] = given
  if (name === '--version' || name === 'version') {
    terminal.out(`${softwareVersion()}\n`)
    return exitCode.ok
  }
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    return showHelp(rest[0], modules, name === undefined)
  }
  const command = findCommand(name)
  const beforeEnd = rest.includes('--') ? rest.slice(0, rest.indexOf('--')) : rest
  if (beforeEnd.includes('--help') || beforeEnd.includes('-h')) {
    terminal.out(renderCommandHelp(command, terminal.style, terminal.columns))
    return exitCode.ok
  }
  const parsed = parseArguments(command, rest)
  const file = configurationFileOf(parsed.flags.get('config')?.at(-1), modules)
  const configuration = file === undefined ? new Map() : readConfiguration(file, modules.folder)
  const sources = { flags: parsed.flags, env: modules.env, configuration }
  const options = resolveOptions(command, sources)
  for (const warning of unknownVariables(modules.env, commands)) {
    terminal.note(`${terminal.noteStyle.yellow('warning')}: ${warning}\n`)
  }
  const context: CommandContext = {
    ...modules,
    configurationFile: file?.path,
    sourceOf: (option) => sourceOf(command.name, option, sources),
  }
  const input = { options, action: parsed.action, arguments: parsed.arguments }
  try {
    return await command.run(input, context)
  } catch (error) {
    throw withCommand(error, options)
  }
}

/** Rooms name the command that mends a failure; how it is typed here is known only here. */
function withCommand(error: unknown, options: Readonly<Record<string, unknown>>): unknown {
  if (!(error instanceof IsochroneError)) return error
  const { command, ...detail } = error.detail
  if (typeof command !== 'string') return error
  const { data, store } = options
  const place =
    typeof data === 'string'
      ? storeFlag({ data, store: typeof store === 'string' ? store : undefined })
      : ''
  const message = `${error.message} The command is: ${commandLine(`${command}${place}`)}`
  return new IsochroneError(error.code, message, { detail, cause: error })
}

function showHelp(name: string | undefined, modules: ProgramModules, asked: boolean): number {
  const { terminal } = modules
  if (name === undefined) {
    const text = renderProgramHelp(commands, asked ? terminal.noteStyle : terminal.style)
    if (asked) terminal.note(text)
    else terminal.out(text)
    return asked ? exitCode.usage : exitCode.ok
  }
  terminal.out(renderCommandHelp(findCommand(name), terminal.style, terminal.columns))
  return exitCode.ok
}

function findCommand(name: string): Command {
  const command = commands.find((candidate) => candidate.name === name)
  if (command !== undefined) return command
  const isOption = name.startsWith('-')
  const what = isOption ? 'option' : 'command'
  const names = isOption
    ? ['--help', '--version']
    : [...commands.map((candidate) => candidate.name), 'help', 'version']
  throw usageError(
    `unknown ${what} "${name}"${suggest(name, names)}. See: ${commandLine('--help')}`,
  )
}

interface ConfigurationFile {
  readonly path: string
  /** The person named it: then it has to be there. */
  readonly named: boolean
}

function configurationFileOf(
  flag: string | undefined,
  modules: ProgramModules,
): ConfigurationFile | undefined {
  const variable = modules.env[variableOf('config')]
  const named = flag ?? (variable === '' ? undefined : variable)
  if (named === 'none') return undefined
  return { path: named ?? 'isochrone.yaml', named: named !== undefined }
}

function readConfiguration(file: ConfigurationFile, folder: string): Configuration {
  let text: string
  try {
    text = readFileSync(resolve(folder, file.path), 'utf8')
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    if (!file.named && code === 'ENOENT') return new Map()
    const reason = code === 'ENOENT' ? 'there is no such file' : String(error)
    throw usageError(`cannot read the configuration ${file.path}: ${reason}`)
  }
  return parseConfiguration({ file: file.path, text }, commands)
}

function stackOf(fault: IsochroneError): string {
  const source = fault.cause instanceof Error ? fault.cause : fault
  return source.stack ?? String(source)
}
