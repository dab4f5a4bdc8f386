/**
 * A small vocabulary for JSON Schema: each word builds a plain schema object, and the type of the
 * values that fit it goes along with it.
 *
 * `validator.ts` checks values against them; the OpenAPI document shows them as they are.
 */

/** Never there at run time: the place where a schema's type of values is remembered. */
declare const values: unique symbol

/** A JSON Schema (2020-12) whose fitting values are of type `T`. */
export interface Schema<T = unknown> {
  readonly [values]?: T
}

/** The type of the values that fit a schema. */
export type Static<S extends Schema> = S extends Schema<infer T> ? T : never

/** A member that an object need not have. */
export class OptionalMember<S extends Schema = Schema> {
  readonly schema: S

  constructor(schema: S) {
    this.schema = schema
  }
}

type Members = Readonly<Record<string, Schema | OptionalMember>>
type Flat<T> = { [K in keyof T]: T[K] }
type OptionalName<M> = { [K in keyof M]: M[K] extends OptionalMember ? K : never }[keyof M]
type ObjectOf<M> = Flat<
  { [K in Exclude<keyof M, OptionalName<M>>]: M[K] extends Schema<infer T> ? T : never } & {
    [K in OptionalName<M>]?: M[K] extends OptionalMember<infer S> ? Static<S> : never
  }
>

export interface ObjectSchema<M extends Members = Members> extends Schema<ObjectOf<M>> {
  readonly type: 'object'
  readonly properties: {
    readonly [K in keyof M]: M[K] extends OptionalMember<infer S> ? S : M[K]
  }
}

interface Described {
  readonly description?: string
}
interface StringBounds extends Described {
  /** In code points, as JSON Schema counts. */
  readonly minLength?: number
  readonly maxLength?: number
  readonly pattern?: string
}
interface NumberBounds extends Described {
  readonly minimum?: number
  readonly maximum?: number
  readonly exclusiveMinimum?: number
  readonly multipleOf?: number
}
interface ArrayBounds extends Described {
  readonly minItems?: number
  readonly maxItems?: number
}
interface ObjectBounds extends Described {
  /** Default: others are allowed, and nothing is said about them. */
  readonly additionalProperties?: boolean
}
interface RecordBounds extends Described {
  readonly maxProperties?: number
  /** What every key must look like; other keys are refused. */
  readonly keyPattern?: string
}

export const json = {
  unknown: (): Schema => ({}),
  null: (): Schema<null> => word({ type: 'null' }),
  boolean: (): Schema<boolean> => word({ type: 'boolean' }),
  string: (bounds: StringBounds = {}): Schema<string> => word({ type: 'string', ...bounds }),
  number: (bounds: NumberBounds = {}): Schema<number> => word({ type: 'number', ...bounds }),
  integer: (bounds: NumberBounds = {}): Schema<number> => word({ type: 'integer', ...bounds }),
  literal: <const T extends string | number>(value: T): Schema<T> => word({ const: value }),
  enum: <const T extends string>(allowed: readonly T[]): Schema<T> => word({ enum: allowed }),

  array: <S extends Schema>(items: S, bounds: ArrayBounds = {}): Schema<Static<S>[]> =>
    word({ type: 'array', items, ...bounds }),

  /** A value that fits at least one of the schemas. */
  union: <const S extends readonly Schema[]>(schemas: S): Schema<Static<S[number]>> =>
    word({ anyOf: schemas }),

  nullable: <S extends Schema>(schema: S): Schema<Static<S> | null> =>
    word({ anyOf: [schema, { type: 'null' }] }),

  optional: <S extends Schema>(schema: S): OptionalMember<S> => new OptionalMember(schema),

  /** All members but the optional ones are required. */
  object: <M extends Members>(members: M, bounds: ObjectBounds = {}): ObjectSchema<M> => {
    const all = Object.entries(members)
    const properties = all.map(([name, member]) => [
      name,
      member instanceof OptionalMember ? member.schema : member,
    ])
    const required = all.filter(([, member]) => !(member instanceof OptionalMember))
    const names = required.map(([name]) => name)
    return {
      type: 'object',
      properties: Object.fromEntries(properties),
      ...(names.length === 0 ? {} : { required: names }),
      ...bounds,
    }
  },

  /** An object with keys that the schema does not name. */
  record: <S extends Schema>(
    of: S,
    bounds: RecordBounds = {},
  ): Schema<Record<string, Static<S>>> => {
    const { keyPattern, ...others } = bounds
    if (keyPattern === undefined)
      return word({ type: 'object', additionalProperties: of, ...others })
    const patternProperties = { [keyPattern]: of }
    return word({ type: 'object', patternProperties, additionalProperties: false, ...others })
  },
} as const

function word<T>(keywords: Readonly<Record<string, unknown>>): Schema<T> {
  return keywords
}
