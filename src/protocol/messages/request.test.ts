import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { hasCode } from '../errors.ts'
import type { GenerationRequest } from '../generation.ts'
import { embeddingRequest, generationRequest } from '../protocol.fixture.ts'
import {
  decodeEmbeddingRequest,
  decodeGenerationRequest,
  encodeEmbeddingRequest,
  encodeGenerationRequest,
} from './request.ts'
import { requestLimits } from './request-schema.ts'

const sample = (() => {
  const [request] = fc.sample(generationRequest, { numRuns: 1, seed: 1 })
  assert.ok(request !== undefined)
  return request
})()

function assertRefused(body: Uint8Array, why = /./): void {
  assert.throws(
    () => decodeGenerationRequest(body),
    (error) => {
      assert.ok(hasCode(error, 'malformed_message') && error instanceof Error, String(error))
      assert.match(error.message, why)
      return true
    },
  )
}

function withField(field: object): Uint8Array {
  return Buffer.from(JSON.stringify({ ...sample, ...field }))
}

const limits = requestLimits
const sampling = sample.sampling
const text = (length: number) => 'x'.repeat(length)
const repeated = (length: number, value: unknown) => new Array(length).fill(value)

const wrongFields: Readonly<Record<keyof Required<GenerationRequest>, readonly unknown[]>> = {
  kind: ['embedding', '', null, 1],
  requestId: ['', text(limits.requestIdLengthMax + 1), null, 7],
  model: ['', text(limits.modelNameLengthMax + 1), null, {}],
  modelDigest: ['', 'sha256:', `sha256:${'A'.repeat(64)}`, 5, undefined],
  messages: [
    null,
    'hi',
    [null],
    [{}],
    [{ role: 'root', content: '' }],
    [{ role: 'user' }],
    [{ role: 'user', content: 5 }],
    [{ role: 'user', content: ['text'] }],
    [{ role: 'user', content: repeated(limits.partsPerMessageMax + 1, {}) }],
    [{ role: 'user', content: '', name: null }],
    repeated(limits.messagesMax + 1, { role: 'user', content: '' }),
  ],
  prompt: [null, 5, [-1], [0.5], ['a'], [2 ** 32], { length: 1 }],
  choices: [0, -1, 1.5, limits.choicesMax + 1, '1', null],
  maxTokens: [-1, 0.5, '1', limits.tokensMax + 1],
  stop: [
    null,
    'stop',
    [5],
    repeated(limits.stopStringsMax + 1, 'a'),
    [text(limits.stopStringLengthMax + 1)],
  ],
  sampling: [
    null,
    {},
    { ...sampling, temperature: -1 },
    { ...sampling, temperature: null },
    { ...sampling, topP: 1.1 },
    { ...sampling, topK: 0.5 },
    { ...sampling, minP: -0.1 },
    { ...sampling, seed: 2 ** 53 },
    { ...sampling, seed: -1 },
    { ...sampling, logitBias: { a: 1 } },
    { ...sampling, logitBias: { '-1': 1 } },
    { ...sampling, logitBias: { 1: 'a' } },
    { ...sampling, logitBias: [1] },
    { ...sampling, logitBias: Object.fromEntries(Array.from({ length: 1025 }, (_, i) => [i, 0])) },
  ],
  topLogprobs: [-1, 21, 0.5, '5'],
  whole: [null, 0, 'true'],
  echo: [null, 0, 'true'],
  tools: [null, {}, ['a'], repeated(limits.toolsMax + 1, {})],
  toolChoice: [undefined],
  parallelToolCalls: [0, 'true'],
  responseFormat: [null, {}, { type: 'xml' }, { type: 'json_schema' }, 'text'],
  passThrough: [
    null,
    [],
    'a',
    Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`field${i}`, 0])),
  ],
  continued: [null, [], 'a', [null], [5], [['a']], [[-1]], [[2 ** 32]], repeated(17, [])],
}

for (const [field, values] of Object.entries(wrongFields)) {
  test(`a wrong "${field}" is refused by name`, () => {
    for (const value of values) {
      assertRefused(withField({ [field]: value }), new RegExp(`"${field}"`))
    }
  })
}

