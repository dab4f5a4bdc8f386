/**
 * What becomes of requests when workers fail: retries before anything was sent, and what they are
 * blamed for.
 */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { ManualClock } from '../../base/index.ts'
import { IsochroneError } from '../../protocol/index.ts'
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
} from '../gateway.fixture.ts'

async function gatewayWith(
  context: TestContext,
  scripts: Readonly<Record<string, Script>>,
  options: TestGatewayOptions = {},
) {
  const gateway = await startGateway(options)
  context.after(() => gateway.gateway.close())
  const engines = new Map<string, ScriptedEngine>()
  for (const [name, script] of Object.entries(scripts)) {
    const engine = new ScriptedEngine([modelOf('m')], script)
    engines.set(`upstream-${name}`, engine)
    gateway.gateway.addUpstream({ name, engine })
  }
  return { gateway, engines }
}

async function ask({ url }: TestGateway, more: object = {}) {
  const body = { model: 'm', messages: [{ role: 'user', content: 'hi' }], ...more }
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${testKey}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  return { status: response.status, headers: response.headers, text: await response.text() }
}

const midway: Script = async function* (request) {
  for await (const batch of saying(['half'])(request, new AbortController().signal)) {
    yield batch
    throw new Error('lost')
  }
}

test('a worker that fails before its first token is followed by another', async (t) => {
  const { gateway } = await gatewayWith(t, {
    broken: failing('upstream_failed'),
    sound: saying(['fine']),
  })
  for (let i = 0; i < 30; i += 1) {
    const { status, text } = await ask(gateway, { stream: i % 2 === 0 })
    assert.equal(status, 200)
    assert.match(text, /fine/)
  }
  const failed = gateway.observations.all.filter(({ outcome }) => outcome.kind === 'failed')
  for (const { worker, blame, outcome } of failed) {
    assert.equal(worker, 'upstream-broken')
    assert.equal(blame, 'node')
    assert.deepEqual(outcome, {
      kind: 'failed',
      code: 'upstream_failed',
      phase: 'before-first-token',
    })
  }
  assert.ok(failed.length < 15, 'a failing worker stops winning')
  const retried = [...gateway.decisions.all.values()].find(({ attempts }) => attempts.length === 2)
  assert.deepEqual(
    retried?.attempts.map(({ worker, outcome, cause }) => [worker, outcome, cause]),
    [
      ['upstream-broken', 'failed', 'picked'],
      ['upstream-sound', 'completed', 'retry'],
    ],
  )
})

test('a worker that refuses before it begins has its attempt ended, and noted', async (t) => {
  const full: Script = () => {
    throw new IsochroneError('all_nodes_busy', 'too many requests')
  }
  const { gateway } = await gatewayWith(t, { sound: saying(['fine']) })
  const engine = new ScriptedEngine([modelOf('m')], full)
  Object.defineProperty(engine, 'generate', { value: full })
  gateway.gateway.addUpstream({ name: 'full', engine })
  for (let i = 0; i < 12; i += 1) {
    assert.equal((await ask(gateway, { stream: i % 2 === 0 })).status, 200)
  }
  const attempts = [...gateway.decisions.all.values()].flatMap((decision) => decision.attempts)
  const refused = attempts.filter(({ worker }) => worker === 'upstream-full')
  assert.ok(refused.length > 0)
  for (const { outcome } of refused) assert.equal(outcome, 'failed')
  const noted = gateway.observations.all.filter(({ worker }) => worker === 'upstream-full')
  for (const { inFlight } of noted) assert.equal(inFlight, 0)
  assert.equal(noted.length, refused.length)
})

test('a whole answer is begun again elsewhere when its worker dies midway', async (t) => {
  const { gateway } = await gatewayWith(t, { dying: midway, sound: saying(['fine']) })
  for (let i = 0; i < 20; i += 1) {
    const { status, text } = await ask(gateway)
    assert.equal(status, 200)
    assert.equal(JSON.parse(text).choices[0].message.content, 'fine')
  }
})

test('a streamed answer that breaks says so and has no [DONE]', async (t) => {
  const { gateway } = await gatewayWith(t, { dying: midway })
  const { status, text } = await ask(gateway, { stream: true })
  assert.equal(status, 200)
  assert.match(text, /half/)
  assert.match(text, /"code":"stream_interrupted"/)
  assert.doesNotMatch(text, /\[DONE\]/)
})

test('what is the client’s own fault is not tried elsewhere', async (t) => {
  const { gateway, engines } = await gatewayWith(t, {
    a: failing('upstream_rejected'),
    b: failing('upstream_rejected'),
  })
  assert.equal((await ask(gateway)).status, 400)
  const calls = [...engines.values()].map((engine) => engine.calls)
  assert.deepEqual(calls.sort(), [0, 1])
  assert.equal(gateway.observations.all[0]?.blame, 'client')
})

test('no more workers are tried than the limit says', async (t) => {
  const broken = failing('node_failed')
  const scripts = { a: broken, b: broken, c: broken, d: broken, e: broken }
  const { gateway } = await gatewayWith(t, scripts, { limits: { attemptsMax: 3 } })
  const { status } = await ask(gateway)
  assert.equal(status, 502)
  assert.equal(gateway.observations.all.length, 3)
  assert.equal(new Set(gateway.observations.all.map(({ worker }) => worker)).size, 3)
})

test('when all fail, the answer is the last failure, not “no node”', async (t) => {
  const { gateway } = await gatewayWith(t, { only: failing('engine_failed') })
  const { status, text } = await ask(gateway)
  assert.equal(status, 500)
  assert.equal(JSON.parse(text).error.code, 'engine_failed')
})

test('a worker without a first token in time is given up for another', async (t) => {
  const clock = new ManualClock()
  let asked: (() => void) | undefined
  const wasAsked = new Promise<void>((resolve) => {
    asked = resolve
  })
  // It does not even listen to its signal.
  const hanging: Script = () => ({
    [Symbol.asyncIterator]: () => ({
      next: () => {
        asked?.()
        return new Promise(() => {})
      },
    }),
  })
  const { gateway } = await gatewayWith(t, { hanging }, { clock, limits: { firstTokenMs: 1000 } })
  const answer = ask(gateway)
  await wasAsked
  gateway.gateway.addUpstream({
    name: 'late',
    engine: new ScriptedEngine([modelOf('m')], saying(['fine'])),
  })
  clock.advance(1000)
  assert.equal((await answer).status, 200)
  const [first, second] = gateway.observations.all
  assert.deepEqual(first?.outcome, {
    kind: 'failed',
    code: 'node_failed',
    phase: 'before-first-token',
  })
  assert.equal(second?.outcome.kind, 'completed')
})

test('a worker that falls silent in mid-stream is given up', async (t) => {
  const clock = new ManualClock()
  let silent: (() => void) | undefined
  const isSilent = new Promise<void>((resolve) => {
    silent = resolve
  })
  const stalling: Script = async function* (request, signal) {
    for await (const batch of saying(['half'])(request, signal)) {
      yield batch
      silent?.()
      await new Promise(() => {})
    }
  }
  const { gateway } = await gatewayWith(t, { stalling }, { clock, limits: { silenceMs: 2000 } })
  const answer = ask(gateway, { stream: true })
  await isSilent
  await clock.advanceAsync(60_000)
  const { text } = await answer
  assert.match(text, /stream_interrupted/)
  assert.match(text, /silent for 2000 ms/)
})
