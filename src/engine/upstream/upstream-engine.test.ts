import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ManualClock } from '../../base/index.ts'
import {
  type ErrorCode,
  type GenerationRequest,
  hasCode,
  IsochroneError,
} from '../../protocol/index.ts'
import type { Engine } from '../engine.ts'
import { collect, greedy, requestOf, settle } from '../onnx-engine.fixture.ts'
import {
  data,
  delta,
  done,
  finish,
  json,
  type MockUpstream,
  models,
  openEngine,
  type Reply,
  sse,
  startMock,
  usage,
} from './upstream.fixture.ts'
import type { UpstreamEngineOptions } from './upstream-engine.ts'

const chat: Partial<GenerationRequest> = {
  kind: 'chat',
  model: 'm',
  messages: [{ role: 'user', content: 'Hi' }],
}

const generate = (engine: Engine, changes: Partial<GenerationRequest> = {}) =>
  collect(engine.generate(requestOf({ ...chat, ...changes }), new AbortController().signal))

async function withMock(
  replies: Readonly<Record<string, Reply>>,
  action: (engine: Engine, mock: MockUpstream) => Promise<void>,
  options: Partial<UpstreamEngineOptions> = {},
): Promise<void> {
  const mock = await startMock(replies)
  const engine = await openEngine(mock, options)
  try {
    await action(engine, mock)
  } finally {
    await engine.close()
    await mock.close()
  }
}

const chatReply = (...parts: (string | Buffer)[]) => ({ '/v1/chat/completions': sse(...parts) })
const hello = [
  delta({ role: 'assistant', content: '' }),
  delta({ content: 'Hel' }),
  delta({ content: 'lo' }),
]

async function failureOf(promise: Promise<unknown>): Promise<IsochroneError> {
  const error = await promise.then(
    () => assert.fail('it must fail'),
    (reason: unknown) => reason,
  )
  assert.ok(error instanceof IsochroneError, String(error))
  return error
}

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

