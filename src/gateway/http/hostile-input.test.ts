/** Whatever a client sends: a clear answer in OpenAI's shape, and the next request is served. */
import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { after, before, test } from 'node:test'
import fc from 'fast-check'
import { errorCodes, isErrorCode } from '../../protocol/index.ts'
import {
  modelOf,
  ScriptedEngine,
  saying,
  startGateway,
  type TestGateway,
  testKey,
} from '../gateway.fixture.ts'

const bodyBytesMax = 6 * 1024 * 1024
const headers = { authorization: `Bearer ${testKey}`, 'content-type': 'application/json' }
const chatPath = '/v1/chat/completions'
const chat = { model: 'm', messages: [{ role: 'user', content: 'hi' }] }
let gateway: TestGateway

before(async () => {
  gateway = await startGateway({ limits: { bodyBytesMax } })
  const engine = new ScriptedEngine([modelOf('m')], saying(['fine']))
  gateway.gateway.addUpstream({ name: 'sound', engine })
})
after(() => gateway.gateway.close())

interface Sent {
  readonly status: number
  readonly code: string | null
  readonly param: string | null
  readonly headers: Headers
}

async function send(path: string, init: RequestInit): Promise<Sent> {
  const response = await fetch(gateway.url + path, init)
  const text = await response.text()
  if (response.status < 400)
    return { status: response.status, code: null, param: null, headers: response.headers }
  const { error } = JSON.parse(text)
  assert.deepEqual(Object.keys(error), ['message', 'type', 'param', 'code'], text)
  assert.ok(error.message.length > 0 && error.message.length < 1000, error.message)
  assert.ok(isErrorCode(error.code))
  assert.equal(errorCodes[error.code as keyof typeof errorCodes].http, response.status)
  return {
    status: response.status,
    code: error.code,
    param: error.param,
    headers: response.headers,
  }
}

function post(body: string | Uint8Array<ArrayBuffer> | object, path = chatPath): Promise<Sent> {
  const bytes = typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body)
  return send(path, { method: 'POST', headers, body: bytes as string | Uint8Array<ArrayBuffer> })
}

async function servesStill(): Promise<void> {
  assert.equal((await post(chat)).status, 200)
}

/** What a raw connection gets for these bytes. */
function raw(text: string, url = gateway.url): Promise<string> {
  const { hostname, port } = new URL(url)
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname, () => socket.write(text))
    let answer = ''
    socket.on('data', (data) => {
      answer += data.toString('latin1')
    })
    socket.on('close', () => resolve(answer))
    socket.on('error', reject)
  })
}

test('a body that is no JSON is invalid_json, and prompts are not quoted back', async () => {
  for (const body of [
    '{',
    '',
    'null x',
    '{"a":}',
    '{"secret prompt',
    "{'a':1}",
    '\u0000',
    '[1,]',
  ]) {
    const { status, code } = await post(body === '' ? ' ' : body)
    assert.equal(status, 400)
    assert.equal(code, 'invalid_json', body)
  }
  const response = await fetch(gateway.url + chatPath, {
    method: 'POST',
    headers,
    body: '{"x": secret',
  })
  assert.doesNotMatch(await response.text(), /secret/)
  await servesStill()
})

test('a body of no bytes is refused at once, and what comes behind it is served', async () => {
  const fields = `host: x\r\nauthorization: Bearer ${testKey}\r\ncontent-type: application/json\r\n`
  const start = `POST ${chatPath} HTTP/1.1\r\n${fields}`
  const body = JSON.stringify(chat)
  const sound = `${start}connection: close\r\ncontent-length: ${body.length}\r\n\r\n${body}`
  for (const length of ['0', '00']) {
    const answer = await raw(`${start}content-length: ${length}\r\n\r\n${sound}`)
    const statuses = [...answer.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => status)
    assert.deepEqual(statuses, ['400', '200'], answer)
  }
})

