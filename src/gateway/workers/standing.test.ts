/** Who breaks the rules gets no request until an operator says so; through the interface. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { secureRandom, systemClock } from '../../base/index.ts'
import {
  createIdentity,
  encodeJoin,
  type Identity,
  methods,
  signNodeRecord,
} from '../../protocol/index.ts'
import { defaultPolicy, policyOf } from '../../routing/index.ts'
import { MemoryNetwork, type TransportEvents } from '../../transport/index.ts'
import type { Account } from '../admission/credentials.ts'
import {
  type Script,
  saying,
  startGateway,
  type TestGateway,
  testToken,
} from '../gateway.fixture.ts'
import { KeptSteps } from './kept-steps.fixture.ts'
import { type Misdeed, StandInNode, type StandInOptions } from './stand-in-node.fixture.ts'

const limits = { requestsPerMinute: null, tokensPerMinute: null }
const accounts: Readonly<Record<string, Account>> = {
  iso_client: { keyId: 'key_client', name: 'client', role: 'client', limits },
  iso_operator: { keyId: 'key_operator', name: 'operator', role: 'operator', limits },
}

interface Place {
  readonly gateway: TestGateway
  readonly node: (
    script: Script,
    misdeed?: Misdeed,
    more?: Partial<StandInOptions>,
  ) => Promise<StandInNode>
}

async function place(
  context: TestContext,
  identity: Identity = createIdentity(),
  incidents = new KeptSteps(),
): Promise<Place> {
  const network = new MemoryNetwork({ clock: systemClock, random: secureRandom })
  const createTransport = (of: Identity, events: TransportEvents) =>
    network.transport(of.id, events)
  const apiKeys = { find: (key: string) => accounts[key] }
  const gateway = await startGateway({ identity, incidents, apiKeys })
  const { onStream, onConnection } = gateway.gateway
  const transport = createTransport(identity, { onStream, onConnection })
  const { address } = await transport.listen('127.0.0.1:0')
  const nodes: StandInNode[] = []
  context.after(async () => {
    await Promise.all(nodes.map((node) => node.transport.close()))
    await gateway.gateway.close()
    await transport.close()
  })
  const node: Place['node'] = async (script, misdeed, more = {}) => {
    const made = new StandInNode({
      script,
      createTransport,
      ...(misdeed === undefined ? {} : { misdeed }),
      ...more,
    })
    nodes.push(made)
    await made.join(address, testToken)
    return made
  }
  return { gateway, node }
}

async function call(
  { url }: TestGateway,
  path: string,
  { body, key = 'iso_client' }: { readonly body?: object; readonly key?: string } = {},
) {
  const response = await fetch(`${url}${path}`, {
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }),
  })
  const text = await response.text()
  return { status: response.status, headers: response.headers, text }
}

const ask = (gateway: TestGateway, content = 'hi', more: object = {}) => {
  const body = { model: 'm', messages: [{ role: 'user', content }], ...more }
  return call(gateway, '/v1/chat/completions', { body })
}

interface IncidentView {
  readonly id: string
  readonly state: string
  readonly cause: string
  readonly subject: { readonly worker?: string }
  readonly rulings: readonly object[]
  readonly evidence: { readonly result?: { readonly sender?: string } }
  readonly steps: readonly object[]
}

async function incidentsOf(gateway: TestGateway, query = ''): Promise<readonly IncidentView[]> {
  const { text } = await call(gateway, `/v1/incidents${query}`)
  return JSON.parse(text).data
}

test('a false bill: the answer stands, its author is quarantined, with both figures', async (t) => {
  const { gateway, node } = await place(t)
  const wrong = await node(saying(['Li', 'ma']), 'invented-usage')
  const { status, text } = await ask(gateway)
  assert.equal(status, 200)
  assert.equal(JSON.parse(text).choices[0].message.content, 'Lima')
  assert.equal(JSON.parse(text).usage.completion_tokens, 2)
  for (let i = 0; i < 5; i += 1) assert.equal((await ask(gateway)).status, 503)
  assert.equal(wrong.generations, 1)
  const [incident] = await incidentsOf(gateway)
  assert.deepEqual([incident?.state, incident?.cause], ['quarantined', 'settlement-mismatch'])
  const key = 'iso_operator'
  const shown = JSON.parse((await call(gateway, `/v1/incidents/${incident?.id}`, { key })).text)
  assert.match(shown.evidence.found, /billed 1000000 prompt and 1000000 completion.* \d+ and 2 can/)
  assert.equal(shown.shut_until_ms, null)
})

test('a false bill of an embedding is one as well', async (t) => {
  const { gateway, node } = await place(t)
  await node(saying([]), 'invented-usage')
  const body = { model: 'm', input: ['a'] }
  assert.equal((await call(gateway, '/v1/embeddings', { body })).status, 200)
  assert.equal((await call(gateway, '/v1/embeddings', { body })).status, 503)
  const [incident] = await incidentsOf(gateway)
  assert.equal(incident?.cause, 'settlement-mismatch')
})

test('a bill that is a little over is seen; five of them shut a gate', async (t) => {
  const { gateway, node } = await place(t)
  await node(saying(['Li', 'ma']), 'a-little-over')
  for (let i = 0; i < 5; i += 1) {
    assert.deepEqual(await incidentsOf(gateway), [])
    const { status, text } = await ask(gateway)
    assert.deepEqual([status, JSON.parse(text).usage.completion_tokens], [200, 2])
  }
  const [incident] = await incidentsOf(gateway)
  assert.deepEqual([incident?.state, incident?.cause], ['shut', 'repeated-faults'])
})

test('what is severe is the policy’s to say, also while the gateway runs', async (t) => {
  const { gateway, node } = await place(t)
  const { version: _, ...values } = defaultPolicy
  const strict = { ...values, overbilledShareMax: 0, overbilledTokensMax: 0 }
  gateway.gateway.usePolicy(policyOf('strict', strict))
  await node(saying(['Li', 'ma']), 'a-little-over')
  assert.equal((await ask(gateway)).status, 200)
  const [incident] = await incidentsOf(gateway)
  assert.equal(incident?.cause, 'settlement-mismatch')
})

test('a node that signs as the version before did answers nobody, and is no forger', async (t) => {
  const { gateway, node } = await place(t)
  await node(saying(['Li', 'ma']), 'earlier-version')
  const { status, text } = await ask(gateway)
  assert.equal(status, 502)
  assert.match(text, /its software is too old/)
  assert.deepEqual(await incidentsOf(gateway), [])
})

const severe: readonly (readonly [Misdeed, string])[] = [
  ['foreign-signature', 'result-identity'],
  ['other-output', 'result-content'],
  ['other-request', 'result-content'],
  ['other-model', 'result-model'],
]

for (const [misdeed, cause] of severe) {
  test(`${misdeed}: quarantined, 0 later requests; lifted by an operator it is back`, async (t) => {
    const { gateway, node } = await place(t)
    const wrong = await node(saying(['wrong']), misdeed)
    assert.equal((await ask(gateway)).status, 502)
    assert.equal(wrong.generations, 1)
    for (let i = 0; i < 20; i += 1) assert.equal((await ask(gateway)).status, 503)
    assert.equal(wrong.generations, 1)
    const [incident] = await incidentsOf(gateway)
    assert.ok(incident !== undefined)
    assert.deepEqual([incident.state, incident.cause], ['quarantined', cause])
    assert.equal(incident.subject.worker, wrong.id)
    const refused = await ask(gateway)
    assert.match(refused.text, new RegExp(`quarantined since .* by incident ${incident.id}`))
    const decision = refused.headers.get('x-isochrone-decision')
    const explained = await call(gateway, `/v1/decisions/${decision}?format=text&columns=500`)
    assert.match(explained.text, new RegExp(`standing \\(1\\)[^]*incident ${incident.id}`))

    const path = `/v1/incidents/${incident.id}`
    const key = 'iso_operator'
    const whole = JSON.parse((await call(gateway, path, { key })).text) as IncidentView
    assert.equal(whole.steps.length, 1)
    assert.ok(whole.evidence.result?.sender)
    const forClients = JSON.parse((await call(gateway, path)).text) as IncidentView
    assert.deepEqual([forClients.id, forClients.evidence, forClients.steps], [whole.id, null, null])
    const body = { decision: 'lift', reason: 'its owner mended it', appeal: 'it was a bug' }
    const byClient = await call(gateway, `${path}/decision`, { body })
    assert.equal(byClient.status, 403)
    assert.match(byClient.text, /permission_denied/)
    assert.equal((await ask(gateway)).status, 503)
    const lifted = await call(gateway, `${path}/decision`, { body, key })
    assert.equal(lifted.status, 200)
    const { rulings, state } = JSON.parse(lifted.text) as IncidentView
    assert.deepEqual([state, rulings], ['closed', [{ ...body, by: 'key_operator' }]])
    assert.equal((await call(gateway, `${path}/decision`, { body, key })).status, 400)
    assert.deepEqual(await incidentsOf(gateway), [])
    assert.equal((await incidentsOf(gateway, '?which=all')).length, 1)

    await ask(gateway)
    assert.equal(wrong.generations, 2)
  })
}

test('what is malformed is asked about, and what is not there is not found', async (t) => {
  const { gateway } = await place(t)
  const key = 'iso_operator'
  for (const [body, status] of [
    [{}, 400],
    [{ decision: 'lift' }, 400],
    [{ decision: 'lift', reason: '' }, 400],
    [{ decision: 'pardon', reason: 'x' }, 400],
    [{ decision: 'lift', reason: 'x' }, 404],
  ] as const) {
    const path = `/v1/incidents/inc_${'a'.repeat(26)}/decision`
    assert.equal((await call(gateway, path, { body, key })).status, status, JSON.stringify(body))
  }
  assert.equal((await call(gateway, '/v1/incidents/inc_x')).status, 404)
  assert.equal((await call(gateway, '/v1/incidents', { key: 'iso_nobody' })).status, 401)
})

/** Answers, unless it is told to wait; then it waits for ever. */
const patient: Script = async function* (request, signal) {
  const { messages } = request as { readonly messages: readonly { readonly content: unknown }[] }
  if (messages.some(({ content }) => content === 'wait')) {
    await new Promise((resolve) => signal.addEventListener('abort', resolve))
    return
  }
  yield* saying(['wrong'])(request, signal)
}

