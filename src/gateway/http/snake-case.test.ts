import assert from 'node:assert/strict'
import { test } from 'node:test'
import { json, Validator } from '../../base/index.ts'
import { snakeCased, snakeCasedSchema } from './snake-case.ts'

test('names are rewritten at every depth, values are not', () => {
  const value = { atMs: 1, list: [{ ttftMs: null, text: 'keepMe' }], plain: true }
  assert.deepEqual(snakeCased(value), {
    at_ms: 1,
    list: [{ ttft_ms: null, text: 'keepMe' }],
    plain: true,
  })
})

test('a value shows what its JSON shows', () => {
  const shown = { toJSON: () => ({ maxTokens: 3, gone: undefined }) }
  assert.deepEqual(snakeCased({ shown }), { shown: { max_tokens: 3 } })
})

test('no name reaches an object’s prototype', () => {
  const value = JSON.parse('{"__proto__":{"isOdd":1},"aB":{"__proto__":2}}')
  const shown = snakeCased(value)
  assert.deepEqual([shown, Object.getPrototypeOf(shown)], [{ a_b: {} }, Object.prototype])
})

test('a schema names what the values are then called', () => {
  const schema = json.object(
    {
      atMs: json.integer(),
      attempts: json.array(json.object({ endedAtMs: json.nullable(json.number()) })),
      byName: json.optional(json.record(json.integer())),
      decidedBy: json.enum(['lotAlone']),
    },
    { additionalProperties: false },
  )
  const validator = new Validator(snakeCasedSchema(schema, 'A decision.'))
  const value = {
    atMs: 1,
    attempts: [{ endedAtMs: null }],
    byName: { x: 1 },
    decidedBy: 'lotAlone',
  }
  assert.ok(validator.fits(snakeCased(value)))
  assert.ok(!validator.fits(value))
})
