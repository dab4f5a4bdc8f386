// Random schemas and values near them: the validator agrees with Ajv, an implementation of JSON
// Schema that others wrote.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Ajv2020 } from 'ajv/dist/2020.js'
import fc from 'fast-check'
import { json, type Schema } from './schema.ts'
import { faultPhrase, pointerOf, Validator } from './validator.ts'

// Ajv leaves out a schema's own member `__proto__`, which no schema has.
const memberNames = ['a', 'b', 'c', 'toString', 'x/y~z']
const name = fc.constantFrom(...memberNames, '__proto__')
const texts = ['', 'a', 'ab', 'abc', '12', '𝔘', '𝔘𝔘', '𝔘𝔘𝔘', '\ud835', 'constructor']
const figures = [-1, 0, 0.5, 1, 2, 3, 16, 2 ** 53, Number.POSITIVE_INFINITY, Number.NaN]
const bound = fc.constantFrom(0, 1, 2, 3)
const options = { requiredKeys: [] }
const leaf = fc.oneof(
  fc.constant(json.null()),
  fc.constant(json.boolean()),
  fc.constant(json.unknown()),
  fc.constantFrom('a', '𝔘', 1).map((value) => json.literal(value)),
  fc.subarray(['a', 'ab', '__proto__'], { minLength: 1 }).map((values) => json.enum(values)),
  fc
    .record({ minLength: bound, maxLength: bound, pattern: fc.constant('^[a-z]') }, options)
    .map((bounds) => json.string(bounds)),
  fc
    .record({ minimum: bound, maximum: bound, exclusiveMinimum: bound }, options)
    .map((bounds) => json.number(bounds)),
  fc
    .record({ minimum: bound, maximum: bound, multipleOf: fc.constant(16) }, options)
    .map((bounds) => json.integer(bounds)),
)

const { schema } = fc.letrec<{ schema: Schema }>((tie) => ({
  schema: fc.oneof(
    { depthSize: 'small', maxDepth: 4 },
    leaf,
    fc
      .tuple(tie('schema'), fc.record({ minItems: bound, maxItems: bound }, options))
      .map(([items, bounds]) => json.array(items, bounds)),
    fc.array(tie('schema'), { minLength: 1, maxLength: 3 }).map((all) => json.union(all)),
    tie('schema').map((one) => json.nullable(one)),
    fc
      .tuple(
        fc.dictionary(fc.constantFrom(...memberNames), fc.tuple(tie('schema'), fc.boolean())),
        fc.boolean(),
      )
      .map(([members, additionalProperties]) => {
        const all = Object.entries(members).map(([key, [one, isOptional]]) => [
          key,
          isOptional ? json.optional(one) : one,
        ])
        return json.object(Object.fromEntries(all), { additionalProperties })
      }),
    fc
      .tuple(
        tie('schema'),
        fc.record({ maxProperties: bound, keyPattern: fc.constant('^[a-c]$') }, options),
      )
      .map(([of, bounds]) => json.record(of, bounds)),
  ),
}))

/** Values that often fit, and often only just do not. */
function near(one: Schema): fc.Arbitrary<unknown> {
  const { type, properties, items, anyOf, enum: allowed, ...rest } = one as Record<string, unknown>
  const other = fc.constantFrom<unknown>(null, true, 'a', 1, [], {}, ...texts, ...figures)
  const others = [{ arbitrary: other, weight: 1 }]
  const mostly = (arbitrary: fc.Arbitrary<unknown>) => fc.oneof({ arbitrary, weight: 6 }, ...others)
  if (anyOf !== undefined) return mostly(fc.oneof(...(anyOf as Schema[]).map(near)))
  if (allowed !== undefined) return mostly(fc.constantFrom(...(allowed as unknown[])))
  if ('const' in rest) return mostly(fc.constant(rest['const']))
  if (type === 'string') return mostly(fc.constantFrom(...texts))
  if (type === 'number' || type === 'integer') return mostly(fc.constantFrom(...figures))
  if (type === 'boolean') return mostly(fc.boolean())
  if (type === 'array') return mostly(fc.array(near(items as Schema), { maxLength: 4 }))
  if (type !== 'object') return other
  const known = Object.entries((properties ?? {}) as Record<string, Schema>)
  const { patternProperties = {}, additionalProperties } = rest
  const [values = additionalProperties] = Object.values(patternProperties as object)
  const extra = fc.tuple(name, typeof values === 'object' ? near(values as Schema) : other)
  const members = known.map(([key, member]) => fc.tuple(fc.constant(key), near(member)))
  const present = fc
    .tuple(fc.tuple(...members.map((member) => fc.option(member, { freq: 8 }))), fc.array(extra))
    .map(([own, more]) => own.filter((member) => member !== null).concat(more))
  return mostly(fc.oneof(present, fc.tuple(...members)).map(objectOf))
}

