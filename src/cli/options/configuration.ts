/**
 * `isochrone.yaml`: a section per command, a key per option, spelled as the flags are.
 *
 * Every fault is told with file, line and column. A key that no command has is refused: a misspelt
 * limit that is silently ignored is worse than an error.
 */
import type { CommandDescription } from './command.ts'
import { commandLine } from './command-line.ts'
import {
  type Entry,
  entriesOf,
  isScalar,
  type LocatedYaml,
  type Node,
  parseYaml,
  readValue,
  type YamlText,
} from './located-yaml.ts'
import type { OptionValue } from './option.ts'
import { suggest } from './suggestion.ts'
import { usageError } from './usage-error.ts'

/** Checked values: section → option → value. */
export type Configuration = ReadonlyMap<string, ReadonlyMap<string, OptionValue>>

/** @throws IsochroneError `invalid_configuration` */
export function parseConfiguration(
  source: YamlText,
  commands: readonly CommandDescription[],
): Configuration {
  const yaml = parseYaml(source)
  const sections = new Map<string, ReadonlyMap<string, OptionValue>>()
  for (const entry of entriesOf(yaml.root, yaml)) {
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
    sections.set(entry.key, parseSection(command, entry.value, yaml))
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

function parseSection(
  command: CommandDescription,
  node: Node | null,
  yaml: LocatedYaml,
): ReadonlyMap<string, OptionValue> {
  const values = new Map<string, OptionValue>()
  for (const entry of entriesOf(node, yaml)) {
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
    values.set(entry.key, readValue(option, entry, yaml))
  }
  return values
}