test('comments, event names, carriage returns and a missing last line end are no trouble', async () => {
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

test('a stream that ends early is a failure, wherever it is cut', async () => {
  const whole = [...hello, finish, done].join('')
  const complete = whole.indexOf(finish) + finish.trimEnd().length
  await withMock({}, async (engine, mock) => {
    for (let cut = 0; cut < whole.length; cut += 7) {
      mock.replies.set('/v1/chat/completions', sse(whole.slice(0, cut)))
      const halfDone = whole.slice(complete, cut).includes('[')
      if (cut >= complete && !halfDone) assert.deepEqual((await generate(engine)).texts, ['Hello'])
      else assert.equal((await failureOf(generate(engine))).code, 'upstream_failed')
    }
    assert.deepEqual(engine.load().running, 0)
  })
})

test('a connection that breaks is a failure, and what came before is delivered', async () => {
  const broken: Reply = (response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.write(hello.join(''), () => response.destroy())
  }
  await withMock({ '/v1/chat/completions': broken }, async (engine) => {
    let text = ''
    const stream = engine.generate(requestOf(chat), new AbortController().signal)
    const read = async () => {
      for await (const batch of stream) {
        for (const event of batch) if (event.type === 'delta') text += event.text
      }
    }
    assert.equal((await failureOf(read())).code, 'upstream_failed')
    assert.equal(text, 'Hello')
  })
})

test('what is no chunk is a failure', async () => {
  const bad = [
    'data: {"choices": [\n\n',
    data([1]),
    data({ hello: 1 }),
    data({ choices: 7 }),
    data({ choices: [7] }),
    data({ choices: [{ index: 5, delta: { content: 'x' } }] }),
    data({ choices: [{ index: -1, delta: { content: 'x' } }] }),
    data({ choices: [{ index: 'length', delta: { content: 'x' } }] }),
    data({ error: { message: 'CUDA out of memory' } }),
    'error: {"message": "slot failed"}\n\n',
    delta({}, { finish_reason: 'abort' }),
    finish + delta({ content: 'more' }),
    `data: ${'x'.repeat(4 * 1024 * 1024 + 1)}`,
    '<html>not a stream</html>',
  ]
  await withMock({}, async (engine, mock) => {
    for (const part of bad) {
      mock.replies.set('/v1/chat/completions', sse(hello[1] ?? '', part, finish, done))
      const missing = part.startsWith('<')
      if (missing) mock.replies.set('/v1/chat/completions', sse(part))
      const { code } = await failureOf(generate(engine))
      assert.equal(code, 'upstream_failed', part.slice(0, 60))
    }
    assert.equal(engine.load().running, 0)
  })
})

test('refusals become error codes, with what the server said', async () => {
  const cases: [number, object, ErrorCode, RegExp][] = [
    [401, { error: { message: 'bad key' } }, 'engine_unavailable', /API key/],
    [403, {}, 'engine_unavailable', /API key/],
    [
      404,
      { error: { message: 'The model `x` does not exist' } },
      'model_not_found',
      /does not exist/,
    ],
    [429, { error: { message: 'slow down' } }, 'all_nodes_busy', /slow down/],
    [400, { object: 'error', message: 'bad top_p' }, 'upstream_rejected', /bad top_p/],
    [422, { detail: [{ loc: ['body'] }] }, 'upstream_rejected', /body/],
    [400, { error: 'ollama says no' }, 'upstream_rejected', /ollama says no/],
    [
      400,
      { error: { message: "This model's maximum context length is 10" } },
      'context_length_exceeded',
      /10/,
    ],
    [
      400,
      { error: { message: 'x', code: 'context_length_exceeded' } },
      'context_length_exceeded',
      /x/,
    ],
    [408, {}, 'upstream_failed', /408/],
    [500, { error: { message: 'boom' } }, 'upstream_failed', /boom/],
    [503, {}, 'upstream_failed', /503/],
    [302, {}, 'upstream_failed', /302/],
  ]
  const options = { apiKey: 'sk-secret', name: 'my-server' }
  await withMock(
    {},
    async (engine, mock) => {
      for (const [status, body, code, message] of cases) {
        mock.replies.set('/v1/chat/completions', json(body, status, { 'retry-after': '7' }))
        const error = await failureOf(generate(engine))
        assert.equal(error.code, code)
        assert.match(error.message, message)
        assert.match(error.message, /my-server/)
        assert.doesNotMatch(error.message, /sk-secret/)
        if (status === 429) assert.equal(error.detail['retryAfterSeconds'], 7)
      }
      assert.equal(mock.requests.at(-1)?.headers.authorization, 'Bearer sk-secret')
      mock.replies.set('/v1/chat/completions', (response) => {
        response.writeHead(500)
        response.end('x'.repeat(1_000_000))
      })
      assert.ok((await failureOf(generate(engine))).message.length < 1000)
    },
    options,
  )
})

test('an abort gives up the server’s work at once', async () => {
  const endless: Reply = (response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.write(hello.join(''))
  }
  await withMock({ '/v1/chat/completions': endless }, async (engine, mock) => {
    const abort = new AbortController()
    const stream = engine.generate(requestOf(chat), abort.signal)[Symbol.asyncIterator]()
    assert.equal((await stream.next()).value?.length, 2)
    assert.equal(engine.load().running, 1)
    const next = stream.next()
    abort.abort()
    await assert.rejects(next, (error) => hasCode(error, 'cancelled'))
    while (mock.aborted < 1) await settle(1)
    assert.equal(engine.load().running, 0)
    for await (const _ of engine.generate(requestOf(chat), new AbortController().signal)) break
    while (mock.aborted < 2) await settle(1)
    const early = engine.generate(requestOf(chat), abort.signal)
    await assert.rejects(collect(early), (error) => hasCode(error, 'cancelled'))
    assert.equal(engine.load().running, 0)
  })
})

test('a slow reader pauses the server instead of gathering without end', async () => {
  const chunk = delta({ content: 'x'.repeat(100) })
  let written = 0
  const flood: Reply = (response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    const more = () => {
      while (written < 200_000) {
        written += 1
        if (!response.write(chunk)) {
          response.once('drain', more)
          return
        }
      }
      response.end(finish + done)
    }
    more()
  }
  await withMock({ '/v1/chat/completions': flood }, async (engine) => {
    const stream = engine
      .generate(requestOf(chat), new AbortController().signal)
      [Symbol.asyncIterator]()
    await stream.next()
    await settle(500)
    assert.ok(written < 150_000, `${written} chunks were written`)
    let events = 0
    for (;;) {
      const { value, done: ended } = await stream.next()
      if (ended) break
      events += value.length
    }
    assert.ok(events > 150_000)
  })
})

test('models, kind and limits of each server are found', async () => {
  const cases: [Record<string, Reply>, object][] = [
    [
      { '/v1/models': models([{ id: 'q', owned_by: 'vllm', max_model_len: 4096 }]) },
      { runtime: 'upstream/vllm', contextTokensMax: 4096, slots: 256 },
    ],
    [
      {
        '/v1/models': models([{ id: 'q', owned_by: 'llamacpp', meta: { n_ctx_train: 32768 } }]),
        '/props': json({ total_slots: 3, default_generation_settings: { n_ctx: 2048 } }),
      },
      { runtime: 'upstream/llama-server', contextTokensMax: 2048, slots: 3 },
    ],
    [
      { '/v1/models': models([{ id: 'q', owned_by: 'library' }]) },
      { runtime: 'upstream/ollama', contextTokensMax: 8192, slots: 4 },
    ],
    [
      {
        '/v1/models': models([{ id: 'q', owned_by: 'me' }]),
        '/get_model_info': json({ model_path: 'x' }),
      },
      { runtime: 'upstream/sglang', slots: 256 },
    ],
    [
      { '/v1/models': models([{ id: 'q' }]), '/version': json({ version: '0.11' }) },
      { runtime: 'upstream/vllm' },
    ],
    [{ '/v1/models': models([{ id: 'q' }]) }, { runtime: 'upstream', slots: 64 }],
    [{ '/v1/models': models([{ id: 'bge-m3' }]) }, { features: ['embedding'] }],
  ]
  for (const [replies, wanted] of cases) {
    await withMock(replies, async (engine) => {
      assert.equal(engine.models().length, 1)
      assert.partialDeepStrictEqual(engine.models()[0], wanted)
    })
  }
})

test('the list is asked for again, survives a failure, and is empty after three', async () => {
  const clock = new ManualClock()
  await withMock(
    {},
    async (engine, mock) => {
      const names = () => engine.models().map(({ name }) => name)
      const refresh = async (asked: number) => {
        clock.advance(30_000)
        while (mock.requests.filter(({ path }) => path === '/v1/models').length < asked)
          await settle(1)
        await settle(100)
      }
      mock.replies.set('/v1/models', models([{ id: 'a', owned_by: 'vllm' }, { id: 'b' }]))
      await refresh(2)
      assert.deepEqual(names(), ['a', 'b'])
      mock.replies.set('/v1/models', json({}, 500))
      await refresh(3)
      await refresh(4)
      assert.deepEqual(names(), ['a', 'b'])
      await refresh(5)
      assert.deepEqual(names(), [])
    },
    { clock },
  )
})

test('a server that cannot be used at the start is an error that says why', async () => {
  const mock = await startMock({ '/v1/models': json({}, 401) })
  assert.equal((await failureOf(openEngine(mock))).code, 'engine_unavailable')
  mock.replies.set('/v1/models', json({ nothing: 1 }))
  assert.match((await failureOf(openEngine(mock))).message, /OpenAI-compatible/)
  await mock.close()
  assert.equal((await failureOf(openEngine(mock))).code, 'upstream_failed')
  assert.equal((await failureOf(openEngine(mock, { url: 'x' }))).code, 'invalid_configuration')
  const waiting = await openEngine(mock, { startUnavailable: true })
  assert.deepEqual(waiting.models(), [])
  assert.equal((await failureOf(generate(waiting))).code, 'upstream_failed')
  await waiting.close()
})

test('embeddings come in the order of the inputs, as numbers or base64', async () => {
  const second = Buffer.from(new Float32Array([3, 4]).buffer).toString('base64')
  const answer = {
    data: [
      { index: 1, embedding: second },
      { index: 0, embedding: [1, 2] },
    ],
    usage: { prompt_tokens: 5 },
  }
  const request = { ...requestOf({ model: 'm' }), kind: 'embedding' as const, dimensions: null }
  await withMock({ '/v1/embeddings': json(answer) }, async (engine, mock) => {
    const { signal } = new AbortController()
    const result = await engine.embed({ ...request, input: ['a', 'b'] }, signal)
    assert.deepEqual(
      result.vectors.map((vector) => [...vector]),
      [
        [1, 2],
        [3, 4],
      ],
    )
    assert.equal(result.promptTokens, 5)
    const error = await failureOf(engine.embed({ ...request, input: ['a', 'b', 'c'] }, signal))
    assert.equal(error.code, 'upstream_failed')
    mock.replies.set('/v1/embeddings', json({ data: [{ embedding: [1, 'x'] }] }))
    assert.equal(
      (await failureOf(engine.embed({ ...request, input: ['a'] }, signal))).code,
      'upstream_failed',
    )
    assert.deepEqual(engine.load().running, 0)
  })
})
