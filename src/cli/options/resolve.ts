/**
 * One value per option: flags over `ISOCHRONE_*` variables over `isochrone.yaml` over defaults.
 */
import type { ParsedArguments } from './arguments.ts'
import type { CommandDescription } from './command.ts'
import type { Configuration } from './configuration.ts'
import {
  type OptionDefinition,
  type OptionSource,
  type OptionValue,
  parseValue,
  variableOf,
} from './option.ts'
import { nearestOf } from './suggestion.ts'
import { usageError } from './usage-error.ts'

export interface Sources {
  readonly flags: ParsedArguments['flags']
  readonly env: Readonly<Record<string, string | undefined>>
  readonly configuration: Configuration
}

/** @throws IsochroneError `invalid_configuration` */
export function resolveOptions(
  command: CommandDescription,
  sources: Sources,
): Readonly<Record<string, OptionValue>> {
  const section = sources.configuration.get(command.name)
  const values: Record<string, OptionValue> = {}
  for (const [name, option] of Object.entries(command.options)) {
    values[name] =
      fromFlags(name, option, sources) ??
      fromVariable(name, option, sources) ??
      section?.get(name) ??
      option.default
  }
  return values
}

export function sourceOf(command: string, name: string, sources: Sources): OptionSource {
  if (sources.flags.has(name)) return 'flag'
  if ((sources.env[variableOf(name)] ?? '') !== '') return 'variable'
  return sources.configuration.get(command)?.has(name) === true ? 'file' : 'default'
}

/** Variables that are not options: for the program's own developers. */
const otherVariables = ['ISOCHRONE_DEBUG', 'ISOCHRONE_BENCH_NODE_OPTIONS']

/** A misspelt variable would be ignored in silence: one line for each. */
export function unknownVariables(
  env: Sources['env'],
  commands: readonly CommandDescription[],
): readonly string[] {
  const prefix = variableOf('')
  const options = commands.flatMap((command) => Object.keys(command.options))
  const known = new Set([...options.map(variableOf), ...otherVariables])
  const names = [...known].map((name) => name.slice(prefix.length))
  return Object.keys(env)
    .filter((name) => name.startsWith(prefix) && !known.has(name))
    .map((name) => {
      const near = nearestOf(name.slice(prefix.length), names)
      const meant = near === undefined ? '' : ` (did you mean ${prefix}${near}?)`
      return `the variable ${name} is unknown and ignored${meant}`
    })
}

function fromFlags(name: string, option: OptionDefinition, sources: Sources): OptionValue {
  const given = sources.flags.get(name)
  if (given === undefined) return undefined
  if (given.length > 1 && option.kind !== 'list' && option.kind !== 'flag') {
    throw usageError(`--${name} is given ${given.length} times, but takes one value`)
  }
  return checked(`--${name}`, option, option.kind === 'list' ? given : given.slice(-1))
}

function fromVariable(name: string, option: OptionDefinition, sources: Sources): OptionValue {
  const variable = variableOf(name)
  const given = sources.env[variable]
  if (given === undefined || given === '') return undefined
  const parts = option.kind === 'list' ? given.split(',').map((part) => part.trim()) : [given]
  return checked(`the variable ${variable}`, option, parts)
}

function checked(source: string, option: OptionDefinition, given: readonly string[]): OptionValue {
  const values = given.map((text) => {
    const parsed = parseValue(option, text)
    if ('fault' in parsed) throw usageError(`${source} ${parsed.fault}`)
    return parsed.value
  })
  return option.kind === 'list' ? (values.flat() as string[]) : values[0]
}
