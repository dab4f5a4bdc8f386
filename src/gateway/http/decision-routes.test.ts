/** A decision's record and its seal, what it was made on, and decisions that are only asked for. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { type Schema, Validator } from '../../base/index.ts'
import {
  type DecisionSeal,
  isSealed,
  readView,
  replayDecision,
  reviveDecision,
} from '../../routing/index.ts'
import { modelOf, ScriptedEngine, saying, startGateway, testKey } from '../gateway.fixture.ts'
import type { GatewayLimits } from '../limits.ts'
import { decisionAnswer, decisionOrRecord, previewAnswer } from './decision-schemas.ts'

const headers = { authorization: `Bearer ${testKey}`, 'content-type': 'application/json' }
const messages = [{ role: 'user', content: 'my secret' }]

interface Shown {
  readonly candidates: number
  readonly eligible: number
  readonly rejections: readonly { readonly gate: string }[]
  readonly rejections_left_out: number
  readonly seal: SealShown | null
}

type SealShown = Omit<DecisionSeal, 'treeSize'> & { readonly tree_size: number }

interface Limits extends Pick<GatewayLimits, 'requestsInFlightMax' | 'requestsPerMinute'> {
  readonly others: number
}

/** A gateway with upstreams that have the model, and others that have not. */
async function start(t: TestContext, { others = 0, ...limits }: Partial<Limits> = {}) {
  const gateway = await startGateway({ limits: { requestsPerMinute: 1_000, ...limits } })
  t.after(() => gateway.gateway.close())
  const models = [modelOf('m')]
  const engines = [0, 1].map(() => new ScriptedEngine(models, saying(['fine'])))
  for (const [i, engine] of engines.entries())
    gateway.gateway.addUpstream({ name: `u${i}`, engine })
  for (let i = 0; i < others; i += 1) {
    const engine = new ScriptedEngine([modelOf('other')], saying(['fine']))
    gateway.gateway.addUpstream({ name: `other${i}`, engine })
  }
  const get = async (path: string) => {
    const response = await fetch(gateway.url + path, { headers })
    return { response, status: response.status, text: await response.text() }
  }
  const post = async (path: string, body: unknown, sent = headers) => {
    const init = { method: 'POST', headers: sent, body: JSON.stringify(body) }
    const response = await fetch(gateway.url + path, init)
    return { response, status: response.status, text: await response.text() }
  }
  const ask = async (more: object = {}) => {
    const { response } = await post('/v1/chat/completions', { model: 'm', messages, ...more })
    return response.headers.get('x-isochrone-decision') ?? ''
  }
  return { ...gateway, engines, get, post, ask }
}

function isGood(record: string, seal: SealShown | null): boolean {
  if (seal === null) return false
  const { tree_size: treeSize, ...rest } = seal
  return isSealed(record, { ...rest, treeSize })
}

function assertFits(schema: Schema, body: string): void {
  const validator = new Validator(schema)
  assert.deepEqual(validator.faults(JSON.parse(body)), [])
}

test('a decision carries its gateway’s signature over its record', async (t) => {
  const gateway = await start(t)
  const id = await gateway.ask()
  const shown = await gateway.get(`/v1/decisions/${id}`)
  assertFits(decisionAnswer, shown.text)
  const { seal } = JSON.parse(shown.text) as Shown
  const answer = await gateway.get(`/v1/decisions/${id}?format=record`)
  assertFits(decisionOrRecord, answer.text)
  const kept = JSON.parse(answer.text) as { record: string; seal: SealShown }
  assert.ok(isGood(kept.record, kept.seal))
  assert.ok(isGood(kept.record, seal))
  assert.equal(isGood(kept.record.replace('"m"', '"n"'), seal), false)
  assert.equal(reviveDecision(kept.record).id, id)
  assert.doesNotMatch(answer.text, /secret/)
  const text = await gateway.get(`/v1/decisions/${id}?format=text`)
  assert.match(text.text.replaceAll(/\s+/g, ' '), new RegExp(`gateway ${seal?.gateway}`))
})

