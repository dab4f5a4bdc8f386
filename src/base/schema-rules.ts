/**
 * The rules that a schema of `schema.ts` is turned into, one class for each form of a schema.
 *
 * All stop at the first fault in a list or an object, so that a hostile value costs no more than a
 * good one of its size.
 */
import type { Schema } from './schema.ts'

export type Path = readonly (string | number)[]

export interface Fault {
  /** The keyword of JSON Schema that the value does not satisfy. */
  readonly keyword: string
  /** The names and indices that lead to the value. */
  readonly path: Path
  /** What the schema wants: a bound, a type, allowed values; names for missing or unknown ones. */
  readonly wanted: unknown
}

type Keywords = Readonly<Record<string, unknown>>

export interface Rule {
  fits(value: unknown): boolean
  /** Adds what is wrong; called only with what does not fit. */
  explain(value: unknown, path: Path, faults: Fault[]): void
}

const numberKeywords = ['type', 'minimum', 'maximum', 'exclusiveMinimum', 'multipleOf']

/** Throws on a keyword that it does not know: what is not understood is never left out. */
export function ruleOf(schema: Schema): Rule {
  const { description, ...keywords } = schema as Keywords
  const form = 'properties' in keywords ? 'members' : (keywords['type'] ?? Object.keys(keywords)[0])
  const known = keywordsOf[String(form)] ?? []
  const unknown = Object.keys(keywords).filter((keyword) => !known.includes(keyword))
  if (unknown.length > 0) throw new Error(`a schema's ${unknown.join(', ')} is not understood`)
  switch (form) {
    case 'anyOf':
      return new UnionRule(keywords)
    case 'string':
      return new StringRule(keywords)
    case 'number':
    case 'integer':
      return new NumberRule(keywords)
    case 'array':
      return new ArrayRule(keywords)
    case 'members':
      return new ObjectRule(keywords)
    case 'object':
      return new RecordRule(keywords)
    default:
      return new PlainRule(keywords)
  }
}

/** By a schema's form: the keywords that it may have. */
const keywordsOf: Readonly<Record<string, readonly string[]>> = {
  undefined: [],
  null: ['type'],
  boolean: ['type'],
  const: ['const'],
  enum: ['enum'],
  anyOf: ['anyOf'],
  string: ['type', 'minLength', 'maxLength', 'pattern'],
  number: numberKeywords,
  integer: numberKeywords,
  array: ['type', 'items', 'minItems', 'maxItems'],
  members: ['type', 'properties', 'required', 'additionalProperties'],
  object: ['type', 'patternProperties', 'additionalProperties', 'maxProperties'],
}

/** A value without parts. */
abstract class LeafRule implements Rule {
  readonly #keywords: Keywords

  constructor(keywords: Keywords) {
    this.#keywords = keywords
  }

  /** The keyword that the value does not satisfy. */
  abstract broken(value: unknown): string | undefined

  fits(value: unknown): boolean {
    return this.broken(value) === undefined
  }

