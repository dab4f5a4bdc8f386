/** Health, metrics, description, decisions and nodes. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { type Schema, Validator } from '../../base/index.ts'
import { metrics } from '../../telemetry/index.ts'
import type { Account } from '../admission/credentials.ts'
import {
  modelOf,
  ScriptedEngine,
  saying,
  startGateway,
  type TestGateway,
  testKey,
} from '../gateway.fixture.ts'
import { decisionAnswer } from './decision-schemas.ts'
import { nodeAnswer } from './openapi.ts'

const headers = { authorization: `Bearer ${testKey}`, 'content-type': 'application/json' }

async function start(context: TestContext): Promise<TestGateway> {
  const gateway = await startGateway()
  context.after(() => gateway.gateway.close())
  return gateway
}

function addModel({ gateway }: TestGateway, name = 'm'): void {
  const engine = new ScriptedEngine([modelOf(name)], saying(['fine']))
  gateway.addUpstream({ name: 'sound', engine })
}

async function ask({ url }: TestGateway, model = 'm') {
  const body = JSON.stringify({ model, messages: [{ role: 'user', content: 'my secret' }] })
  return fetch(`${url}/v1/chat/completions`, { method: 'POST', headers, body })
}

test('health is open at once, readiness waits for a model', async (t) => {
  const gateway = await start(t)
  const status = async (path: string) => (await fetch(gateway.url + path)).status
  assert.equal(await status('/healthz'), 200)
  assert.equal(await status('/readyz'), 503)
  assert.equal(gateway.gateway.isReady(), false)
  assert.equal((await ask(gateway)).status, 503)
  addModel(gateway)
  assert.equal(await status('/readyz'), 200)
  assert.equal(gateway.gateway.isReady(), true)
})

test('what is under /v1 needs a key, health and metrics do not', async (t) => {
  const gateway = await start(t)
  for (const path of ['/v1/models', '/v1/nodes', '/v1/decisions', '/v1/decisions/x']) {
    assert.equal((await fetch(gateway.url + path)).status, 401, path)
  }
  for (const path of ['/healthz', '/metrics', '/openapi.json']) {
    assert.equal((await fetch(gateway.url + path)).status, 200, path)
  }
})

test('a decision is read back as JSON and as text, without the prompt', async (t) => {
  const gateway = await start(t)
  addModel(gateway)
  const id = (await ask(gateway)).headers.get('x-isochrone-decision')
  const json = await fetch(`${gateway.url}/v1/decisions/${id}`, { headers })
  const decision = await json.text()
  assert.equal(JSON.parse(decision).chosen, 'upstream-sound')
  assert.equal(JSON.parse(decision).attempts[0].outcome, 'completed')
  assert.doesNotMatch(decision, /secret/)
  fitsDescription(decisionAnswer, decision)
  const text = await fetch(`${gateway.url}/v1/decisions/${id}?format=text`, { headers })
  assert.match(text.headers.get('content-type') ?? '', /^text\/plain/)
  assert.match(await text.text(), /upstream-sound/)
  const page = await fetch(`${gateway.url}/v1/decisions?limit=1`, { headers })
  const { data } = (await page.json()) as { data: { id: string }[] }
  assert.deepEqual(
    data.map((one) => one.id),
    [id],
  )
})

test('a decision is for its own key and for operators; others learn nothing of it', async (t) => {
  const limits = { requestsPerMinute: null, tokensPerMinute: null }
  const accounts: Readonly<Record<string, Account>> = {
    iso_a: { keyId: 'key_a', name: 'a', role: 'client', limits },
    iso_b: { keyId: 'key_b', name: 'b', role: 'client', limits },
    iso_o: { keyId: 'key_o', name: 'o', role: 'operator', limits },
  }
  const gateway = await startGateway({ apiKeys: { find: (key) => accounts[key] } })
  t.after(() => gateway.gateway.close())
  addModel(gateway)
  const as = (key: string, path: string, init: RequestInit = {}) =>
    fetch(gateway.url + path, { ...init, headers: { ...headers, authorization: `Bearer ${key}` } })
  const body = JSON.stringify({ model: 'm', messages: [{ role: 'user', content: 'x' }] })
  const answer = await as('iso_a', '/v1/chat/completions', { method: 'POST', body })
  await answer.text()
  const id = answer.headers.get('x-isochrone-decision')
  const status = async (key: string) => (await as(key, `/v1/decisions/${id}`)).status
  assert.deepEqual(await Promise.all(['iso_a', 'iso_b', 'iso_o'].map(status)), [200, 404, 200])
  const unknown = `dec_${'a'.repeat(26)}`
  const told = async (path: string) =>
    ((await (await as('iso_b', path)).json()) as { error: { message: string } }).error.message
  const message = await told(`/v1/decisions/${id}`)
  assert.equal(message.replace(`${id}`, unknown), await told(`/v1/decisions/${unknown}`))
  assert.match(message, /The newest 1000 .* are kept, .* GET \/v1\/decisions lists them/)
  assert.match(await told('/v1/decisions/nonsense'), /no decision id.* x-isochrone-decision/)
  const listed = async (key: string) =>
    ((await (await as(key, '/v1/decisions')).json()) as { data: unknown[] }).data.length
  assert.deepEqual(await Promise.all(['iso_a', 'iso_b', 'iso_o'].map(listed)), [1, 0, 1])
})

test('the text of a decision fits the width that is asked for', async (t) => {
  const gateway = await start(t)
  addModel(gateway)
  const id = (await ask(gateway)).headers.get('x-isochrone-decision')
  const widest = async (columns: string) => {
    const url = `${gateway.url}/v1/decisions/${id}?format=text&columns=${columns}`
    const text = await (await fetch(url, { headers })).text()
    return Math.max(...text.split('\n').map((line) => line.length))
  }
  assert.ok((await widest('60')) <= 60)
  assert.ok((await widest('9999')) > 100)
})

test('a node is shown with what was seen of it', async (t) => {
  const gateway = await start(t)
  addModel(gateway)
  await ask(gateway)
  const list = await fetch(`${gateway.url}/v1/nodes`, { headers })
  const { data } = (await list.json()) as { data: { id: string; kind: string }[] }
  assert.deepEqual(
    data.map(({ id, kind }) => [id, kind]),
    [['upstream-sound', 'upstream']],
  )
  const one = await fetch(`${gateway.url}/v1/nodes/upstream-sound`, { headers })
  const body = await one.text()
  fitsDescription(nodeAnswer, body)
  const node = JSON.parse(body) as {
    evidence: { model: string; completion: { samples: number } }[]
  }
  assert.equal(node.evidence[0]?.model, 'm')
  assert.ok((node.evidence[0]?.completion.samples ?? 0) > 0.9)
})

/** As clients of OpenAI's interface expect names, and described in full: no name beside. */
function fitsDescription(schema: Schema, body: string): void {
  const names = [...body.matchAll(/"([^"]+)":/g)].map(([, name]) => name ?? '')
  assert.deepEqual(
    names.filter((name) => !/^[a-z_]+$/.test(name)),
    [],
  )
  const strict = JSON.stringify(schema).replaceAll(
    '"properties":',
    '"additionalProperties":false,"properties":',
  )
  assert.deepEqual([...new Validator(JSON.parse(strict)).faults(JSON.parse(body))], [])
}