test('what a decision saw comes with it, and it is made again from that', async (t) => {
  const gateway = await start(t, { others: 3 })
  const ids: string[] = []
  for (const slo of [{}, { ttft_ms: 10_000 }, { tpot_ms: 1_000 }]) {
    ids.push(await gateway.ask({ isochrone: { slo } }))
  }
  for (const id of ids) {
    const { text } = await gateway.get(`/v1/decisions/${id}?format=replay`)
    assertFits(decisionOrRecord, text)
    const kept = JSON.parse(text) as {
      record: string
      views: { frame: string; bytes: string }[]
    }
    const replay = replayDecision(reviveDecision(kept.record), (reference) => {
      const view = kept.views.find(({ frame }) => frame === reference.frame)
      return readView(Buffer.from(view?.bytes ?? '', 'base64'), reference)
    })
    assert.deepEqual(replay?.differences, [])
    assert.equal(replay.candidates, 5)
    assert.equal(replay.software, '0.0.0')
  }
})

test('what came behind a decision is not told with it', async (t) => {
  const gateway = await start(t)
  // From its second decision on a model has a view of its own.
  await gateway.ask()
  const id = await gateway.ask()
  const viewOf = async (of: string) => {
    const { text } = await gateway.get(`/v1/decisions/${of}?format=replay`)
    const { views } = JSON.parse(text) as { views: { bytes: string }[] }
    return Buffer.from(views[0]?.bytes ?? '', 'base64')
  }
  const before = await viewOf(id)
  const later = await gateway.ask()
  assert.deepEqual(await viewOf(id), before)
  const all = await viewOf(later)
  assert.ok(all.length > before.length)
  assert.deepEqual(all.subarray(0, before.length), before)
  // A disk that failed for long has lost what came behind.
  for (const frame of gateway.decisions.views.keys()) gateway.decisions.views.set(frame, before)
  assert.deepEqual(await viewOf(id), before)
  assert.equal((await viewOf(later)).length, 0)
})

test('of the rejected the first few of each gate are shown, and all on demand', async (t) => {
  const gateway = await start(t, { others: 9 })
  const id = await gateway.ask()
  const some = JSON.parse((await gateway.get(`/v1/decisions/${id}`)).text) as Shown
  assert.equal(some.candidates - some.eligible, 9)
  assert.deepEqual([some.rejections.length, some.rejections_left_out], [3, 6])
  const query = `/v1/decisions/${id}?rejections=all`
  const all = JSON.parse((await gateway.get(query)).text) as Shown
  assert.deepEqual([all.rejections.length, all.rejections_left_out], [9, 0])
  const list = JSON.parse((await gateway.get('/v1/decisions')).text) as { data: Shown[] }
  assert.equal(list.data[0]?.rejections.length, 3)
  assert.equal((await gateway.get(`${query}1`)).status, 400)
  assert.equal((await gateway.get(`/v1/decisions/${id}?format=xml`)).status, 400)
})

test('a preview decides for every kind of request, and sends and keeps nothing', async (t) => {
  const gateway = await start(t, { others: 4 })
  const bodies = [
    { model: 'm', messages, stream: true },
    { model: 'm', prompt: ['my secret', 'and another'] },
    { model: 'm', input: 'my secret' },
  ]
  for (const body of bodies) {
    const { status, text } = await gateway.post('/v1/route/preview', body)
    assert.equal(status, 200)
    assertFits(previewAnswer, text)
    const { chosen, object, rejections } = JSON.parse(text)
    assert.match(chosen, /^upstream-u[01]$/)
    assert.equal(object, 'route.preview')
    assert.equal(rejections.length, 3)
    assert.doesNotMatch(text, /secret|dec_/)
  }
  const words = await gateway.post('/v1/route/preview?format=text', bodies[0])
  assert.match(words.text, /^A preview: nothing was sent, and nothing of it is kept\.\n/)
  assert.doesNotMatch(words.text, /secret|dec_/)
  assert.deepEqual(
    gateway.engines.map(({ calls }) => calls),
    [0, 0],
  )
  assert.deepEqual([gateway.decisions.all.size, gateway.observations.all.length], [0, 0])
  const counted = /^isochrone_decisions_total\{outcome="chosen"\} 1$/m
  assert.doesNotMatch((await gateway.get('/metrics')).text, counted)
  await gateway.ask()
  assert.match((await gateway.get('/metrics')).text, counted)
})

test('a preview of what nobody can do says why, as a decision', async (t) => {
  const gateway = await start(t)
  const { status, text } = await gateway.post('/v1/route/preview', { model: 'x', messages })
  assert.equal(status, 200)
  const { outcome, chosen } = JSON.parse(text)
  assert.deepEqual([outcome, chosen], ['none', null])
})