/** As JSON.parse makes it: `__proto__` is a key like any other. */
function objectOf(members: readonly (readonly [string, unknown])[]): object {
  return Object.fromEntries(members)
}

test('a validator agrees with Ajv on any schema and value', () => {
  const ajv = new Ajv2020({
    strict: false,
    strictNumbers: true,
    ownProperties: true,
    logger: false,
  })
  let fitting = 0
  let others = 0
  const pair = schema.chain((one) => fc.tuple(fc.constant(one), near(one)))
  fc.assert(
    fc.property(pair, ([one, value]) => {
      const validator = new Validator(one)
      const expected = ajv.validate(one, value)
      ajv.removeSchema(one)
      assert.equal(validator.fits(value), expected)
      const faults = validator.faults(value)
      assert.equal(faults.length === 0, expected)
      for (const fault of faults) assert.match(faultPhrase(fault), /^must /)
      if (expected) fitting++
      else others++
    }),
    { numRuns: 1500 },
  )
  assert(fitting > 200 && others > 200, `${fitting} fitted, ${others} did not`)
})

test('a fault says where it is, and what is wanted', () => {
  const validator = new Validator(
    json.object(
      {
        tags: json.array(json.string({ maxLength: 2 }), { maxItems: 2 }),
        'a/b~c': json.optional(json.union([json.integer({ minimum: 1 }), json.null()])),
      },
      { additionalProperties: false },
    ),
  )
  const told = (value: unknown) =>
    validator.faults(value).map((fault) => `${pointerOf(fault.path)} ${faultPhrase(fault)}`)
  assert.deepEqual(told({ tags: ['a'] }), [])
  assert.deepEqual(told([]), [' must be object'])
  assert.deepEqual(told({}), [' must have required properties tags'])
  assert.deepEqual(told({ tags: ['a', 'abc'] }), ['/tags/1 must not have more than 2 characters'])
  assert.deepEqual(told({ tags: ['a', 'b', 3] }), ['/tags must not have more than 2 items'])
  assert.deepEqual(told({ tags: [], more: 1 }), [' must not have additional properties'])
  assert.deepEqual(told({ tags: [], 'a/b~c': 0 }), [
    '/a~1b~0c must be >= 1',
    '/a~1b~0c must be null',
  ])
})

test('a schema that is not understood is refused, never left out', () => {
  const refused = (one: object) => assert.throws(() => new Validator(one), /not understood/)
  refused({ type: 'string', format: 'uri' })
  refused({ type: 'text' })
  refused({ allOf: [] })
  refused(json.array({ type: 'number', exclusiveMaximum: 1 } as Schema))
  refused({ type: 'object', properties: {}, maxProperties: 1 })
  refused({ type: 'object', additionalProperties: false })
  refused({ type: 'object', patternProperties: { a: {}, b: {} } })
})

test('lengths count code points, as JSON Schema has it', () => {
  const pair = new Validator(json.string({ minLength: 2, maxLength: 2 }))
  for (const text of ['ab', '𝔘b', '𝔘𝔘', '\ud835a']) assert(pair.fits(text), text)
  for (const text of ['a', '𝔘', '', 'abc', '𝔘𝔘𝔘', 'abcde']) assert(!pair.fits(text), text)
})

test('what every object inherits is no member', () => {
  const required = new Validator(json.object({ toString: json.unknown() }))
  assert(!required.fits({}))
  assert(required.fits({ toString: 1 }))
  const optional = new Validator(json.object({ toString: json.optional(json.string()) }))
  assert(optional.fits({}))
  assert(!optional.fits({ toString: 1 }))
})
