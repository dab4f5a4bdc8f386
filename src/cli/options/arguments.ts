/**
 * A command line → flags and arguments of one command. Values are checked by `resolve.ts`, which
 * knows the other sources too.
 */
import type { CommandDescription } from './command.ts'
import { commandLine, npmHint } from './command-line.ts'
import { type OptionDefinition, type OptionTable, spellingOf } from './option.ts'
import { suggest } from './suggestion.ts'
import { usageError } from './usage-error.ts'

export interface ParsedArguments {
  /** By option name, in the order given. */
  readonly flags: ReadonlyMap<string, readonly string[]>
  readonly action: string
  readonly arguments: readonly string[]
}

/** @throws IsochroneError `invalid_configuration` */
export function parseArguments(
  command: CommandDescription,
  given: readonly string[],
): ParsedArguments {
  const flags = new Map<string, string[]>()
  const words: string[] = []
  for (let i = 0; i < given.length; i += 1) {
    const word = given[i] ?? ''
    if (word === '--') {
      words.push(...given.slice(i + 1))
      break
    }
    if (!word.startsWith('-') || word === '-') {
      words.push(word)
      continue
    }
    const flag = parseFlag(command, word, given[i + 1])
    const values = flags.get(flag.name) ?? []
    flags.set(flag.name, [...values, flag.value])
    if (flag.tookNext) i += 1
  }
  return { flags, ...parseWords(command, words) }
}

interface ParsedFlag {
  readonly name: string
  readonly value: string
  readonly tookNext: boolean
}

function parseFlag(
  command: CommandDescription,
  word: string,
  next: string | undefined,
): ParsedFlag {
  const equals = word.indexOf('=')
  const spelled = equals < 0 ? word : word.slice(0, equals)
  const inline = equals < 0 ? undefined : word.slice(equals + 1)
  const { name, option, negated } = findOption(command, spelled)
  if (option.kind === 'flag') {
    if (inline !== undefined && negated) {
      throw usageError(`${spelled} takes no value. ${helpHint(command)}`)
    }
    return { name, value: negated ? 'false' : (inline ?? 'true'), tookNext: false }
  }
  if (inline !== undefined) return { name, value: inline, tookNext: false }
  if (next === undefined || (next.startsWith('--') && next.length > 2)) {
    const example = spellingOf(name, option)
    throw usageError(`--${name} needs a value: ${example}. ${helpHint(command)}`)
  }
  return { name, value: next, tookNext: true }
}

interface FoundOption {
  readonly name: string
  readonly option: OptionDefinition
  readonly negated: boolean
}

function findOption(command: CommandDescription, spelled: string): FoundOption {
  const table: OptionTable = command.options
  const bare = spelled.replace(/^--?/, '')
  const exact = Object.hasOwn(table, bare) ? table[bare] : undefined
  if (exact !== undefined && spelled.startsWith('--')) {
    return { name: bare, option: exact, negated: false }
  }
  if (spelled.startsWith('--no-')) {
    const name = spelled.slice('--no-'.length)
    const option = Object.hasOwn(table, name) ? table[name] : undefined
    if (option?.kind === 'flag') return { name, option, negated: true }
  }
  const known = Object.entries(table).map(
    ([name, option]) => spellingOf(name, option).split(' ')[0] ?? '',
  )
  const near = suggest(spelled.startsWith('--') ? spelled : `--${bare}`, [...known, '--help'])
  throw usageError(`unknown option ${spelled}${near}. ${helpHint(command)}`)
}

function parseWords(
  command: CommandDescription,
  words: readonly string[],
): { readonly action: string; readonly arguments: readonly string[] } {
  if (command.actions.length === 0) {
    return { action: '', arguments: checkWords(command, command, words) }
  }
  const [given = command.actions.find(({ isDefault }) => isDefault)?.name, ...rest] = words
  const names = command.actions.map((action) => action.name)
  const action = command.actions.find((candidate) => candidate.name === given)
  if (action === undefined) {
    const near = given === undefined ? '' : suggest(given, names)
    const what = given === undefined ? 'say what to do' : `unknown action "${given}"${near}`
    throw usageError(`${what}: one of ${names.join(', ')}. ${helpHint(command)}`)
  }
  return { action: action.name, arguments: checkWords(command, action, rest) }
}

function checkWords(
  command: CommandDescription,
  taker: Pick<CommandDescription, 'arguments'>,
  words: readonly string[],
): readonly string[] {
  const missing = taker.arguments.find((argument, i) => argument.required && i >= words.length)
  if (missing !== undefined) {
    throw usageError(`${missing.name} is missing: ${missing.help}. ${helpHint(command)}`)
  }
  const many = taker.arguments.at(-1)?.many === true
  const extra = many ? undefined : words[taker.arguments.length]
  if (extra !== undefined) {
    const hint = command.name === 'start' ? npmHint() : ''
    throw usageError(`unexpected argument "${extra}".${hint} ${helpHint(command)}`)
  }
  return words
}

function helpHint(command: CommandDescription): string {
  return `See: ${commandLine(`${command.name} --help`)}`
}
