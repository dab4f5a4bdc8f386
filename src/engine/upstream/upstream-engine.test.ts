import assert from 'node:assert/strict'
import { test } from 'node:test'
import { greedy, requestOf } from '../onnx-engine.fixture.ts'
import {
  chat,
  chatReply,
  data,
  delta,
  done,
  failureOf,
  finish,
  generate,
  hello,
  json,
  sse,
  usage,
  withMock,
} from './upstream.fixture.ts'

test('a stream becomes deltas, a finish and the server’s usage', async () => {
  await withMock(chatReply(...hello, finish, usage, done), async (engine) => {
    const answer = await generate(engine)
    assert.deepEqual(answer.texts, ['Hello'])
    assert.deepEqual(answer.reasons, ['stop'])
    assert.deepEqual(answer.events.at(-1), {
      type: 'usage',
      promptTokens: 7,
      completionTokens: 3,
      cachedTokens: 4,
    })
    assert.deepEqual(engine.load(), { running: 0, waiting: 0, kvTokensFree: 64 * 8192 })
  })
})

test('events of one read are one batch', async () => {
  await withMock(chatReply([...hello, finish, usage, done].join('')), async (engine) => {
    const batches = []
    for await (const batch of engine.generate(requestOf(chat), new AbortController().signal)) {
      batches.push(batch.length)
    }
    assert.deepEqual(batches, [4])
  })
})

test('the request carries what was set, and leaves the server’s own defaults alone', async () => {
  await withMock(chatReply(finish, done), async (engine, mock) => {
    const sampling = { ...greedy, temperature: 1, seed: 5 }
    await generate(engine, { sampling, passThrough: { user: 'u', stream: false, model: 'evil' } })
    assert.deepEqual(mock.bodies[0], {
      user: 'u',
      model: 'm',
      messages: [{ role: 'user', content: 'Hi' }],
      seed: 5,
      stream: true,
      stream_options: { include_usage: true },
    })
    await generate(engine, {
      sampling: {
        temperature: 0.5,
        topP: 0.9,
        topK: 5,
        minP: 0.1,
        frequencyPenalty: 1,
        presencePenalty: -1,
        repetitionPenalty: 1.1,
        logitBias: { '5': 1 },
        seed: 1,
      },
      maxTokens: 9,
      stop: ['x'],
      topLogprobs: 2,
      tools: [{ type: 'function' }],
      toolChoice: 'auto',
      responseFormat: { type: 'json_object' },
    })
    const { messages: _, ...sent } = mock.bodies[1] ?? {}
    assert.deepEqual(sent, {
      model: 'm',
      max_tokens: 9,
      stop: ['x'],
      temperature: 0.5,
      top_p: 0.9,
      top_k: 5,
      min_p: 0.1,
      frequency_penalty: 1,
      presence_penalty: -1,
      repetition_penalty: 1.1,
      logit_bias: { '5': 1 },
      seed: 1,
      logprobs: true,
      top_logprobs: 2,
      tools: [{ type: 'function' }],
      tool_choice: 'auto',
      response_format: { type: 'json_object' },
      stream: true,
      stream_options: { include_usage: true },
    })
  })
})

test('an answer that somebody else began is refused, and the server is not asked', async () => {
  await withMock(chatReply(...hello, finish, done), async (engine, mock) => {
    const asked = generate(engine, { continued: [[1, 2]] })
    await assert.rejects(asked, { code: 'capability_missing' })
    assert.equal(mock.bodies.length, 0)
    assert.equal(engine.load().running, 0)
  })
})

test('completions are asked for and read in their own layout', async () => {
  const chunk = data({
    choices: [
      {
        index: 0,
        text: ' Lima',
        finish_reason: 'length',
        logprobs: {
          tokens: [' Lima'],
          token_logprobs: [-0.5],
          top_logprobs: [{ ' Lima': -0.5, ' X': -2 }],
        },
      },
    ],
  })
  await withMock({ '/v1/completions': sse(chunk, done) }, async (engine, mock) => {
    const answer = await generate(engine, {
      kind: 'completion',
      prompt: [1, 2],
      topLogprobs: 2,
      echo: true,
    })
    assert.deepEqual(answer.texts, [' Lima'])
    assert.deepEqual(answer.reasons, ['length'])
    const first = answer.events[0]
    assert.ok(first?.type === 'delta')
    assert.equal(first.logprobs[0]?.logprob, -0.5)
    assert.deepEqual(
      first.logprobs[0]?.top.map(({ token }) => token),
      [' Lima', ' X'],
    )
    assert.deepEqual(mock.bodies[0]?.['prompt'], [1, 2])
    assert.equal(mock.bodies[0]?.['echo'], true)
  })
})

