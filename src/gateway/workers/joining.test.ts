/**
 * Nodes that join over a transport and are asked through it: the honest, the wrong and the dying.
 */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { secureRandom, silentLog, systemClock } from '../../base/index.ts'
import {
  createIdentity,
  encodeJoin,
  type Identity,
  methods,
  signNodeRecord,
} from '../../protocol/index.ts'
import {
  createTlsTransport,
  MemoryNetwork,
  type Transport,
  type TransportEvents,
} from '../../transport/index.ts'
import {
  failing,
  type Script,
  saying,
  startGateway,
  type TestGateway,
  type TestGatewayOptions,
  testKey,
  testToken,
} from '../gateway.fixture.ts'
import { type Misdeed, StandInNode } from './stand-in-node.fixture.ts'

type CreateTransport = (identity: Identity, events: TransportEvents) => Transport

interface Mesh {
  readonly gateway: TestGateway
  readonly address: string
  readonly node: (script: Script, misdeed?: Misdeed) => StandInNode
}

const overTls: CreateTransport = (identity, events) =>
  createTlsTransport({ identity, log: silentLog, clock: systemClock, random: secureRandom }, events)

function inMemory(): CreateTransport {
  const network = new MemoryNetwork({ clock: systemClock, random: secureRandom })
  return (identity, events) => network.transport(identity.id, events)
}

async function mesh(
  context: TestContext,
  createTransport: CreateTransport = inMemory(),
  options: TestGatewayOptions = {},
): Promise<Mesh> {
  const identity = createIdentity()
  const gateway = await startGateway({ ...options, identity })
  const { onStream, onConnection } = gateway.gateway
  const transport = createTransport(identity, { onStream, onConnection })
  const { address } = await transport.listen('127.0.0.1:0')
  const nodes: StandInNode[] = []
  context.after(async () => {
    await Promise.all(nodes.map((node) => node.transport.close()))
    await gateway.gateway.close()
    await transport.close()
  })
  const node = (script: Script, misdeed?: Misdeed) => {
    const made = new StandInNode({ script, createTransport, ...(misdeed ? { misdeed } : {}) })
    nodes.push(made)
    return made
  }
  return { gateway, address, node }
}

const headers = { authorization: `Bearer ${testKey}`, 'content-type': 'application/json' }

async function ask({ url }: TestGateway, more: object = {}) {
  const body = { model: 'm', messages: [{ role: 'user', content: 'hi' }], ...more }
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers,
    body: JSON.stringify(body),
  })
  return { status: response.status, headers: response.headers, text: await response.text() }
}

for (const [name, create] of [
  ['memory', inMemory()],
  ['TLS', overTls],
] as const) {
  test(`over ${name}: a node joins, answers, embeds, and is gone when it leaves`, async (t) => {
    const { gateway, address, node } = await mesh(t, create)
    const standIn = node(saying(['Li', 'ma']))
    assert.equal(gateway.gateway.isReady(), false)
    const reply = await standIn.join(address, testToken)
    assert.equal(reply.network, 'test')
    assert.equal(gateway.gateway.isReady(), true)
    const whole = await ask(gateway)
    assert.equal(whole.status, 200)
    assert.equal(JSON.parse(whole.text).choices[0].message.content, 'Lima')
    assert.equal(whole.headers.get('x-isochrone-worker'), standIn.id)
    assert.match((await ask(gateway, { stream: true })).text, /\[DONE\]/)
    const embedding = await fetch(`${gateway.url}/v1/embeddings`, {
      method: 'POST',
      headers,
      body: JSON.stringify({ model: 'm', input: ['a', 'b'], encoding_format: 'float' }),
    })
    assert.equal(embedding.status, 200)
    const { data } = (await embedding.json()) as { data: { embedding: number[] }[] }
    assert.deepEqual(data[1]?.embedding, [1, 2])
    await standIn.transport.close()
    await until(() => !gateway.gateway.isReady())
    const after = await ask(gateway)
    assert.equal(after.status, 503)
    assert.match(after.text, /connected/)
  })
}

test('a wrong token, a record of another key, network or time: refused', async (t) => {
  const { gateway, address, node } = await mesh(t)
  const standIn = node(saying(['x']))
  await assert.rejects(standIn.join(address, 'join_wrong'), { code: 'join_refused' })
  await assert.rejects(standIn.join(address, testToken, { network: 'other' }), {
    code: 'join_refused',
  })
  const past = systemClock.now() - 3_600_000
  await assert.rejects(
    standIn.join(address, testToken, { issuedAtMs: past, expiresAtMs: past + 60_000 }),
    { code: 'envelope_expired' },
  )
  const victim = createIdentity()
  const stolen = signNodeRecord(victim, { ...standIn.recordOf(), id: victim.id })
  const message = encodeJoin({ token: testToken, record: stolen })
  await assert.rejects(standIn.call(methods.join, message), { code: 'identity_mismatch' })
  await assert.rejects(standIn.call(methods.join, Uint8Array.of(1, 2, 3)), {
    code: 'malformed_message',
  })
  assert.equal(gateway.gateway.workerCount(), 0)
  await standIn.join(address, testToken)
  assert.equal(gateway.gateway.workerCount(), 1)
})

