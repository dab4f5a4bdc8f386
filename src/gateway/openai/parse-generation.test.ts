import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRandom } from '../../base/index.ts'
import { IsochroneError, requestIdOf } from '../../protocol/index.ts'
import { parseChat, parseCompletion } from './parse-generation.ts'
import type { ChatBody, CompletionBody } from './schemas.ts'
import { checkChatBody, checkCompletionBody } from './validation.ts'

const id = requestIdOf(new Uint8Array(16))
const hello = { model: 'm', messages: [{ role: 'user', content: 'hello' }] }

function chat(body: object) {
  const fault = checkChatBody(body)
  if (fault !== undefined) throw fault
  return parseChat(body as ChatBody, id, seededRandom(1))
}

function completion(body: object) {
  const fault = checkCompletionBody(body)
  if (fault !== undefined) throw fault
  return parseCompletion(body as CompletionBody, id, seededRandom(1))
}

function refused(body: object, param: string, parse: (body: object) => unknown = chat) {
  assert.throws(
    () => parse(body),
    (error) =>
      error instanceof IsochroneError &&
      error.code === 'invalid_request' &&
      error.detail['param'] === param,
    `${JSON.stringify(body).slice(0, 100)} should be refused for ${param}`,
  )
}

test('a plain chat gets OpenAI’s defaults and a drawn seed', () => {
  const { request, route, stream, includeUsage } = chat(hello)
  assert.deepEqual(request.messages, [{ role: 'user', content: 'hello' }])
  assert.equal(request.choices, 1)
  assert.equal(request.maxTokens, null)
  assert.equal(request.sampling.temperature, 1)
  assert.equal(request.sampling.topP, 1)
  assert.ok(Number.isSafeInteger(request.sampling.seed) && request.sampling.seed >= 0)
  assert.deepEqual(route.features, ['chat'])
  assert.equal(stream, false)
  assert.equal(includeUsage, false)
})

test('a given seed is kept and becomes a required feature; a negative one is made whole', () => {
  assert.equal(chat({ ...hello, seed: 42 }).request.sampling.seed, 42)
  assert.deepEqual(chat({ ...hello, seed: 42 }).route.features, ['chat', 'seed'])
  const { seed } = chat({ ...hello, seed: -1 }).request.sampling
  assert.ok(Number.isSafeInteger(seed + 16) && seed > 0)
})

test('the several spellings of a field become one', () => {
  assert.equal(chat({ ...hello, max_tokens: 5 }).request.maxTokens, 5)
  assert.equal(chat({ ...hello, max_tokens: 5, max_completion_tokens: 6 }).request.maxTokens, 6)
  assert.deepEqual(chat({ ...hello, stop: 'x' }).request.stop, ['x'])
  assert.deepEqual(chat({ ...hello, stop: ['x', '', 'y'] }).request.stop, ['x', 'y'])
  assert.equal(completion({ model: 'm', prompt: ['a'] }).request.prompt, 'a')
  assert.deepEqual(completion({ model: 'm', prompt: [1, 2] }).request.prompt, [1, 2])
  assert.deepEqual(completion({ model: 'm', prompt: [[1, 2]] }).request.prompt, [1, 2])
})

test('fields of null are as fields left out', () => {
  const { request } = chat({
    ...hello,
    stop: null,
    seed: null,
    n: null,
    tools: null,
    logprobs: null,
  })
  assert.deepEqual(request.stop, [])
  assert.equal(request.choices, 1)
  assert.deepEqual(request.tools, [])
  assert.equal(request.topLogprobs, null)
})

test('what is asked for becomes a required feature', () => {
  const tool = { type: 'function', function: { name: 'f', parameters: {} } }
  assert.ok(chat({ ...hello, tools: [tool] }).route.features.includes('tools'))
  const json = { response_format: { type: 'json_object' } }
  assert.ok(chat({ ...hello, ...json }).route.features.includes('structured_output'))
  assert.ok(chat({ ...hello, logprobs: true }).route.features.includes('logprobs'))
  const image = { type: 'image_url', image_url: { url: 'data:,' } }
  const seen = chat({ model: 'm', messages: [{ role: 'user', content: [image] }] })
  assert.ok(seen.route.features.includes('images'))
})