test('what runs at a node that is quarantined goes elsewhere at once', async (t) => {
  const { gateway, node } = await place(t)
  const wrong = await node(patient, 'other-output')
  const waiting = ask(gateway, 'wait')
  await until(() => wrong.generations === 1)
  const honest = await node(saying(['right']))
  await ask(gateway, 'hi', { isochrone: { exclude: [honest.id] } })
  const moved = await waiting
  assert.equal(moved.status, 200)
  assert.equal(moved.headers.get('x-isochrone-worker'), honest.id)
  const decision = moved.headers.get('x-isochrone-decision')
  assert.match((await call(gateway, `/v1/decisions/${decision}`)).text, /node_quarantined/)
  await until(() => wrong.cancelled === 1)
  // Being moved away is not the node's failure of that request.
  const blames = gateway.observations.all.map(({ blame, outcome }) => [
    outcome.kind === 'failed' ? outcome.code : outcome.kind,
    blame,
  ])
  assert.deepEqual(blames.slice(0, 2).sort(), [
    ['invalid_signature', 'node'],
    ['node_quarantined', 'nobody'],
  ])
})

test('what a node that is quarantined was to embed goes elsewhere at once', async (t) => {
  const { gateway, node } = await place(t)
  const { promise, resolve } = Promise.withResolvers<void>()
  const wrong = await node(saying([]), undefined, { embedsAfter: promise })
  const body = { model: 'm', input: ['a'] }
  const waiting = call(gateway, '/v1/embeddings', { body })
  await until(() => wrong.embeddings === 1)
  const honest = await node(saying([]))
  gateway.gateway.onPeerFault(wrong.id, 'forged-digest')
  const moved = await waiting
  assert.equal(moved.headers.get('x-isochrone-worker'), honest.id)
  resolve()
})