test('an older record than one seen before is refused', async (t) => {
  const { address, node } = await mesh(t)
  const standIn = node(saying(['x']))
  await standIn.join(address, testToken, { sequence: 5 })
  await assert.rejects(standIn.join(address, testToken, { sequence: 4 }), { code: 'join_refused' })
  await standIn.join(address, testToken, { sequence: 5 })
})

test('only who joined may report, and a reported load counts', async (t) => {
  const { gateway, address, node } = await mesh(t)
  const standIn = node(saying(['x']))
  await assert.rejects(standIn.join(address, 'wrong'), { code: 'join_refused' })
  const draining = { running: 0, waiting: 0, kvTokensFree: 0, draining: true }
  await assert.rejects(standIn.report(draining), { code: 'join_refused' })
  await standIn.join(address, testToken)
  assert.equal((await ask(gateway)).status, 200)
  await standIn.report(draining)
  const refused = await ask(gateway)
  assert.equal(refused.status, 503)
  assert.match(refused.text, /draining/)
})

test('a node that misbehaves is blamed for it, and another answers', async (t) => {
  const misdeeds: readonly Misdeed[] = [
    'no-result',
    'other-output',
    'other-request',
    'other-model',
    'foreign-signature',
    'more-after-result',
    'unknown-choice',
    'garbage',
  ]
  for (const misdeed of misdeeds) {
    await t.test(misdeed, async (t) => {
      const { gateway, address, node } = await mesh(t)
      const wrong = node(saying(['wrong']), misdeed)
      await wrong.join(address, testToken)
      const alone = await ask(gateway)
      assert.equal(alone.status, 502, alone.text)
      assert.equal(gateway.observations.all[0]?.blame, 'node')
      const streamed = await ask(gateway, { stream: true })
      // After what is proven wrong there is no second time.
      const isRefused = streamed.status === 502 || streamed.status === 503
      assert.ok(isRefused || /stream_interrupted/.test(streamed.text))
      assert.doesNotMatch(streamed.text, /\[DONE\]/)
      const sound = node(saying(['right']))
      await sound.join(address, testToken)
      for (let i = 0; i < 5; i += 1) assert.match((await ask(gateway)).text, /right/)
    })
  }
})

test('an embedding counts only with a result over it, its request and its model', async (t) => {
  for (const misdeed of ['other-output', 'other-request', 'other-model'] as const) {
    const { gateway, address, node } = await mesh(t)
    await node(saying([]), misdeed).join(address, testToken)
    const response = await fetch(`${gateway.url}/v1/embeddings`, {
      method: 'POST',
      headers,
      body: JSON.stringify({ model: 'm', input: ['a'] }),
    })
    assert.equal(response.status, 502, misdeed)
    assert.equal(gateway.observations.all[0]?.blame, 'node')
    const outcome = gateway.observations.all[0]?.outcome
    assert.ok(outcome?.kind === 'failed' && outcome.code === 'invalid_signature')
  }
})

test('tokens that nobody sent and nobody got are not counted', async (t) => {
  const { gateway, address, node } = await mesh(t)
  await node(saying(['Li', 'ma']), 'invented-usage').join(address, testToken)
  const { usage } = JSON.parse((await ask(gateway)).text)
  assert.ok(usage.completion_tokens <= 100, JSON.stringify(usage))
  assert.ok(usage.prompt_tokens <= 6_000, JSON.stringify(usage))
  assert.ok(usage.prompt_tokens_details.cached_tokens <= usage.prompt_tokens)
  const [seen] = gateway.observations.all
  assert.deepEqual(
    [seen?.promptTokens, seen?.completionTokens],
    [usage.prompt_tokens, usage.completion_tokens],
  )
  // It is quarantined by then; another one's embeddings are as dear.
  await node(saying([]), 'invented-usage').join(address, testToken)
  const embedding = await fetch(`${gateway.url}/v1/embeddings`, {
    method: 'POST',
    headers,
    body: JSON.stringify({ model: 'm', input: ['a', [1, 2]] }),
  })
  const counted = ((await embedding.json()) as { usage: { prompt_tokens: number } }).usage
  assert.ok(counted.prompt_tokens <= 40, JSON.stringify(counted))
})

test('a long answer’s own count of tokens is passed on as it is', async (t) => {
  const { gateway, address, node } = await mesh(t)
  const words = Array.from({ length: 200 }, () => 'word ')
  await node(saying(words)).join(address, testToken)
  assert.equal(JSON.parse((await ask(gateway)).text).usage.completion_tokens, 200)
})