  explain(value: unknown, path: Path, faults: Fault[]): void {
    const keyword = this.broken(value) ?? ''
    faults.push({ keyword, path, wanted: this.#keywords[keyword] })
  }
}

/** `null`, a boolean, one of some values, or anything. */
class PlainRule extends LeafRule {
  readonly #type: unknown
  readonly #keyword: 'const' | 'enum'
  readonly #allowed: readonly unknown[] | undefined

  constructor(keywords: Keywords) {
    super(keywords)
    this.#type = keywords['type']
    this.#keyword = 'enum' in keywords ? 'enum' : 'const'
    if ('const' in keywords) this.#allowed = [keywords['const']]
    if ('enum' in keywords) this.#allowed = keywords['enum'] as readonly unknown[]
  }

  override broken(value: unknown): string | undefined {
    if (this.#allowed !== undefined) {
      return this.#allowed.includes(value) ? undefined : this.#keyword
    }
    if (this.#type === 'null') return value === null ? undefined : 'type'
    if (this.#type === 'boolean') return typeof value === 'boolean' ? undefined : 'type'
    return undefined
  }
}

class NumberRule extends LeafRule {
  readonly #isWhole: boolean
  readonly #minimum: number
  readonly #maximum: number
  readonly #exclusiveMinimum: number
  readonly #multipleOf: number

  constructor(keywords: Keywords) {
    super(keywords)
    this.#isWhole = keywords['type'] === 'integer'
    this.#minimum = boundOf(keywords, 'minimum', Number.NEGATIVE_INFINITY)
    this.#maximum = boundOf(keywords, 'maximum', Number.POSITIVE_INFINITY)
    this.#exclusiveMinimum = boundOf(keywords, 'exclusiveMinimum', Number.NEGATIVE_INFINITY)
    this.#multipleOf = boundOf(keywords, 'multipleOf', 0)
  }

  override broken(value: unknown): string | undefined {
    // JSON's `1e999` becomes infinite, and is no number.
    if (typeof value !== 'number' || !Number.isFinite(value)) return 'type'
    if (this.#isWhole && !Number.isInteger(value)) return 'type'
    if (value < this.#minimum) return 'minimum'
    if (value > this.#maximum) return 'maximum'
    if (value <= this.#exclusiveMinimum) return 'exclusiveMinimum'
    return this.#multipleOf === 0 || value % this.#multipleOf === 0 ? undefined : 'multipleOf'
  }
}

class StringRule extends LeafRule {
  readonly #minLength: number
  readonly #maxLength: number
  readonly #pattern: RegExp | undefined

  constructor(keywords: Keywords) {
    super(keywords)
    this.#minLength = boundOf(keywords, 'minLength', 0)
    this.#maxLength = boundOf(keywords, 'maxLength', Number.POSITIVE_INFINITY)
    const pattern = keywords['pattern']
    this.#pattern = pattern === undefined ? undefined : new RegExp(String(pattern), 'u')
  }

  override broken(value: unknown): string | undefined {
    if (typeof value !== 'string') return 'type'
    if (isLonger(value, this.#maxLength)) return 'maxLength'
    if (!isLonger(value, this.#minLength - 1)) return 'minLength'
    return this.#pattern === undefined || this.#pattern.test(value) ? undefined : 'pattern'
  }
}

class ArrayRule implements Rule {
  readonly #items: Rule
  readonly #minItems: number
  readonly #maxItems: number

  constructor(keywords: Keywords) {
    this.#items = ruleOf((keywords['items'] ?? {}) as Schema)
    this.#minItems = boundOf(keywords, 'minItems', 0)
    this.#maxItems = boundOf(keywords, 'maxItems', Number.POSITIVE_INFINITY)
  }

  fits(value: unknown): boolean {
    if (!Array.isArray(value)) return false
    if (value.length < this.#minItems || value.length > this.#maxItems) return false
    for (let i = 0; i < value.length; i++) if (!this.#items.fits(value[i])) return false
    return true
  }

  explain(value: unknown, path: Path, faults: Fault[]): void {
    if (!Array.isArray(value)) {
      faults.push({ keyword: 'type', path, wanted: 'array' })
    } else if (value.length < this.#minItems) {
      faults.push({ keyword: 'minItems', path, wanted: this.#minItems })
    } else if (value.length > this.#maxItems) {
      faults.push({ keyword: 'maxItems', path, wanted: this.#maxItems })
    } else {
      const index = value.findIndex((item) => !this.#items.fits(item))
      this.#items.explain(value[index], [...path, index], faults)
    }
  }
}

/** An object with named members. */
class ObjectRule implements Rule {
  readonly #names: readonly string[]
  readonly #rules: readonly Rule[]
  readonly #required: readonly string[]
  readonly #isClosed: boolean

  constructor(keywords: Keywords) {
    const properties = keywords['properties'] as Readonly<Record<string, Schema>>
    this.#names = Object.keys(properties)
    this.#rules = Object.values(properties).map(ruleOf)
    this.#required = (keywords['required'] ?? []) as readonly string[]
    this.#isClosed = keywords['additionalProperties'] === false
  }

  fits(value: unknown): boolean {
    if (!isObject(value)) return false
    for (let i = 0; i < this.#required.length; i++) {
      if (!has(value, this.#required[i] as string)) return false
    }
    if (this.#isClosed && this.#unknownOf(value) !== undefined) return false
    return this.#wrongOf(value) === undefined
  }

  explain(value: unknown, path: Path, faults: Fault[]): void {
    if (!isObject(value)) {
      faults.push({ keyword: 'type', path, wanted: 'object' })
      return
    }
    const missing = this.#required.filter((name) => !has(value, name))
    if (missing.length > 0) {
      faults.push({ keyword: 'required', path, wanted: missing })
      return
    }
    const unknown = this.#isClosed ? this.#unknownOf(value) : undefined
    if (unknown !== undefined) {
      faults.push({ keyword: 'additionalProperties', path, wanted: [unknown] })
      return
    }
    const name = this.#wrongOf(value) ?? ''
    this.#rules[this.#names.indexOf(name)]?.explain(value[name], [...path, name], faults)
  }

  /** The first known member that is not as it should be. */
  #wrongOf(value: JsonObject): string | undefined {
    // By the members that are known: a client can send half a million that are not.
    for (let i = 0; i < this.#names.length; i++) {
      const name = this.#names[i] as string
      const member = value[name]
      if (member === undefined || this.#rules[i]?.fits(member)) continue
      if (Object.hasOwn(value, name)) return name
    }
    return undefined
  }

  #unknownOf(value: JsonObject): string | undefined {
    for (const name in value) if (!this.#names.includes(name)) return name
    return undefined
  }
}

/** An object with members of any name, or of any that looks as it should. */
class RecordRule implements Rule {
  readonly #keyPattern: RegExp | undefined
  readonly #values: Rule
  readonly #maxProperties: number
  readonly #isFree: boolean

  constructor(keywords: Keywords) {
    const { patternProperties = {}, additionalProperties = {} } = keywords
    const [pattern, ...more] = Object.entries(patternProperties as Readonly<Record<string, Schema>>)
    const isKnown =
      more.length === 0 && (additionalProperties === false) === (pattern !== undefined)
    if (!isKnown) throw new Error('a schema of other keys is not understood')
    const [keyPattern, values] = pattern ?? [undefined, additionalProperties as Schema]
    this.#keyPattern = keyPattern === undefined ? undefined : new RegExp(keyPattern, 'u')
    this.#values = ruleOf(values)
    this.#maxProperties = boundOf(keywords, 'maxProperties', Number.POSITIVE_INFINITY)
    const isBounded = this.#maxProperties !== Number.POSITIVE_INFINITY
    this.#isFree = pattern === undefined && !isBounded && Object.keys(values).length === 0
  }

  fits(value: unknown): boolean {
    if (!isObject(value)) return false
    if (this.#isFree) return true
    let count = 0
    for (const name in value) {
      count++
      if (count > this.#maxProperties || this.#isUnknown(name)) return false
      if (!this.#values.fits(value[name])) return false
    }
    return true
  }

  explain(value: unknown, path: Path, faults: Fault[]): void {
    if (!isObject(value)) {
      faults.push({ keyword: 'type', path, wanted: 'object' })
      return
    }
    let count = 0
    for (const name in value) {
      count++
      if (count > this.#maxProperties) {
        faults.push({ keyword: 'maxProperties', path, wanted: this.#maxProperties })
      } else if (this.#isUnknown(name)) {
        faults.push({ keyword: 'additionalProperties', path, wanted: [name] })
      } else if (!this.#values.fits(value[name])) {
        this.#values.explain(value[name], [...path, name], faults)
      } else continue
      return
    }
  }

  #isUnknown(name: string): boolean {
    return this.#keyPattern !== undefined && !this.#keyPattern.test(name)
  }
}

class UnionRule implements Rule {
  readonly #rules: readonly Rule[]

  constructor(keywords: Keywords) {
    this.#rules = (keywords['anyOf'] as readonly Schema[]).map(ruleOf)
  }

  fits(value: unknown): boolean {
    for (let i = 0; i < this.#rules.length; i++) if (this.#rules[i]?.fits(value)) return true
    return false
  }

  explain(value: unknown, path: Path, faults: Fault[]): void {
    for (const rule of this.#rules) rule.explain(value, path, faults)
  }
}

type JsonObject = Readonly<Record<string, unknown>>

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** What every object inherits, `toString` for one, is no member. */
function has(value: JsonObject, name: string): boolean {
  return value[name] !== undefined && Object.hasOwn(value, name)
}

function boundOf(keywords: Keywords, keyword: string, otherwise: number): number {
  const bound = keywords[keyword]
  return typeof bound === 'number' ? bound : otherwise
}

/** Counts code points, as JSON Schema does, and no further than it takes to know. */
function isLonger(text: string, length: number): boolean {
  if (text.length <= length) return false
  // A code point is one or two units.
  if (text.length > 2 * length) return true
  let count = 0
  for (const _ of text) if (++count > length) return true
  return false
}