test('a restart of the gateway, and a new connection of the node, keep its standing', async (t) => {
  const identity = createIdentity()
  const incidents = new KeptSteps()
  const first = await place(t, identity, incidents)
  const wrong = await first.node(saying(['wrong']), 'foreign-signature')
  await ask(first.gateway)
  assert.equal(incidents.steps.length, 1)
  const second = await place(t, identity, incidents)
  const again = await second.node(saying(['right']), undefined, { identity: wrong.identity })
  assert.equal((await ask(second.gateway)).status, 503)
  const [kept] = await incidentsOf(second.gateway)
  assert.deepEqual([kept?.subject.worker, kept?.state], [wrong.id, 'quarantined'])
  await second.node(saying(['right']))
  assert.equal((await ask(second.gateway)).status, 200)
  const path = `/v1/incidents/${kept?.id}/decision`
  const body = { decision: 'lift', reason: 'mended' }
  await call(second.gateway, path, { body, key: 'iso_operator' })
  for (let i = 0; i < 20; i += 1) await ask(second.gateway)
  assert.ok(again.generations > 0)
  assert.ok(incidents.flushes > 0)
})

test('a node that joins as another is quarantined itself, not the other', async (t) => {
  const { gateway, node } = await place(t)
  const spoofer = await node(saying(['mine']))
  const victim = createIdentity()
  const record = signNodeRecord(victim, { ...spoofer.recordOf(), id: victim.id })
  await assert.rejects(spoofer.call(methods.join, encodeJoin({ token: testToken, record })))
  const [incident] = await incidentsOf(gateway)
  assert.deepEqual([incident?.cause, incident?.subject.worker], ['record-identity', spoofer.id])
  assert.equal((await ask(gateway)).status, 503)
  const nodes = JSON.parse((await call(gateway, '/v1/nodes')).text).data
  assert.equal(nodes[0].standing.incident, incident?.id)
  assert.ok(nodes[0].evidence[0].clean.mean < 0.5)
})