test('bytes that are no UTF-8 are invalid_json', async () => {
  const start = Buffer.from('{"model":"m","messages":[{"role":"user","content":"')
  const end = Buffer.from('"}]}')
  for (const bytes of [[0xff], [0xc3, 0x28], [0xed, 0xa0, 0x80], [0xf8, 0x88, 0x80, 0x80, 0x80]]) {
    const { code } = await post(Buffer.concat([start, Buffer.from(bytes), end]))
    assert.equal(code, 'invalid_json')
  }
  await servesStill()
})

test('any bytes, any JSON: never worse than a 4xx', async () => {
  await fc.assert(
    fc.asyncProperty(fc.oneof(fc.uint8Array({ minLength: 1 }), fc.json()), async (body) => {
      const { status } = await post(body)
      assert.ok(status >= 400 && status < 500, String(status))
    }),
    { numRuns: 150 },
  )
  await servesStill()
})

test('every field with every wrong type is named, on every route', async () => {
  const fields = ['model', 'messages', 'temperature', 'top_p', 'n', 'stop', 'max_tokens', 'stream']
  const more = ['seed', 'logit_bias', 'tools', 'tool_choice', 'response_format', 'stream_options']
  const last = ['isochrone', 'logprobs', 'top_logprobs', 'parallel_tool_calls', 'frequency_penalty']
  const wrong = fc.oneof(
    fc.constantFrom<unknown>(-1e308, 1e308, [[]], [{}], [null], { x: { y: [] } }, Number.MIN_VALUE),
    fc.array(fc.double({ noNaN: true }), { minLength: 20, maxLength: 40 }),
  )
  const field = fc.constantFrom(...fields, ...more, ...last)
  await fc.assert(
    fc.asyncProperty(field, wrong, async (name, value) => {
      const { status, param } = await post({ ...chat, [name]: value })
      // A free object is a valid tool_choice, a list of them a valid tools; nothing then uses them.
      if (status === 200 || status === 503) return
      assert.equal(status, 400)
      assert.ok(param?.startsWith(name), `${name}: ${param}`)
    }),
    { numRuns: 150 },
  )
  await servesStill()
})

test('other routes refuse nonsense as clearly', async () => {
  for (const path of ['/v1/completions', '/v1/embeddings']) {
    for (const body of [{}, [], { model: 1 }, { model: 'm', prompt: {}, input: {} }]) {
      assert.equal((await post(body, path)).code, 'invalid_request')
    }
  }
  for (const path of [
    '/v1/models/none',
    '/v1/nodes/x',
    '/v1/decisions/x',
    '/v1/nodes/%00',
    '/v1/x',
  ]) {
    assert.equal((await send(path, { headers })).status, 404, path)
  }
  const bad = await send('/v1/decisions/x?format=pdf', { headers })
  assert.equal(bad.code, 'invalid_request')
  await servesStill()
})

test('a million stop strings, a deep nest, a body over the limit', async () => {
  const stops = await post({ ...chat, stop: new Array(1_000_000).fill('a') })
  assert.equal(stops.code, 'invalid_request')
  assert.equal(stops.param, 'stop')
  const nest = `${'['.repeat(200_000)}${']'.repeat(200_000)}`
  const deep = await post(`{"model":"m","messages":[{"role":"user","content":"x"}],"deep":${nest}}`)
  assert.equal(deep.param, 'deep')
  const calls = await post(
    `{"model":"m","messages":[{"role":"assistant","content":"x","tool_calls":[{"a":${nest}}]}]}`,
  )
  assert.equal(calls.code, 'invalid_request')
  const large = await post({ ...chat, user: 'x'.repeat(bodyBytesMax) })
  assert.equal(large.status, 413)
  assert.equal(large.code, 'request_too_large')
  await servesStill()
})

