/**
 * Checks values against schemas of `schema.ts`, and says what is wrong and where.
 *
 * A schema is turned into a tree of rules once, and the rules are walked. Whether a value fits is
 * found without writing anything down; faults are gathered only for one that does not. Code written
 * from the schemas, or compiled at the start, would take a microsecond less for a request, and
 * megabytes more in every process.
 */
import type { Schema } from './schema.ts'
import { type Fault, type Path, type Rule, ruleOf } from './schema-rules.ts'

export type { Fault }

export class Validator<T = unknown> {
  readonly #rule: Rule

  constructor(schema: Schema<T>) {
    this.#rule = ruleOf(schema)
  }

  fits(value: unknown): value is T {
    return this.#rule.fits(value)
  }

  /**
   * The first fault; where a value fits none of several schemas, the
   * first of each. Empty: it fits.
   */
  faults(value: unknown): readonly Fault[] {
    const faults: Fault[] = []
    if (!this.#rule.fits(value)) this.#rule.explain(value, [], faults)
    return faults
  }
}

/** A fault as a short phrase, as in `must be >= 0`. */
export function faultPhrase({ keyword, wanted }: Fault): string {
  const names = Array.isArray(wanted) ? wanted.join(', ') : String(wanted)
  switch (keyword) {
    case 'type':
      return `must be ${names}`
    case 'const':
      return 'must be equal to constant'
    case 'enum':
      return 'must be equal to one of the allowed values'
    case 'pattern':
      return `must match pattern "${names}"`
    case 'required':
      return `must have required properties ${names}`
    case 'additionalProperties':
      return 'must not have additional properties'
    default:
      return `must ${boundPhrases[keyword] ?? keyword} ${names}${units[keyword] ?? ''}`
  }
}

const boundPhrases: Readonly<Record<string, string>> = {
  minimum: 'be >=',
  maximum: 'be <=',
  exclusiveMinimum: 'be >',
  multipleOf: 'be multiple of',
  minLength: 'not have fewer than',
  maxLength: 'not have more than',
  minItems: 'not have fewer than',
  maxItems: 'not have more than',
  maxProperties: 'not have more than',
}
const units: Readonly<Record<string, string>> = {
  minLength: ' characters',
  maxLength: ' characters',
  minItems: ' items',
  maxItems: ' items',
  maxProperties: ' properties',
}

/** `/messages/0/role`, as RFC 6901 writes a place in a JSON value; empty: the value itself. */
export function pointerOf(path: Path): string {
  const parts = path.map((part) => String(part).replaceAll('~', '~0').replaceAll('/', '~1'))
  return parts.map((part) => `/${part}`).join('')
}