test('what breaks the protocol is minor; when it goes on, the gate shuts', async (t) => {
  const { gateway, node } = await place(t)
  await node(saying(['again']), 'no-result')
  for (let i = 0; i < 4; i += 1) assert.equal((await ask(gateway)).status, 502)
  assert.deepEqual(await incidentsOf(gateway), [])
  await ask(gateway)
  const [incident] = await incidentsOf(gateway)
  assert.deepEqual([incident?.state, incident?.cause], ['shut', 'repeated-faults'])
  assert.match((await ask(gateway)).text, /degraded until/)
  const metrics = await call(gateway, '/metrics')
  assert.match(metrics.text, /isochrone_incidents\{state="shut"\} 1/)
  assert.match(metrics.text, /isochrone_worker_faults_total\{kind="malformed-answer"\} 5/)
})

test('what the mesh finds is judged: a forger is quarantined, who is late is not', async (t) => {
  const { gateway, node } = await place(t)
  const { id } = await node(saying(['fine']))
  for (const found of ['omission', 'false-death', 'replay', 'flood', 'forged-tick'] as const) {
    for (let i = 0; i < 20; i += 1) gateway.gateway.onPeerFault(id, found)
  }
  assert.equal((await ask(gateway)).status, 200)
  gateway.gateway.onPeerFault(id, 'forged-digest')
  assert.equal((await ask(gateway)).status, 503)
  const [incident] = await incidentsOf(gateway)
  assert.deepEqual([incident?.state, incident?.cause], ['quarantined', 'forged-statement'])
})

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => setImmediate(resolve))
}
