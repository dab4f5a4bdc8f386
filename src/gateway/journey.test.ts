/** What a request takes it gives back, also where this gateway itself fails at it. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { ManualClock } from '../base/index.ts'
import { modelOf, ScriptedEngine, saying, startGateway, testKey } from './gateway.fixture.ts'

/** With room for one request at a time. */
async function start(t: TestContext) {
  // A clock that stands still: buckets of tokens do not refill.
  const started = await startGateway({
    clock: new ManualClock(),
    limits: { requestsInFlightMax: 1, tokensPerMinute: 1_000 },
  })
  t.after(() => started.gateway.close())
  const engine = new ScriptedEngine([modelOf('m')], saying(['fine']))
  started.gateway.addUpstream({ name: 'one', engine })
  const ask = async (path: string, body: object) => {
    const response = await fetch(`${started.url}/v1/${path}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${testKey}`, 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'm', ...body }),
    })
    await response.text()
    return response
  }
  const chat = () => ask('chat/completions', { messages: [{ role: 'user', content: 'hi' }] })
  return { ...started, engine, ask, chat }
}

test('a request that cannot be routed gives its place back', async (t) => {
  const { engine, chat } = await start(t)
  t.mock.method(engine, 'models', () => assert.fail('no list'), { times: 1 })
  assert.equal((await chat()).status, 500)
  assert.equal((await chat()).status, 200)
})

test('a decision that cannot be kept does not keep a place taken', async (t) => {
  const { decisions, chat } = await start(t)
  t.mock.method(decisions, 'put', () => assert.fail('no memory'), { times: 1 })
  await chat()
  assert.equal((await chat()).status, 200)
})

test('an attempt that this gateway fails at ends, without a word about its worker', async (t) => {
  const { engine, observations, chat } = await start(t)
  const models = engine.models()
  let calls = 0
  t.mock.method(engine, 'models', () => {
    calls += 1
    // The first call is for the decision, the second for the load, then the attempt has begun.
    return calls === 3 ? assert.fail('no list') : models
  })
  assert.equal((await chat()).status, 500)
  assert.deepEqual(
    observations.all.map(({ outcome, blame }) => [outcome.kind, blame]),
    [['abandoned', 'client']],
  )
  await chat()
  assert.equal(observations.all[1]?.inFlight, 0)
})

test('tokens are reserved for every answer that is asked for', async (t) => {
  const { ask } = await start(t)
  const words = { messages: [{ role: 'user', content: 'a'.repeat(400) }] }
  const chat = await ask('chat/completions', { ...words, max_tokens: 10, n: 4 })
  // 400 characters and a role are estimated at 104 tokens.
  assert.equal(chat.headers.get('x-ratelimit-remaining-tokens'), '856')
  const used = 7 + 4
  const completion = await ask('completions', { prompt: 'a'.repeat(400), max_tokens: 20, n: 3 })
  assert.equal(completion.headers.get('x-ratelimit-remaining-tokens'), String(1_000 - used - 160))
  const tooMuch = await ask('completions', { prompt: 'a', max_tokens: 249, n: 4 })
  assert.equal(tooMuch.status, 429)
  // What nobody can answer costs a request and no tokens, and its headers say so.
  const unknown = await ask('completions', { prompt: 'a', max_tokens: 100, model: 'unknown' })
  assert.equal(unknown.status, 404)
  assert.equal(unknown.headers.get('x-ratelimit-remaining-tokens'), String(1_000 - used - (7 + 3)))
})
