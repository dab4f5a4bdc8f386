import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Ajv2020 } from 'ajv/dist/2020.js'
import fc from 'fast-check'
import { chatBody, completionBody, embeddingBody } from './schemas.ts'
import { checkChatBody, checkCompletionBody, checkEmbeddingBody } from './validation.ts'

const chat = { model: 'm', messages: [{ role: 'user', content: 'hi' }] }

test('a refusal is one sentence that names the field', () => {
  const told = (fields: object) => checkChatBody({ ...chat, ...fields })?.message
  assert.equal(told({}), undefined)
  assert.equal(checkChatBody(3)?.message, 'the body must be object')
  assert.equal(checkChatBody({})?.message, "'model' is missing")
  assert.equal(told({ model: '' }), "'model' must not have fewer than 1 characters")
  assert.equal(told({ messages: [] }), "'messages' is empty")
  assert.equal(told({ messages: [{}] }), "'messages[0].role' is missing")
  const roles = 'system, developer, user, assistant, tool'
  assert.equal(told({ messages: [{ role: 'x' }] }), `'messages[0].role' must be one of ${roles}`)
  assert.equal(
    told({ messages: [{ role: 'user', content: [{ type: 'text' }, {}] }] }),
    "'messages[0].content[1].type' is missing",
  )
  assert.equal(told({ temperature: 3 }), "'temperature' must be <= 2")
  assert.equal(told({ temperature: 'hot' }), "'temperature' must be number or null")
  assert.equal(told({ n: 1.5 }), "'n' must be integer or null")
  assert.equal(told({ stop: 3 }), "'stop' must be string or array or null")
  assert.equal(told({ stop: ['a', 3] }), "'stop[1]' must be string")
  assert.equal(told({ stop: ['a'.repeat(1025)] }), "'stop[0]' is longer than 1024 characters")
  assert.equal(told({ stop: Array(17).fill('a') }), "'stop' has over 16 items")
  assert.equal(told({ logit_bias: { x: 1 } }), "'logit_bias.x' is not a known field")
  assert.equal(told({ logit_bias: { 7: 101 } }), "'logit_bias.7' must be <= 100")
  assert.equal(told({ isochrone: { slo: { x: 1 } } }), "'isochrone.slo.x' is not a known field")
  assert.equal(
    told(JSON.parse('{"isochrone":{"__proto__":{"region":"x"}}}')),
    "'isochrone.__proto__' is not a known field",
  )
})

test('a body that names what every object has is checked as any other', () => {
  const body = JSON.parse('{"__proto__":{"model":"m"},"messages":[],"constructor":1}')
  assert.equal(checkChatBody(body)?.message, "'model' is missing")
  assert.equal(checkChatBody({ ...chat, constructor: 1, toString: null }), undefined)
})

test('explaining what is wrong stops at the first fault', () => {
  let looks = 0
  const items = new Proxy(Array(1_000_000).fill(1), {
    get: (target, key, receiver) => {
      looks++
      return Reflect.get(target, key, receiver)
    },
  })
  assert.equal(checkChatBody({ ...chat, stop: items })?.detail['param'], 'stop')
  assert.equal(checkEmbeddingBody({ model: 'm', input: items })?.detail['param'], 'input')
  const prompt = new Proxy([{}, ...Array(1_000_000).fill(1)], {
    get: (target, key, receiver) => {
      looks++
      return Reflect.get(target, key, receiver)
    },
  })
  assert.equal(checkCompletionBody({ model: 'm', prompt })?.detail['param'], 'prompt[0]')
  assert(looks < 100, `${looks} looks`)
})

const cases = [
  ['chat', chatBody, checkChatBody, chat],
  ['completion', completionBody, checkCompletionBody, { model: 'm', prompt: ['a', 1, [2]] }],
  ['embedding', embeddingBody, checkEmbeddingBody, { model: 'm', input: ['a', 1, [2]] }],
] as const

for (const [what, schema, check, base] of cases) {
  test(`any ${what} body is judged as Ajv judges it, and never throws`, () => {
    const ajv = new Ajv2020({ strict: false, logger: false })
    const expected = ajv.compile(schema)
    const names = Object.keys(schema.properties)
    const value = fc.oneof(
      fc.constantFrom<unknown>(null, true, 'float', '', 0, 1, -1, 1.5, 1e9, [], ['a'], [[1]], {}),
      fc.constant({ ttft_ms: 5, slo: { tpot_ms: 1 }, type: 'text', include_usage: true, 5: 1 }),
      fc.constant([{ type: 'text', role: 'user', content: [{ type: 'a' }] }]),
      fc.jsonValue(),
    )
    const body = fc.dictionary(fc.oneof(fc.constantFrom(...names), fc.string()), value)
    fc.assert(
      fc.property(body, fc.boolean(), (fields, isWhole) => {
        const one: unknown = JSON.parse(JSON.stringify(isWhole ? { ...base, ...fields } : fields))
        const refusal = check(one)
        assert.equal(refusal === undefined, expected(one))
        if (refusal !== undefined) assert(refusal.message.length < 300, refusal.message)
      }),
      { numRuns: 400 },
    )
  })
}