test('a preview is refused as the request would be', async (t) => {
  const gateway = await start(t, { requestsPerMinute: 2 })
  const path = '/v1/route/preview'
  const body = { model: 'm', messages }
  const none = { ...headers, authorization: 'Bearer iso_unknown' }
  assert.equal((await gateway.post(path, body, none)).status, 401)
  for (const wrong of [{ model: 'm' }, { model: 'm', input: [] }, { prompt: 'x' }, 7, null]) {
    assert.equal((await gateway.post(path, wrong)).status, 400)
  }
  assert.equal((await gateway.get(path)).status, 405)
  const first = await gateway.post(path, body)
  assert.deepEqual(
    [first.status, first.response.headers.get('x-ratelimit-remaining-requests')],
    [200, '1'],
  )
  assert.equal((await gateway.post(path, body)).status, 200)
  assert.equal((await gateway.post(path, body)).status, 429)
})

test('a preview takes nobody’s place', async (t) => {
  const gateway = await start(t, { requestsInFlightMax: 1 })
  const body = { model: 'm', messages }
  for (let i = 0; i < 3; i += 1) {
    assert.equal((await gateway.post('/v1/route/preview', body)).status, 200)
  }
  assert.equal((await gateway.post('/v1/chat/completions', body)).status, 200)
})

test('a preview knows who has read the beginning of its prompt', async (t) => {
  const gateway = await start(t)
  const long = [{ role: 'user', content: 'my secret '.repeat(2_000) }]
  const body = { model: 'm', messages: long }
  const warmIn = async () => {
    const { text } = await gateway.post('/v1/route/preview', body)
    assert.doesNotMatch(text, /secret/)
    return JSON.parse(text).request.warm as { worker: string }[] | undefined
  }
  assert.equal(await warmIn(), undefined)
  const { response } = await gateway.post('/v1/chat/completions', body)
  const worker = response.headers.get('x-isochrone-worker')
  assert.deepEqual(
    (await warmIn())?.map((one) => one.worker),
    [worker],
  )
})

test('lengths of answers are learnt, but not from requests with a short limit', async (t) => {
  const gateway = await start(t)
  const shown = async (more: object = {}) => {
    const { text } = await gateway.post('/v1/route/preview', { model: 'm', messages, ...more })
    assertFits(previewAnswer, text)
    const { request, predicted_tokens: tokens } = JSON.parse(text)
    return { usual: request.usual_answer, tokens }
  }
  assert.deepEqual(await shown(), { usual: undefined, tokens: 256 })
  await gateway.ask({ max_tokens: 1 })
  assert.deepEqual(await shown(), { usual: undefined, tokens: 256 })
  await gateway.ask()
  await gateway.ask({ n: 2, stream: true })
  await gateway.ask({ max_tokens: 300 })
  for (let i = 0; i < 4; i += 1) await gateway.ask({ max_tokens: 16 })
  assert.deepEqual(await shown(), { usual: undefined, tokens: 256 })
  await gateway.ask()
  const { usual, tokens } = await shown()
  assert.deepEqual(usual, { tokens: 1, samples: 4 })
  assert.equal(tokens, 16)
  assert.equal((await shown({ max_tokens: 8 })).tokens, 8)
  const another = await gateway.post('/v1/route/preview', { model: 'other', messages })
  assert.equal(JSON.parse(another.text).request.usual_answer, undefined)
})

test('what costs much to tell counts as a request, and takes nobody’s place', async (t) => {
  const gateway = await start(t, { requestsPerMinute: 8, requestsInFlightMax: 1 })
  const decision = await gateway.ask()
  const costly = [
    `/v1/decisions/${decision}?format=replay`,
    '/v1/nodes',
    '/v1/nodes/upstream-u0',
    '/v1/mesh',
    '/v1/latency-map',
    '/v1/incidents',
    '/v1/decisions',
  ]
  for (const [i, path] of costly.entries()) {
    const { response, status } = await gateway.get(path)
    const left = response.headers.get('x-ratelimit-remaining-requests')
    assert.deepEqual([path, status, left], [path, 200, String(6 - i)])
  }
  for (const path of costly) {
    const { response, status, text } = await gateway.get(path)
    assert.deepEqual([path, status], [path, 429])
    assert.match(text, /8 requests per minute are used up; try again in \d+ s/)
    assert.match(response.headers.get('retry-after') ?? '', /^\d+$/)
  }
  assert.equal((await gateway.get('/v1/models')).status, 200)
  assert.equal((await gateway.get('/healthz')).status, 200)
})
