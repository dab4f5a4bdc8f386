import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ManualClock } from '../../base/index.ts'
import { requestOf, settle } from '../onnx-engine.fixture.ts'
import {
  failureOf,
  generate,
  json,
  models,
  openEngine,
  type Reply,
  startMock,
  withMock,
} from './upstream.fixture.ts'

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
  const page: Reply = (response) => {
    response.writeHead(404, { 'content-type': 'text/html' })
    response.end('<html>no such page</html>')
  }
  for (const reply of [json({ detail: 'Not Found' }, 404), page]) {
    mock.replies.set('/v1/models', reply)
    const { message } = await failureOf(openEngine(mock))
    assert.match(message, /not found.* with the \/v1 at the end\?$/i)
    assert.doesNotMatch(message, /html/)
  }
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