test('every field has to be there', () => {
  for (const field of Object.keys(sample)) {
    const { [field as keyof GenerationRequest]: _left, ...rest } = sample
    assertRefused(Buffer.from(JSON.stringify(rest)), new RegExp(`"${field}"`))
  }
})

test('a new answer says nothing of tokens, a continued one brings them', () => {
  assert.ok(!('continued' in decodeGenerationRequest(encodeGenerationRequest(sample))))
  const continued = [[], [1, 2 ** 32 - 1]]
  const request = { ...sample, continued }
  assert.deepEqual(decodeGenerationRequest(encodeGenerationRequest(request)).continued, continued)
})

test('fields are not found on a prototype, and unknown ones are left out', () => {
  const { echo: _left, ...rest } = sample
  assertRefused(
    Buffer.from(`{"__proto__":{"echo":true},${JSON.stringify(rest).slice(1)}`),
    /"echo"/,
  )
  const decoded = decodeGenerationRequest(withField({ unheardOf: 1 }))
  assert.ok(!('unheardOf' in decoded))
})

test('what is no JSON object in UTF-8 is refused', () => {
  for (const wrong of ['', '{', 'null', '[]', '5', '"a"', '{"a":1}{', '\ufeff{}']) {
    assertRefused(Buffer.from(wrong))
  }
  assertRefused(Buffer.from([0x7b, 0xff, 0x7d]), /UTF-8/)
})

test('JSON nested without end is refused, not a stack overflow', () => {
  for (const depth of [100, 1_000_000]) {
    const nested = '['.repeat(depth) + ']'.repeat(depth)
    const body = JSON.stringify({ ...sample, toolChoice: 'here' }).replace('"here"', nested)
    assertRefused(Buffer.from(body), /nested|JSON/)
  }
})

test('a request over the limit is refused on both sides', () => {
  const isTooLarge = (error: unknown) => hasCode(error, 'message_too_large')
  const body = new Uint8Array(limits.requestBytesMax + 1).fill(0x20)
  assert.throws(() => decodeGenerationRequest(body), isTooLarge)
  assert.throws(() => decodeEmbeddingRequest(body), isTooLarge)
  const prompt = text(limits.requestBytesMax)
  assert.throws(() => encodeGenerationRequest({ ...sample, prompt }), isTooLarge)
})

test('the largest request that a client can send is accepted', () => {
  const content = text(7 * 1024 * 1024)
  const request = { ...sample, messages: [{ role: 'user' as const, content }] }
  const decoded = decodeGenerationRequest(encodeGenerationRequest(request))
  assert.equal(decoded.messages[0]?.content, content)
})

test('any JSON value in any field is a request or refused', () => {
  fc.assert(
    fc.property(fc.constantFrom(...Object.keys(sample)), fc.jsonValue(), (field, value) => {
      const body = withField({ [field]: value })
      try {
        decodeGenerationRequest(body)
      } catch (error) {
        assert.ok(hasCode(error, 'malformed_message'), String(error))
      }
    }),
    { numRuns: 500 },
  )
})

test('an embedding request is checked as well', () => {
  const [request] = fc.sample(embeddingRequest, { numRuns: 1, seed: 1 })
  assert.ok(request !== undefined)
  const decoded = decodeEmbeddingRequest(encodeEmbeddingRequest(request))
  assert.equal(JSON.stringify(decoded), JSON.stringify(request))
  const wrong = [
    { kind: 'chat' },
    { input: [] },
    { input: 'text' },
    { input: [5] },
    { input: [[0.5]] },
    { input: repeated(limits.embeddingInputsMax + 1, 'a') },
    { dimensions: 0 },
    { dimensions: limits.dimensionsMax + 1 },
  ]
  for (const field of wrong) {
    const body = Buffer.from(JSON.stringify({ ...request, ...field }))
    assert.throws(
      () => decodeEmbeddingRequest(body),
      (error) => hasCode(error, 'malformed_message'),
    )
  }
})
