/**
 * One value per option: flags over `ISOCHRONE_*` variables over `isochrone.yaml` over defaults.
 */
import type { ParsedArguments } from './arguments.ts'
import type { CommandDescription } from './command.ts'
import type { Configuration } from './configuration.ts'
import { type OptionDefinition, type OptionValue, parseValue, variableOf } from './option.ts'
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