test('every metric of the table is there, and nothing else', async (t) => {
  const gateway = await start(t)
  addModel(gateway)
  await ask(gateway)
  const text = await (await fetch(`${gateway.url}/metrics`)).text()
  const types = [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(
    ([, name, type]) => `${name} ${type}`,
  )
  const expected = Object.values(metrics).map(({ name, type }) => `${name} ${type}`)
  assert.deepEqual(types.sort(), expected.sort())
  assert.match(
    text,
    /gen_ai_server_request_duration_seconds_count\{[^}]*gen_ai_request_model="m"[^}]*\} 1/,
  )
  assert.match(
    text,
    /isochrone_http_requests_total\{route="\/v1\/chat\/completions",status="200"\} 1/,
  )
  assert.match(text, /isochrone_workers\{state="connected"\} 1/)
})

test('names that clients invent do not become labels without bound', async (t) => {
  const gateway = await start(t)
  addModel(gateway)
  await ask(gateway, 'invented-name')
  await fetch(`${gateway.url}/v1/invented-path`, { headers })
  const text = await (await fetch(`${gateway.url}/metrics`)).text()
  assert.doesNotMatch(text, /invented/)
  assert.match(text, /gen_ai_request_model="other"/)
})

test('the OpenAPI document describes every route and body', async (t) => {
  const gateway = await start(t)
  const document = (await (await fetch(`${gateway.url}/openapi.json`)).json()) as {
    openapi: string
    paths: Record<string, Record<string, { requestBody?: object }>>
  }
  assert.match(document.openapi, /^3\./)
  const routes = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method} ${path}`),
  )
  assert.deepEqual(routes.filter((route) => !route.startsWith('head ')).sort(), [
    'get /healthz',
    'get /metrics',
    'get /openapi.json',
    'get /readyz',
    'get /v1/accounts',
    'get /v1/accounts/{id}',
    'get /v1/clusters/{id}',
    'get /v1/decisions',
    'get /v1/decisions/{id}',
    'get /v1/incidents',
    'get /v1/incidents/{id}',
    'get /v1/latency-map',
    'get /v1/mesh',
    'get /v1/models',
    'get /v1/models/{id}',
    'get /v1/nodes',
    'get /v1/nodes/{id}',
    'post /v1/chat/completions',
    'post /v1/completions',
    'post /v1/embeddings',
    'post /v1/incidents/{id}/decision',
    'post /v1/route/preview',
  ])
  assert.ok(document.paths['/v1/chat/completions']?.['post']?.requestBody)
})

test('a port that is taken and a malformed address are told apart', async (t) => {
  const gateway = await start(t)
  const address = new URL(gateway.url).host
  await assert.rejects(startGateway({ httpAddress: address }), { code: 'address_in_use' })
  await assert.rejects(startGateway({ httpAddress: 'nowhere' }), { code: 'invalid_configuration' })
})

test('closing lets an answer under way end, and refuses new requests', async (t) => {
  const gateway = await start(t)
  let finish: (() => void) | undefined
  let begun: (() => void) | undefined
  const hasBegun = new Promise<void>((resolve) => {
    begun = resolve
  })
  const gate = new Promise<void>((resolve) => {
    finish = resolve
  })
  const engine = new ScriptedEngine([modelOf('m')], async function* (request, signal) {
    begun?.()
    await gate
    yield* saying(['fine'])(request, signal)
  })
  gateway.gateway.addUpstream({ name: 'slow', engine })
  const answer = ask(gateway)
  await hasBegun
  const closing = gateway.gateway.close()
  finish?.()
  assert.equal((await answer).status, 200)
  await closing
  await assert.rejects(fetch(`${gateway.url}/healthz`))
})