test('wrong content type, method, path and key', async () => {
  const text = { ...headers, 'content-type': 'text/plain' }
  const plain = await send(chatPath, { method: 'POST', headers: text, body: 'hi' })
  assert.equal(plain.code, 'unsupported_media_type')
  for (const method of ['GET', 'PUT', 'DELETE', 'PATCH']) {
    const wrong = await send(chatPath, { method, headers })
    assert.equal(wrong.code, 'method_not_allowed')
    assert.equal(wrong.headers.get('allow'), 'POST')
  }
  assert.equal((await send('/v2', { headers })).code, 'not_found')
  const stranger = await send(chatPath, {
    method: 'POST',
    headers: { ...headers, authorization: 'Bearer iso_wrong' },
    body: JSON.stringify(chat),
  })
  assert.equal(stranger.status, 401)
  await servesStill()
})

test('a sane x-request-id is echoed, another replaced', async () => {
  const asked = async (id: string) => {
    const response = await fetch(`${gateway.url}/healthz`, { headers: { 'x-request-id': id } })
    return response.headers.get('x-request-id')
  }
  assert.equal(await asked('my-request.1'), 'my-request.1')
  assert.match((await asked('x'.repeat(500))) ?? '', /^req_[a-z2-7]{26}$/)
  assert.match((await asked('a b<script>')) ?? '', /^req_/)
})

test('a body that does not arrive in time is 408; what is no HTTP is 400', async (t) => {
  const hasty = await startGateway({ limits: { requestArrivalMs: 150 } })
  t.after(() => hasty.gateway.close())
  const start = `POST ${chatPath} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${testKey}\r\n`
  const slow = await raw(
    `${start}content-type: application/json\r\ncontent-length: 100\r\n\r\n{"model"`,
    hasty.url,
  )
  assert.match(slow, /^HTTP\/1\.1 408 /)
  assert.match(slow, /"code":"request_timeout"/)
  const garbage = await raw('\x16\x03\x01 this is no HTTP\r\n\r\n')
  assert.match(garbage, /^HTTP\/1\.1 400 /)
  assert.match(garbage, /"code":"invalid_request"/)
  const smuggled = await raw(
    `${start}content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`,
  )
  assert.match(smuggled, /^HTTP\/1\.1 400 /)
  await servesStill()
})

test('a request without Host is refused in our shape; an expectation is no matter', async () => {
  const end = 'connection: close\r\n\r\n'
  const nowhere = await raw(`GET /healthz HTTP/1.1\r\n${end}`)
  assert.match(nowhere, /^HTTP\/1\.1 400 /)
  assert.match(nowhere, /"code":"invalid_request"/)
  assert.match(await raw(`GET /healthz HTTP/1.0\r\n\r\n`), /^HTTP\/1\.1 200 /)
  const wish = 'host: x\r\nexpect: wonders\r\n'
  const hopeful = await raw(`GET /healthz HTTP/1.1\r\n${wish}${end}`)
  assert.match(hopeful, /^HTTP\/1\.1 200 /)
})

test('HEAD is answered as GET; an address that is no encoding is refused', async () => {
  const head = await fetch(`${gateway.url}/v1/models`, { method: 'HEAD', headers })
  assert.equal(head.status, 200)
  assert.ok(Number(head.headers.get('content-length')) > 0)
  assert.equal(await head.text(), '')
  assert.equal((await send('/v1/models/%zz', { headers })).code, 'invalid_request')
  const twice = await send('/v1/decisions?limit=1&limit=2', { headers })
  assert.equal(twice.param, 'limit')
})

test('the body of a request that is refused is not taken for the next request', async () => {
  const head = `host: x\r\nauthorization: Bearer ${testKey}\r\n`
  const first = `POST /nowhere HTTP/1.1\r\n${head}content-length: 4\r\n\r\nGET `
  const second = `GET /healthz HTTP/1.1\r\n${head}connection: close\r\n\r\n`
  const both = await raw(first + second)
  assert.deepEqual(both.match(/HTTP\/1\.1 [0-9]+/g), ['HTTP/1.1 404', 'HTTP/1.1 200'])
})
