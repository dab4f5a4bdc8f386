/**
 * One option of a command, as data: flags, variables, the configuration file, `--help` and the
 * reference in `docs/options.md` all derive from it.
 *
 * `--mesh-port` is `ISOCHRONE_MESH_PORT` in the environment and `mesh-port` under the command's
 * name in `isochrone.yaml`.
 */
import { suggest } from './suggestion.ts'

export type OptionValue = string | number | boolean | readonly string[] | undefined

/** Where a value comes from: the first of these that has one. */
export type OptionSource = 'flag' | 'variable' | 'file' | 'default'

export interface OptionDefinition<TValue extends OptionValue = OptionValue> {
  readonly kind: 'text' | 'integer' | 'number' | 'flag' | 'list'
  readonly help: string
  readonly default: TValue
  /** What stands for the value in help, for example `PORT`. Flags have none. */
  readonly placeholder: string
  /** Where the default is not a constant: how help names it. */
  readonly defaultText?: string
  readonly choices?: readonly string[]
  readonly min?: number
  readonly max?: number
  /** Of a text, in bytes. */
  readonly lengthMax?: number
}

export type OptionTable = Readonly<Record<string, OptionDefinition>>

export type OptionValues<TTable extends OptionTable> = {
  readonly [TName in keyof TTable]: TTable[TName] extends OptionDefinition<infer TValue>
    ? TValue
    : never
}

/** What is wrong with a value, in words that follow the option's name. */
export type Parsed<TValue> = { readonly value: TValue } | { readonly fault: string }

interface TextSpec {
  readonly placeholder: string
  readonly lengthMax?: number
  readonly defaultText?: string
}

export function text(
  help: string,
  spec: TextSpec & { readonly default: string },
): OptionDefinition<string>
export function text(help: string, spec: TextSpec): OptionDefinition<string | undefined>
export function text(
  help: string,
  spec: TextSpec & { readonly default?: string },
): OptionDefinition<string | undefined> {
  return { kind: 'text', help, default: spec.default, ...spec } as OptionDefinition<
    string | undefined
  >
}

export function choice<const TChoice extends string>(
  help: string,
  choices: readonly TChoice[],
  byDefault: TChoice,
): OptionDefinition<TChoice> {
  return { kind: 'text', help, default: byDefault, choices, placeholder: choices.join('|') }
}

interface NumberSpec {
  readonly default: number
  readonly min: number
  readonly max: number
  readonly placeholder: string
  readonly defaultText?: string
}

export function integer(help: string, spec: NumberSpec): OptionDefinition<number> {
  return { kind: 'integer', help, ...spec }
}

export function decimal(help: string, spec: NumberSpec): OptionDefinition<number> {
  return { kind: 'number', help, ...spec }
}

/** A switch that is off unless it is given. */
export function flag(help: string): OptionDefinition<boolean> {
  return { kind: 'flag', help, default: false, placeholder: '' }
}

/**
 * A switch that `--no-NAME` turns off.
 * @param help what follows then
 * @param defaultText what happens unless it is given
 */
export function switchedOff(help: string, defaultText: string): OptionDefinition<boolean> {
  return { kind: 'flag', help, default: true, defaultText, placeholder: '' }
}

/** May be given several times; in a variable, separated by commas; in YAML, a list. */
export function list(help: string, placeholder: string): OptionDefinition<readonly string[]> {
  return { kind: 'list', help, default: [], placeholder }
}

export function variableOf(name: string): string {
  return `ISOCHRONE_${name.replaceAll('-', '_').toUpperCase()}`
}

/** How the option is written on a command line. */
export function spellingOf(name: string, option: OptionDefinition): string {
  if (option.kind === 'flag') return option.default === true ? `--no-${name}` : `--${name}`
  return `--${name} ${option.placeholder}`
}

/** One value as text, from a flag or a variable. */
export function parseValue(option: OptionDefinition, given: string): Parsed<OptionValue> {
  switch (option.kind) {
    case 'text':
      return parseText(option, given)
    case 'flag':
      return parseFlag(given)
    case 'integer':
    case 'number':
      return parseNumber(option, given)
    case 'list':
      return given === '' ? { fault: 'is empty' } : { value: [given] }
  }
}

function parseText(option: OptionDefinition, given: string): Parsed<string> {
  if (given === '') return { fault: 'is empty' }
  const { choices, lengthMax } = option
  if (lengthMax !== undefined && Buffer.byteLength(given) > lengthMax) {
    return { fault: `is longer than ${lengthMax} bytes` }
  }
  if (choices === undefined || choices.includes(given)) return { value: given }
  const near = suggest(given, choices)
  return { fault: `is "${given}", but must be one of ${choices.join(', ')}${near}` }
}

function parseFlag(given: string): Parsed<boolean> {
  if (['true', '1', 'yes', 'on'].includes(given.toLowerCase())) return { value: true }
  if (['false', '0', 'no', 'off'].includes(given.toLowerCase())) return { value: false }
  return { fault: `is "${given}", but must be true or false` }
}

function parseNumber(option: OptionDefinition, given: string): Parsed<number> {
  const value = /^[+-]?\d+(\.\d+)?$/.test(given) ? Number(given) : Number.NaN
  return checkNumber(option, value, given)
}

/** @param given how the person wrote it, for the message */
export function checkNumber(
  option: OptionDefinition,
  value: number,
  given: string,
): Parsed<number> {
  const whole = option.kind === 'integer'
  if (!Number.isFinite(value) || (whole && !Number.isSafeInteger(value))) {
    return { fault: `is "${given}", but must be a ${whole ? 'whole ' : ''}number` }
  }
  const { min, max } = option
  if (min !== undefined && value < min) return { fault: `is ${given}, but must be at least ${min}` }
  if (max !== undefined && value > max) return { fault: `is ${given}, but must be at most ${max}` }
  return { value }
}