test('a node that finds fault with a sound request is asked about by asking another', async (t) => {
  const { gateway, address, node } = await mesh(t)
  const liar = node(failing('invalid_request'))
  await liar.join(address, testToken)
  const alone = await ask(gateway)
  assert.equal(alone.status, 400)
  // There was nobody to ask, so it counts neither way.
  assert.equal(gateway.observations.all[0]?.blame, 'nobody')
  await node(saying(['right'])).join(address, testToken)
  for (let i = 0; i < 10; i += 1) assert.match((await ask(gateway)).text, /right/)
  const lies = gateway.observations.all.slice(1).filter(({ worker }) => worker === liar.id)
  assert.ok(lies.length > 0)
  assert.ok(lies.every(({ blame }) => blame === 'node'))
})

test('a request that two nodes refuse alike is the client’s fault', async (t) => {
  const { gateway, address, node } = await mesh(t)
  for (let i = 0; i < 3; i += 1) {
    await node(failing('upstream_rejected')).join(address, testToken)
  }
  const { status, text } = await ask(gateway)
  assert.equal(status, 400)
  assert.match(text, /upstream_rejected/)
  assert.deepEqual(
    gateway.observations.all.map(({ blame }) => blame),
    ['client', 'client'],
  )
})

test('a node whose context is smaller was right to find a prompt too long', async (t) => {
  const { gateway, address, node } = await mesh(t)
  const small = node(failing('context_length_exceeded'))
  await small.join(address, testToken)
  const large = node(saying(['right']))
  const models = large.recordOf().models.map((model) => ({ ...model, contextTokensMax: 9_000 }))
  await large.join(address, testToken, { models })
  const refusals = () => gateway.observations.all.filter(({ worker }) => worker === small.id)
  for (let i = 0; i < 50 && refusals().length === 0; i += 1) {
    assert.match((await ask(gateway)).text, /right/)
  }
  assert.equal(refusals()[0]?.blame, 'nobody')
})

test('a result that was shown before does not count again', async (t) => {
  const { gateway, address, node } = await mesh(t)
  await node(saying(['same']), 'replayed-result').join(address, testToken)
  assert.equal((await ask(gateway)).status, 200)
  assert.equal((await ask(gateway)).status, 502)
  // The same words to another request are another answer.
  assert.deepEqual(gateway.observations.all[1]?.outcome, {
    kind: 'failed',
    code: 'invalid_signature',
    phase: 'mid-stream',
  })
})

test('a node dies with requests under way: whole answers move on, streams say so', async (t) => {
  const { gateway, address, node } = await mesh(t, overTls)
  let begun = 0
  const stalling: Script = async function* (request, signal) {
    for await (const batch of saying(['half '])(request, signal)) {
      yield batch
      begun += 1
      await new Promise(() => {})
    }
  }
  const dying = node(stalling)
  await dying.join(address, testToken)
  const stream = ask(gateway, { stream: true })
  const whole = ask(gateway)
  await until(() => begun === 2)
  await node(saying(['whole'])).join(address, testToken)
  await dying.transport.close()
  assert.match((await stream).text, /half .*stream_interrupted/s)
  const answer = await whole
  assert.equal(answer.status, 200)
  assert.equal(JSON.parse(answer.text).choices[0].message.content, 'whole')
})

test('a client that leaves cancels the node’s work', async (t) => {
  const { gateway, address, node } = await mesh(t, overTls)
  const endless: Script = async function* (_request, signal) {
    for (let i = 0; !signal.aborted; i += 1) {
      yield [{ type: 'delta', choice: 0, text: 'word ', tokenIds: [i], logprobs: [], extra: null }]
      await new Promise((resolve) => setImmediate(resolve))
    }
  }
  const standIn = node(endless)
  await standIn.join(address, testToken)
  const leaving = new AbortController()
  const response = await fetch(`${gateway.url}/v1/chat/completions`, {
    method: 'POST',
    headers,
    body: JSON.stringify({ model: 'm', messages: [{ role: 'user', content: 'x' }], stream: true }),
    signal: leaving.signal,
  })
  const reader = response.body?.getReader()
  await reader?.read()
  leaving.abort()
  await reader?.read().catch(() => {})
  await until(() => standIn.cancelled === 1 && gateway.observations.all.length === 1)
  assert.equal(gateway.observations.all[0]?.outcome.kind, 'abandoned')
})

test('a node that joins again over a new connection replaces its old self', async (t) => {
  const { gateway, address, node } = await mesh(t)
  const standIn = node(saying(['x']))
  await standIn.join(address, testToken)
  const old = standIn.connection
  standIn.connection = undefined
  await standIn.join(address, testToken, { sequence: 2 })
  assert.equal((await old?.closed)?.kind, 'remote')
  assert.equal(gateway.gateway.workerCount(), 1)
  assert.equal((await ask(gateway)).status, 200)
})

/** Waits for a condition that other tasks of this process bring about. */
async function until(condition: () => boolean): Promise<void> {
  for (let turn = 0; turn < 200_000; turn += 1) {
    if (condition()) return
    await new Promise((resolve) => setImmediate(resolve))
  }
  assert.fail('the condition was not met')
}