test('objectives, price, region and exclusions reach routing', () => {
  const isochrone = {
    slo: { ttft_ms: 200, tpot_ms: 20 },
    max_price: 3,
    region: 'eu-west',
    exclude: ['upstream-a'],
  }
  const { route } = chat({ ...hello, isochrone })
  assert.deepEqual(route.objective, { ttftMs: 200, tpotMs: 20 })
  assert.equal(route.maxPrice, 3)
  assert.equal(route.region, 'eu-west')
  assert.deepEqual(route.exclude, ['upstream-a'])
})

test('unknown fields are passed through at the top, and refused under isochrone', () => {
  const { request } = chat({ ...hello, guided_regex: 'a+', user: 'u' })
  assert.deepEqual(request.passThrough, { guided_regex: 'a+', user: 'u' })
  refused({ ...hello, isochrone: { slo: { ttft: 1 } } }, 'isochrone.slo.ttft')
  refused({ ...hello, isochrone: { prefer: 1 } }, 'isochrone.prefer')
})

test('further prompts are requests of their own, with seeds that count on', () => {
  const body = { model: 'm', prompt: ['a'.repeat(40), [1, 2, 3], 'b'], n: 2, seed: 5, user: 'u' }
  const { request, further, route, promptTokens } = completion(body)
  const all = [request, ...further]
  assert.deepEqual(
    all.map(({ prompt, choices, sampling }) => [prompt, choices, sampling.seed]),
    [
      ['a'.repeat(40), 2, 5],
      [[1, 2, 3], 2, 7],
      ['b', 2, 9],
    ],
  )
  assert.deepEqual(further[1]?.passThrough, { user: 'u' })
  // Room is needed for the largest; all are paid for.
  assert.deepEqual([route.promptTokens, promptTokens], [10, 14])
  for (const prompt of ['a', ['a'], [1, 2], [[1, 2]]]) {
    assert.equal(completion({ model: 'm', prompt }).further.length, 0)
  }
})

test('what passes through is bounded in number, size and depth', () => {
  const many = Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`f${i}`, 1]))
  refused({ ...hello, ...many }, '')
  let deep: unknown = 1
  for (let i = 0; i < 100; i += 1) deep = [deep]
  refused({ ...hello, deep }, 'deep')
  refused({ ...hello, wide: new Array(30_000).fill(0) }, 'wide')
  refused(
    JSON.parse('{"model":"m","messages":[{"role":"user","content":""}],"__proto__":1}'),
    '__proto__',
  )
})

test('each wrong field is named', () => {
  refused({}, 'model')
  refused({ model: 'm' }, 'messages')
  refused({ model: 'm', messages: [] }, 'messages')
  refused({ model: 'm', messages: [{ role: 'king', content: 'x' }] }, 'messages[0].role')
  refused({ model: 'm', messages: [{ role: 'user' }] }, 'messages[0].content')
  refused({ model: 'm', messages: [{ role: 'user', content: 5 }] }, 'messages[0].content')
  refused({ ...hello, temperature: 'hot' }, 'temperature')
  refused({ ...hello, temperature: 3 }, 'temperature')
  refused({ ...hello, n: 1.5 }, 'n')
  refused({ ...hello, n: 1000 }, 'n')
  refused({ ...hello, stop: new Array(1_000_000).fill('a') }, 'stop')
  refused({ ...hello, seed: 1e300 }, 'seed')
  refused({ ...hello, logit_bias: { word: 1 } }, 'logit_bias.word')
  refused({ ...hello, top_logprobs: 3 }, 'top_logprobs')
  refused({ ...hello, stream_options: { include_usage: true } }, 'stream_options')
  refused({ ...hello, response_format: { type: 'json_schema' } }, 'response_format.json_schema')
  refused({ ...hello, response_format: { type: 'xml' } }, 'response_format.type')
  refused({ ...hello, isochrone: { exclude: ['nobody'] } }, 'isochrone.exclude[0]')
  refused({ model: 'm', prompt: ['a', 1] }, 'prompt', completion)
  refused({ model: 'm', prompt: new Array(17).fill('a') }, 'prompt', completion)
  refused({ model: 'm', prompt: ['a', 'b', 'c'], n: 6 }, 'prompt', completion)
  refused({ model: 'm', prompt: [1, 'b'] }, 'prompt', completion)
})
