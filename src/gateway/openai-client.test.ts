/** The official client against the gateway: the happy paths and every class of error. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import OpenAI from 'openai'
import type { GenerationEvent } from '../protocol/index.ts'
import {
  failing,
  modelOf,
  type Script,
  ScriptedEngine,
  saying,
  startGateway,
  type TestGateway,
  type TestGatewayOptions,
  testKey,
} from './gateway.fixture.ts'

interface Setting {
  readonly client: OpenAI
  readonly test: TestGateway
  readonly engine: ScriptedEngine
}

async function setting(
  context: TestContext,
  script: Script,
  options: TestGatewayOptions = {},
): Promise<Setting> {
  const gateway = await startGateway(options)
  context.after(() => gateway.gateway.close())
  const engine = new ScriptedEngine([modelOf('tiny')], script)
  gateway.gateway.addUpstream({ name: 'scripted', engine })
  const client = new OpenAI({ apiKey: testKey, baseURL: `${gateway.url}/v1`, maxRetries: 0 })
  return { client, test: gateway, engine }
}

const messages: OpenAI.ChatCompletionMessageParam[] = [
  { role: 'user', content: 'Capital of Peru?' },
]

test('models are listed and read', async (t) => {
  const { client } = await setting(t, saying(['Lima']))
  const ids = []
  for await (const model of client.models.list()) ids.push(model.id)
  assert.deepEqual(ids, ['tiny'])
  assert.equal((await client.models.retrieve('tiny')).owned_by, 'isochrone')
})

test('a chat is answered with usage, decision and worker', async (t) => {
  const { client, test: gateway } = await setting(t, saying(['Li', 'ma']))
  const { data, response } = await client.chat.completions
    .create({ model: 'tiny', messages, seed: 5 })
    .withResponse()
  assert.equal(data.choices[0]?.message.content, 'Lima')
  assert.equal(data.choices[0]?.finish_reason, 'stop')
  assert.equal(data.usage?.total_tokens, 9)
  assert.equal(response.headers.get('x-isochrone-worker'), 'upstream-scripted')
  assert.equal(response.headers.get('x-isochrone-seed'), '5')
  const decision = gateway.decisions.get(response.headers.get('x-isochrone-decision') ?? '')
  assert.equal(decision?.attempts[0]?.outcome, 'completed')
  assert.equal(gateway.observations.all[0]?.outcome.kind, 'completed')
})

test('a streamed chat comes in deltas, with usage when asked for', async (t) => {
  const { client } = await setting(t, saying(['Li', 'ma']))
  const stream = await client.chat.completions.create({
    model: 'tiny',
    messages,
    stream: true,
    stream_options: { include_usage: true },
  })
  let text = ''
  let role: string | undefined
  const reasons: string[] = []
  let total = 0
  for await (const chunk of stream) {
    role ??= chunk.choices[0]?.delta.role
    text += chunk.choices[0]?.delta.content ?? ''
    const reason = chunk.choices[0]?.finish_reason
    if (reason != null) reasons.push(reason)
    total += chunk.usage?.total_tokens ?? 0
  }
  assert.equal(role, 'assistant')
  assert.equal(text, 'Lima')
  assert.deepEqual(reasons, ['stop'])
  assert.equal(total, 9)
})

test('several choices, log-probabilities, completions and embeddings', async (t) => {
  const { client, engine } = await setting(t, saying(['Li', 'ma']))
  const many = await client.chat.completions.create({
    model: 'tiny',
    messages,
    n: 3,
    logprobs: true,
    top_logprobs: 2,
  })
  assert.deepEqual(
    many.choices.map(({ index }) => index),
    [0, 1, 2],
  )
  assert.equal(many.choices[2]?.logprobs?.content?.[1]?.token, 'ma')
  assert.equal(engine.requests[0]?.topLogprobs, 2)
  const completion = await client.completions.create({ model: 'tiny', prompt: 'The', logprobs: 1 })
  assert.equal(completion.choices[0]?.text, 'Lima')
  assert.deepEqual(completion.choices[0]?.logprobs?.tokens, ['Li', 'ma'])
  const embedding = await client.embeddings.create({ model: 'tiny', input: ['a', 'b'] })
  assert.equal(embedding.data.length, 2)
  assert.equal(embedding.data[0]?.embedding.length, 4)
})

test('the client’s abort reaches the worker and counts as abandoned, not failed', async (t) => {
  const endless: Script = async function* (_request, signal) {
    for (let i = 0; ; i += 1) {
      if (signal.aborted) throw signal.reason
      yield [{ type: 'delta', choice: 0, text: `${i} `, tokenIds: [i], logprobs: [], extra: null }]
      await new Promise((resolve) => setImmediate(resolve))
    }
  }
  const { client, engine, test: gateway } = await setting(t, endless)
  const stream = await client.chat.completions.create({ model: 'tiny', messages, stream: true })
  let seen = 0
  for await (const _ of stream) {
    seen += 1
    if (seen === 5) stream.controller.abort()
  }
  await until(() => engine.running === 0 && gateway.observations.all.length === 1)
  assert.equal(gateway.observations.all[0]?.outcome.kind, 'abandoned')
  assert.equal(gateway.observations.all[0]?.blame, 'client')
  const [decision] = gateway.decisions.recent(1)
  assert.equal(decision?.attempts[0]?.outcome, 'abandoned')
})

test('a death in mid-stream raises in the client, and never looks like an end', async (t) => {
  const dying: Script = async function* (request) {
    let batches = 0
    for await (const batch of saying(['Li', 'ma'])(request, new AbortController().signal)) {
      batches += 1
      if (batches === 2) throw new Error('the cable was pulled')
      yield batch
    }
  }
  const { client, test: gateway } = await setting(t, dying)
  const stream = await client.chat.completions.create({ model: 'tiny', messages, stream: true })
  let text = ''
  const read = async () => {
    for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? ''
  }
  await assert.rejects(read(), (error) => {
    assert.ok(error instanceof OpenAI.APIError)
    assert.equal(error.code, 'stream_interrupted')
    return true
  })
  assert.equal(text, 'Li')
  const outcome = gateway.observations.all[0]?.outcome
  assert.deepEqual(outcome, { kind: 'failed', code: 'internal', phase: 'mid-stream' })
  assert.equal(gateway.observations.all[0]?.blame, 'node')
})

test('an answer that just ends is an interrupted one', async (t) => {
  const silent: Script = async function* () {
    const event: GenerationEvent = {
      type: 'delta',
      choice: 0,
      text: 'Li',
      tokenIds: [1],
      logprobs: [],
      extra: null,
    }
    yield [event]
  }
  const { client } = await setting(t, silent)
  const stream = await client.chat.completions.create({ model: 'tiny', messages, stream: true })
  const read = async () => {
    for await (const chunk of stream) void chunk
  }
  await assert.rejects(read(), { code: 'stream_interrupted' })
  const whole = client.chat.completions.create({ model: 'tiny', messages })
  await assert.rejects(whole, { status: 502, code: 'node_failed' })
})

test('each error has the class that OpenAI’s client knows', async (t) => {
  const { client, test: gateway } = await setting(t, saying(['x']))
  const ask = (body: object = {}) =>
    client.chat.completions.create({ model: 'tiny', messages, ...body })
  const wrongKey = new OpenAI({ apiKey: 'iso_no', baseURL: `${gateway.url}/v1`, maxRetries: 0 })
  await assert.rejects(wrongKey.models.list(), OpenAI.AuthenticationError)
  await assert.rejects(ask({ model: 'none' }), (error) => {
    assert.ok(error instanceof OpenAI.NotFoundError)
    assert.equal(error.code, 'model_not_found')
    assert.equal(error.param, 'model')
    assert.match(error.headers?.get('x-isochrone-decision') ?? '', /^dec_/)
    return true
  })
  await assert.rejects(ask({ temperature: 9 }), (error) => {
    assert.ok(error instanceof OpenAI.BadRequestError)
    assert.equal(error.param, 'temperature')
    return true
  })
  const tools = [{ type: 'function', function: { name: 'f', parameters: {} } }]
  await assert.rejects(ask({ tools }), (error) => {
    assert.ok(error instanceof OpenAI.InternalServerError)
    assert.equal(error.status, 503)
    assert.equal(error.code, 'no_eligible_node')
    assert.match(error.message, /No node that offers .* has the feature tools/)
    assert.equal(error.headers?.get('x-should-retry'), 'false')
    return true
  })
})

test('all busy is 429 with retry-after; a used-up key too', async (t) => {
  const { client, test: gateway } = await setting(t, saying(['x']), {
    limits: { requestsPerMinute: 2 },
  })
  const busy = new ScriptedEngine([modelOf('busy', { slots: 1 })], saying(['x']))
  busy.load = () => ({ running: 1, waiting: 1000, kvTokensFree: 0 })
  gateway.gateway.addUpstream({ name: 'busy', engine: busy })
  const limited = (code: string) => (error: unknown) => {
    assert.ok(error instanceof OpenAI.RateLimitError)
    assert.equal(error.code, code)
    const seconds = error.headers?.get('retry-after') ?? ''
    assert.match(seconds, /^[1-9][0-9]*$/)
    const ms = Number(error.headers?.get('retry-after-ms'))
    assert.ok(ms > 0 && ms <= 1_000 * Number(seconds) && ms > 1_000 * (Number(seconds) - 1))
    return true
  }
  const ask = (model: string) => client.chat.completions.create({ model, messages })
  await assert.rejects(ask('busy'), limited('all_nodes_busy'))
  const { response } = await ask('tiny').withResponse()
  assert.equal(response.headers.get('x-ratelimit-remaining-requests'), '0')
  await assert.rejects(ask('tiny'), limited('rate_limited'))
})

test('errors of the engine keep their meaning', async (t) => {
  const { client, test: gateway } = await setting(t, failing('context_length_exceeded'))
  const ask = () => client.chat.completions.create({ model: 'tiny', messages })
  await assert.rejects(ask(), { status: 400, code: 'context_length_exceeded' })
  assert.equal(gateway.observations.all[0]?.blame, 'client')
})

/** Waits for a condition that other tasks of this process bring about. */
async function until(condition: () => boolean): Promise<void> {
  for (let turn = 0; turn < 100_000; turn += 1) {
    if (condition()) return
    await new Promise((resolve) => setImmediate(resolve))
  }
  assert.fail('the condition was not met')
}
