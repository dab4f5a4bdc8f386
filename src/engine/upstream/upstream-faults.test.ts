import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { ManualClock } from '../../base/index.ts'
import { type ErrorCode, hasCode } from '../../protocol/index.ts'
import { collect, requestOf, settle } from '../onnx-engine.fixture.ts'
import {
  chat,
  data,
  delta,
  done,
  failureOf,
  finish,
  generate,
  hello,
  json,
  type Reply,
  sse,
  withMock,
} from './upstream.fixture.ts'

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
    delta({ content: 'x', more: 1 }).replace('1}', `${'['.repeat(99)}${']'.repeat(99)}}`),
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
        if (status === 429) assert.equal(error.detail['retryAfterMs'], 7000)
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

test('a server that never ends its response is left, read by its reader or not', async () => {
  const gone: Promise<unknown>[] = []
  const clock = new ManualClock()
  const many = delta({ content: 'x' }).repeat(2000)
  const endless: Reply = (response) => {
    gone.push(once(response, 'close'))
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.write(many + finish + done)
  }
  const act = async (engine: Parameters<typeof generate>[0]) => {
    assert.equal((await generate(engine)).texts[0]?.length, 2000)
    const stream = engine.generate(requestOf(chat), new AbortController().signal)
    const reader = stream[Symbol.asyncIterator]()
    await reader.next()
    await settle()
    await reader.return?.()
    assert.equal(engine.load().running, 0)
    clock.advance(8000)
    await Promise.all(gone)
    assert.equal(gone.length, 2)
  }
  await withMock({ '/v1/chat/completions': endless }, act, { clock })
})

test('a refusal is told, however deep its reason is nested', async () => {
  const depth = 20_000
  const nested = `{"detail":{"1":${'['.repeat(depth)}${']'.repeat(depth)}}}`
  const refusal: Reply = (response) => response.writeHead(500).end(nested)
  await withMock({ '/v1/chat/completions': refusal }, async (engine) => {
    assert.equal((await failureOf(generate(engine))).code, 'upstream_failed')
  })
})

test('an id from elsewhere adds no field and no request', async () => {
  await withMock({ '/v1/chat/completions': sse(...hello, finish, done) }, async (engine, mock) => {
    const requestId = 'a\r\nx-more: 1' as ReturnType<typeof requestOf>['requestId']
    assert.deepEqual((await generate(engine, { requestId })).texts, ['Hello'])
    const headers = mock.requests.at(-1)?.headers ?? {}
    assert.deepEqual([headers['x-more'], headers['x-request-id']], [undefined, undefined])
  })
})

test('who asks a closed engine is told, and no timer stays behind', async () => {
  const clock = new ManualClock()
  await withMock(
    {},
    async (engine) => {
      await engine.close()
      const asked = { kind: 'embedding' as const, requestId: requestOf().requestId, model: 'm' }
      const request = { ...asked, modelDigest: null, input: ['x'], dimensions: null }
      const failure = await failureOf(engine.embed(request, new AbortController().signal))
      assert.equal(failure.code, 'upstream_failed')
      clock.advance(200_000)
    },
    { clock },
  )
})
