/** Several prompts in one request of the legacy interface: one decision, choices in their order. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import OpenAI from 'openai'
import { IsochroneError } from '../protocol/index.ts'
import {
  modelOf,
  type Script,
  ScriptedEngine,
  saying,
  startGateway,
  testKey,
} from './gateway.fixture.ts'

/** Says its own prompt, one letter after the other. */
const echoing: Script = (request, signal) => saying([...String(request.prompt)])(request, signal)

async function start(t: TestContext, script: Script) {
  const started = await startGateway()
  t.after(() => started.gateway.close())
  const engine = new ScriptedEngine([modelOf('tiny')], script)
  started.gateway.addUpstream({ name: 'one', engine })
  const client = new OpenAI({ apiKey: testKey, baseURL: `${started.url}/v1`, maxRetries: 0 })
  return { ...started, engine, client }
}

test('each prompt has its n choices, in order; one worker, one decision, one sum', async (t) => {
  const { client, engine, decisions, observations } = await start(t, echoing)
  const { data, response } = await client.completions
    .create({ model: 'tiny', prompt: ['ab', 'c', 'def'], n: 2, seed: 5 })
    .withResponse()
  assert.deepEqual(
    data.choices.map(({ index, text, finish_reason }) => [index, text, finish_reason]),
    ['ab', 'ab', 'c', 'c', 'def', 'def'].map((text, index) => [index, text, 'stop']),
  )
  assert.deepEqual(
    engine.requests.map(({ sampling }) => sampling.seed),
    [5, 7, 9],
  )
  assert.deepEqual([data.usage?.prompt_tokens, data.usage?.completion_tokens], [21, 12])
  assert.equal(response.headers.get('x-isochrone-seed'), '5')
  assert.equal(decisions.all.size, 1)
  assert.equal(observations.all.length, 1)
  assert.equal(observations.all[0]?.completionTokens, 12)
})

test('a stream says of each piece whose it is, and ends once', async (t) => {
  const { client } = await start(t, echoing)
  const stream = await client.completions.create({
    model: 'tiny',
    prompt: ['ab', 'cde'],
    stream: true,
    stream_options: { include_usage: true },
  })
  const texts = ['', '']
  const ends: number[] = []
  const totals: number[] = []
  for await (const { choices, usage } of stream) {
    for (const { index, text, finish_reason } of choices) {
      texts[index] += text
      if (finish_reason !== null) ends.push(index)
    }
    if (usage != null) totals.push(usage.total_tokens)
  }
  assert.deepEqual(texts, ['ab', 'cde'])
  assert.deepEqual(ends.sort(), [0, 1])
  assert.deepEqual(totals, [19])
})

test('when one fails, the others are stopped, and all are tried elsewhere', async (t) => {
  const second = new ScriptedEngine([modelOf('tiny')], echoing)
  const oneFails: Script = async function* (request, signal) {
    if (request.prompt === 'c') throw new IsochroneError('node_failed', 'broken')
    // From here on there is somebody else.
    gateway.addUpstream({ name: 'two', engine: second })
    await new Promise((resolve) => signal.addEventListener('abort', resolve))
    yield* echoing(request, signal)
  }
  const { client, engine, gateway, decisions } = await start(t, oneFails)
  const answer = await client.completions.create({ model: 'tiny', prompt: ['ab', 'c'] })
  assert.deepEqual(
    answer.choices.map(({ text }) => text),
    ['ab', 'c'],
  )
  const [decision] = decisions.all.values()
  assert.deepEqual(
    decision?.attempts.map(({ worker, outcome }) => [worker, outcome]),
    [
      ['upstream-one', 'failed'],
      ['upstream-two', 'completed'],
    ],
  )
  assert.deepEqual([engine.cancelled, second.calls], [1, 2])
})

test('a client that leaves stops every one', async (t) => {
  const endless: Script = async function* (_request, signal) {
    yield [{ type: 'delta', choice: 0, text: 'a', tokenIds: [1], logprobs: [], extra: null }]
    await new Promise((resolve) => signal.addEventListener('abort', resolve))
    throw signal.reason
  }
  const { client, engine, observations } = await start(t, endless)
  const prompt = ['a', 'b', 'c']
  const stream = await client.completions.create({ model: 'tiny', prompt, stream: true })
  let seen = 0
  for await (const _ of stream) {
    seen += 1
    if (seen === 3) stream.controller.abort()
  }
  while (engine.running > 0) await new Promise((resolve) => setImmediate(resolve))
  assert.equal(engine.cancelled, 3)
  assert.equal(observations.all[0]?.outcome.kind, 'abandoned')
})