test('tool calls, reasoning and log-probabilities are kept', async () => {
  const call = { index: 0, id: 'a', type: 'function', function: { name: 'f', arguments: '{}' } }
  const scores = { content: [{ token: 'x', logprob: -1, bytes: null, top_logprobs: [] }] }
  const parts = [
    delta({ role: 'assistant', content: null, tool_calls: [] }),
    delta({ reasoning_content: 'hm', refusal: null }),
    delta({ tool_calls: [call] }),
    delta({ content: 'x' }, { logprobs: scores }),
    delta({}, { finish_reason: 'tool_calls' }),
    done,
  ]
  await withMock(chatReply(...parts), async (engine) => {
    const { events } = await generate(engine)
    const deltas = events.filter((event) => event.type === 'delta')
    assert.deepEqual(
      deltas.map(({ extra }) => extra),
      [{ reasoning_content: 'hm' }, { tool_calls: [call] }, null],
    )
    assert.deepEqual(deltas[2]?.logprobs, [{ token: 'x', logprob: -1, bytes: [120], top: [] }])
    assert.deepEqual(events.at(-2), { type: 'finish', choice: 0, reason: 'tool_calls' })
  })
})

test('several choices are told apart, and all must finish', async () => {
  const two = (index: number, more: object) => data({ choices: [{ index, delta: {}, ...more }] })
  const parts = [
    two(1, { delta: { content: 'b' } }),
    two(0, { delta: { content: 'a' }, finish_reason: 'stop' }),
    two(1, { finish_reason: 'length' }),
  ]
  await withMock(chatReply(...parts, done), async (engine) => {
    const answer = await generate(engine, { choices: 2 })
    assert.deepEqual(
      [answer.texts, answer.reasons],
      [
        ['a', 'b'],
        ['stop', 'length'],
      ],
    )
    const error = await failureOf(generate(engine, { choices: 3 }))
    assert.equal(error.code, 'upstream_failed')
  })
})

test('a server without usage gets an estimate that says so', async () => {
  await withMock(chatReply(...hello, finish, done), async (engine) => {
    const { events } = await generate(engine)
    const last = events.at(-1)
    assert.ok(last?.type === 'usage' && last.estimated === true)
    assert.equal(last.completionTokens, 2)
    assert.ok(last.promptTokens > 0)
  })
})

test('an answer that comes whole instead of streamed is read as well', async () => {
  const answer = {
    choices: [{ index: 0, message: { role: 'assistant', content: 'Hi' }, finish_reason: 'stop' }],
    usage: { prompt_tokens: 1, completion_tokens: 1 },
  }
  await withMock({ '/v1/chat/completions': json(answer) }, async (engine) => {
    assert.deepEqual((await generate(engine)).texts, ['Hi'])
  })
})

test('an end that nobody knows is a stop, whatever its name', async () => {
  for (const reason of ['eos', 'constructor', '__proto__']) {
    const answer = { choices: [{ index: 0, message: { content: 'Hi' }, finish_reason: reason }] }
    await withMock({ '/v1/chat/completions': json(answer) }, async (engine) => {
      assert.deepEqual((await generate(engine)).reasons, ['stop'])
    })
  }
})

test('a whole answer is asked for in one piece, its tokens guessed if not told', async () => {
  const answer = {
    choices: [{ index: 0, message: { content: 'Lima, Peru' }, finish_reason: 'stop' }],
  }
  await withMock({ '/v1/chat/completions': json(answer) }, async (engine, mock) => {
    const { texts, events } = await generate(engine, { whole: true })
    assert.deepEqual(texts, ['Lima, Peru'])
    const usage = events.find((event) => event.type === 'usage')
    assert.equal(usage?.completionTokens, 3)
    assert.equal(usage?.estimated, true)
    assert.equal(mock.bodies[0]?.['stream'], false)
    assert.equal(mock.bodies[0]?.['stream_options'], undefined)
  })
})

test('comments, event names, carriage returns and a cut last line are no trouble', async () => {
  const parts = [
    ': ping\r\n\r\n',
    `event: message\r\n${delta({ content: 'Grü' }).replaceAll('\n', '\r\n')}`,
    delta({ content: 'ße' }).replace('data: ', 'data:'),
    finish,
    'data: [DONE]',
  ]
  await withMock(chatReply(...parts), async (engine) => {
    assert.deepEqual((await generate(engine)).texts, ['Grüße'])
  })
})
