/**
 * `isochrone.yaml`: a section per command, a key per option, spelled as the flags are.
 *
 * Every fault is told with file, line and column. A key that no command has is refused: a misspelt
 * limit that is silently ignored is worse than an error.
 */
import { isCollection, isMap, isScalar, isSeq, LineCounter, type Node, parseDocument } from 'yaml'
import type { CommandDescription } from './command.ts'
import { commandLine } from './command-line.ts'
import { checkNumber, type OptionDefinition, type OptionValue, parseValue } from './option.ts'
import { suggest } from './suggestion.ts'
import { usageError } from './usage-error.ts'

export interface ConfigurationText {
  /** As the person knows it, for messages. */
  readonly file: string
  readonly text: string
}

/** Checked values: section → option → value. */
export type Configuration = ReadonlyMap<string, ReadonlyMap<string, OptionValue>>

/** Larger files are no configuration; also bounds YAML's aliases. */
const configurationBytesMax = 1024 * 1024

/** @throws IsochroneError `invalid_configuration` */
export function parseConfiguration(
  source: ConfigurationText,
  commands: readonly CommandDescription[],
): Configuration {
  if (source.text.length > configurationBytesMax) {
    throw usageError(`${source.file} is larger than ${configurationBytesMax} bytes`)
  }
  const lines = new LineCounter()
  const document = parseDocument(source.text, { lineCounter: lines, prettyErrors: false })
  const at: Locate = (offset) => {
    const { line, col } = lines.linePos(offset)
    return `${source.file}:${line}:${col}`
  }
  const [broken] = document.errors
  if (broken !== undefined) throw usageError(`${at(broken.pos[0])}: ${broken.message}`)
  const sections = new Map<string, ReadonlyMap<string, OptionValue>>()
  for (const entry of entriesOf(document.contents, at)) {
    const command = commands.find((candidate) => candidate.name === entry.key)
    if (command === undefined) {
      const names = commands.map((candidate) => candidate.name)
      const near = suggest(entry.key, names)
      const known = `the sections are ${names.join(', ')}`
      const owner = ownerOf(entry.key, commands)
      const hint =
        owner === undefined
          ? `unknown section "${entry.key}"${near}; ${known}`
          : `"${entry.key}" is an option of a section, for example\n${exampleOf(owner, entry)}`
      throw usageError(`${entry.where}: ${hint}`)
    }
    if (isScalar(entry.value) && entry.value.value !== null) {
      const example = exampleOf(ownerOf(entry.key, commands) ?? command, entry)
      const fault = `section "${entry.key}" must hold options, for example\n${example}`
      throw usageError(`${entry.where}: ${fault}`)
    }
    sections.set(entry.key, parseSection(command, entry.value, at))
  }
  return sections
}

/** The command that has an option of that name; `start` first, it is what newcomers know. */
function ownerOf(
  option: string,
  commands: readonly CommandDescription[],
): CommandDescription | undefined {
  const owners = commands.filter(({ options }) => Object.hasOwn(options, option))
  return owners.find(({ name }) => name === 'start') ?? owners[0]
}

/** The given option in its section, or any option of the section. */
function exampleOf(owner: CommandDescription, { key, value }: Entry): string {
  if (!Object.hasOwn(owner.options, key)) return `${owner.name}:\n  data: DIR`
  const shown = isScalar(value) && value.value !== null ? String(value.source ?? value.value) : '…'
  return `${owner.name}:\n  ${key}: ${shown}`
}

type Locate = (offset: number) => string

interface Entry {
  readonly key: string
  readonly where: string
  readonly value: Node | null
}

function entriesOf(node: Node | null, at: Locate): readonly Entry[] {
  if (node === null || (isScalar(node) && node.value === null)) return []
  if (!isMap(node)) throw usageError(`${whereOf(node, at)}: must be a map of "key: value" lines`)
  return node.items.map((pair) => {
    const keyNode = pair.key as Node
    const where = whereOf(keyNode, at)
    if (!isScalar(keyNode)) throw usageError(`${where}: keys must be plain words`)
    return { key: String(keyNode.value), where, value: pair.value as Node | null }
  })
}

function parseSection(
  command: CommandDescription,
  node: Node | null,
  at: Locate,
): ReadonlyMap<string, OptionValue> {
  const values = new Map<string, OptionValue>()
  for (const entry of entriesOf(node, at)) {
    const option = Object.hasOwn(command.options, entry.key)
      ? command.options[entry.key]
      : undefined
    if (option === undefined || entry.key === 'config') {
      const near = suggest(entry.key, Object.keys(command.options))
      const hint = `${commandLine(`${command.name} --help`)} lists the options`
      throw usageError(
        `${entry.where}: unknown key "${entry.key}" in section "${command.name}"${near}; ${hint}`,
      )
    }
    const parsed = parseNode(option, entry.value)
    if ('fault' in parsed) {
      const where = entry.value === null ? entry.where : whereOf(entry.value, at)
      throw usageError(`${where}: "${entry.key}" ${parsed.fault}`)
    }
    values.set(entry.key, parsed.value)
  }
  return values
}

function parseNode(
  option: OptionDefinition,
  node: Node | null,
): { readonly value: OptionValue } | { readonly fault: string } {
  if (option.kind === 'list' && isSeq(node)) {
    const items = node.items.map((item) => (isScalar(item) ? item.value : undefined))
    if (items.every((item) => typeof item === 'string' && item !== '')) {
      return { value: items as readonly string[] }
    }
    return { fault: 'must be a list of texts' }
  }
  if (isCollection(node) || !isScalar(node) || node.value === null) {
    return { fault: `must be ${kindInWords(option)}` }
  }
  const { value } = node
  if (option.kind === 'flag') {
    return typeof value === 'boolean' ? { value } : { fault: 'must be true or false' }
  }
  if (option.kind === 'integer' || option.kind === 'number') {
    if (typeof value !== 'number') return { fault: `must be ${kindInWords(option)}` }
    return checkNumber(option, value, String(value))
  }
  if (typeof value === 'string') return parseValue(option, value)
  // A text that looks like a number, for example a token of digits: as it is written.
  return parseValue(option, node.source ?? String(value))
}

function kindInWords(option: OptionDefinition): string {
  const words = {
    text: 'a text',
    list: 'a list of texts',
    integer: 'a whole number',
    number: 'a number',
    flag: 'true or false',
  }
  return words[option.kind]
}

function whereOf(node: Node, at: Locate): string {
  return at(node.range?.[0] ?? 0)
}
