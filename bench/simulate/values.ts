/** What a simulation's options say, checked. */
import { IsochroneError } from '../../src/protocol/index.ts'

export type Values = Readonly<Record<string, unknown>>

export interface Range {
  readonly least: number
  readonly most: number
  readonly whole?: boolean
  readonly otherwise?: number
}

export function numberIn(values: Values, name: string, range: Range): number {
  const { least, most, whole = false, otherwise } = range
  const given = values[name]
  if (given === undefined && otherwise !== undefined) return otherwise
  const text = typeof given === 'string' ? given.trim() : ''
  const value = /^\d+(?:\.\d+)?$/.test(text) ? Number(text) : Number.NaN
  if (value >= least && value <= most && (!whole || Number.isInteger(value))) return value
  const kind = whole ? 'a whole number' : 'a number'
  const what = given === undefined ? `--${name} is missing` : `--${name} ${String(given)}`
  refuse(`${what}: it is ${kind} from ${least} to ${most}`)
}

export function oneOf<T extends string>(values: Values, name: string, known: readonly T[]): T {
  const found = known.find((one) => one === values[name])
  if (found !== undefined) return found
  const given = values[name]
  const what = given === undefined ? `--${name} is missing` : `--${name} ${String(given)}`
  refuse(`${what}: it is one of ${known.join(', ')}`)
}

export function refuse(what: string): never {
  throw new IsochroneError('invalid_configuration', `${what}. --help lists the options.`)
}
