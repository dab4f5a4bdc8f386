/** What nodes earn, lose and get back; gateways in one process, through their interface. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { secureRandom, systemClock } from '../base/index.ts'
import { MemoryLedger } from '../ledger/index.ts'
import {
  createIdentity,
  type GenerationRequest,
  type Identity,
  type NodeRecord,
  type SaidNotice,
} from '../protocol/index.ts'
import { defaultPolicy, policyOf } from '../routing/index.ts'
import { MemoryNetwork, type TransportEvents } from '../transport/index.ts'
import type { ApiKeys } from './admission/credentials.ts'
import {
  type Script,
  saying,
  startGateway,
  type TestGateway,
  testToken,
} from './gateway.fixture.ts'
import { KeptSteps } from './workers/kept-steps.fixture.ts'
import { type Misdeed, StandInNode } from './workers/stand-in-node.fixture.ts'

const limits = { requestsPerMinute: null, tokensPerMinute: null }
const apiKeys: ApiKeys = {
  find(key) {
    const role = key === 'iso_operator' ? 'operator' : 'client'
    return { keyId: `key_${role}`, name: role, role, limits }
  },
}
const prices = { promptPrice: 100_000, completionPrice: 400_000 }
/** Seven tokens of a prompt and two of an answer, in nano-dollars. */
const answerNanoDollars = (7 * prices.promptPrice + 2 * prices.completionPrice) / 1_000

/** What outlives a gateway's process. */
class Kept {
  readonly identity = createIdentity()
  readonly incidents = new KeptSteps()
  readonly ledger = new MemoryLedger()
}

interface Place {
  readonly gateway: TestGateway
  readonly identity: Identity
  readonly address: string
  close(): Promise<void>
}

class Federation {
  readonly #network = new MemoryNetwork({ clock: systemClock, random: secureRandom })
  readonly #context: TestContext
  readonly #places: Place[] = []

  constructor(context: TestContext) {
    this.#context = context
  }

  async gateway(kept = new Kept(), policy = defaultPolicy): Promise<Place> {
    const { identity } = kept
    const notices = {
      isTrusted: () => false,
      retract() {},
      share() {},
      tell: (notice: SaidNotice, urges: boolean) => {
        if (!urges) return
        for (const { gateway, identity: other } of this.#places) {
          if (other !== identity) gateway.gateway.onNotice(identity.id, notice)
        }
      },
    }
    const gateway = await startGateway({ ...kept, notices, apiKeys, policy })
    const { onConnection, onStream } = gateway.gateway
    const transport = this.#network.transport(identity.id, { onConnection, onStream })
    const { address } = await transport.listen('127.0.0.1:0')
    let isClosed = false
    const close = async () => {
      if (isClosed) return
      isClosed = true
      await gateway.gateway.close()
      await transport.close()
    }
    this.#context.after(close)
    const place = { gateway, identity, address, close }
    this.#places.push(place)
    return place
  }

  async node(
    at: Place,
    more: {
      readonly identity?: Identity
      readonly misdeed?: Misdeed
      readonly script?: Script
      readonly models?: (record: NodeRecord) => NodeRecord['models']
    } = {},
  ): Promise<StandInNode> {
    const { identity = createIdentity(), misdeed, script = saying(['Li', 'ma']) } = more
    const createTransport = (of: Identity, events: TransportEvents) =>
      this.#network.transport(of.id, events)
    const node = new StandInNode({ identity, script, createTransport })
    node.misdeed = misdeed
    this.#context.after(() => node.transport.close())
    const record = node.recordOf()
    const models = record.models.map((model) => ({ ...model, ...prices }))
    await node.join(at.address, testToken, {
      models: more.models === undefined ? models : more.models({ ...record, models }),
    })
    return node
  }
}

async function call(
  { gateway }: Place,
  path: string,
  { body, key = 'iso_operator' }: { readonly body?: object; readonly key?: string } = {},
) {
  const response = await fetch(`${gateway.url}${path}`, {
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }),
  })
  const text = await response.text()
  return { status: response.status, text }
}

const ask = async (place: Place, more: object = {}) => {
  const body = { model: 'm', messages: [{ role: 'user', content: 'hi' }], ...more }
  return (await call(place, '/v1/chat/completions', { body })).status
}

async function accountOf(place: Place, { id }: StandInNode) {
  const { status, text } = await call(place, `/v1/accounts/${id}`)
  if (status === 404) return undefined
  assert.equal(status, 200, text)
  const account = JSON.parse(text)
  const { is_held, owed_nano_dollars, held_nano_dollars, answers, voids } = account
  const states = account.entries.map(({ state }: { readonly state: string }) => state)
  return { is_held, owed: owed_nano_dollars, held: held_nano_dollars, answers, voids, states }
}

async function openIncident(place: Place) {
  const { data } = JSON.parse((await call(place, '/v1/incidents')).text)
  return data[0]
}

test('overbilled: held at both gateways; cleared, all is owed but the false bill', async (t) => {
  const federation = new Federation(t)
  const kept = new Kept()
  let first = await federation.gateway(kept)
  const second = await federation.gateway()
  const identity = createIdentity()
  const wrong = await federation.node(first, { identity })
  const there = await federation.node(second, { identity })
  for (const place of [first, first, first, second]) assert.equal(await ask(place), 200)
  const owed = { is_held: false, owed: 3 * answerNanoDollars, held: 0, answers: 3, voids: 0 }
  assert.deepEqual(await accountOf(first, wrong), { ...owed, states: ['owed', 'owed', 'owed'] })

  wrong.misdeed = 'invented-usage'
  assert.equal(await ask(first), 200)
  const held = { is_held: true, owed: 0, held: 3 * answerNanoDollars, answers: 3, voids: 1 }
  const states = ['void', 'held', 'held', 'held']
  assert.deepEqual(await accountOf(first, wrong), { ...held, states })
  const elsewhere = await accountOf(second, there)
  assert.deepEqual([elsewhere?.is_held, elsewhere?.held], [true, answerNanoDollars])
  for (const place of [first, second]) assert.equal(await ask(place), 503)
  assert.deepEqual([wrong.generations, there.generations], [4, 1])
  const { id } = await openIncident(first)
  const incident = JSON.parse((await call(first, `/v1/incidents/${id}`)).text)
  assert.match(incident.evidence.found, /billed 1000000 prompt and 1000000 completion tokens/)
  assert.equal(incident.account.held_nano_dollars, 3 * answerNanoDollars)
  const toClients = JSON.parse((await call(first, `/v1/incidents/${id}`, { key: 'iso_x' })).text)
  assert.equal(toClients.account, null)

  // Another process with the same files.
  await first.close()
  await wrong.transport.close()
  first = await federation.gateway(kept)
  assert.deepEqual(await accountOf(first, wrong), { ...held, states })
  const back = await federation.node(first, { identity })
  assert.equal(await ask(first), 503)

  const body = { decision: 'lift', reason: 'a faulty build, replaced' }
  const ruled = await call(first, `/v1/incidents/${id}/decision`, { body })
  assert.equal(JSON.parse(ruled.text).account.owed_nano_dollars, 3 * answerNanoDollars)
  const cleared = { ...owed, voids: 1, states: ['void', 'owed', 'owed', 'owed'] }
  assert.deepEqual(await accountOf(first, back), cleared)
  assert.equal(await ask(first), 200)
  assert.equal((await accountOf(first, back))?.owed, 4 * answerNanoDollars)
  // What this operator has forgiven is his to forgive; the other gateway has its own.
  assert.equal((await accountOf(second, there))?.is_held, true)
})

test('an answer is owed at the prices of its beginning, under the policy of then', async (t) => {
  const federation = new Federation(t)
  const rule = { tokensPerSecondMin: 0, promptPriceMax: 100_000, completionPriceMax: null }
  const tier = {
    ...{ name: 'small', models: ['m'], digests: [], runtimes: [], quantisations: [] },
    ...{ memoryBytes: 0, kvBytesPerToken: 0, rule, classes: [] },
  }
  const { version: _, ...values } = defaultPolicy
  const policy = policyOf('capped', { ...values, tiers: [tier] })
  const place = await federation.gateway(new Kept(), policy)
  const node = await federation.node(place)
  assert.equal(await ask(place), 200)
  const { text } = await call(place, `/v1/accounts/${node.id}`)
  const [entry] = JSON.parse(text).entries
  assert.equal(entry.tier, 'small')
  assert.equal(entry.hardware_class, 'other')
  assert.equal(entry.policy_version, policy.version)
  assert.deepEqual([entry.prompt_price, entry.completion_price], [100_000, 400_000])
  assert.deepEqual(entry.billed, { prompt_tokens: 7, completion_tokens: 2 })
  assert.equal(entry.amount_nano_dollars, answerNanoDollars)
})

test('of several prompts each has a bill, and one that is false voids the answer', async (t) => {
  const federation = new Federation(t)
  const place = await federation.gateway()
  const node = await federation.node(place)
  const body = { model: 'm', prompt: ['a', 'b', 'c'] }
  assert.equal((await call(place, '/v1/completions', { body })).status, 200)
  assert.equal((await accountOf(place, node))?.owed, 3 * answerNanoDollars)
  node.misdeed = 'invented-usage'
  await call(place, '/v1/completions', { body })
  const { held, voids } = (await accountOf(place, node)) ?? {}
  assert.deepEqual([held, voids], [3 * answerNanoDollars, 1])
})

test('embeddings are earned, too; answers that failed are not', async (t) => {
  const federation = new Federation(t)
  const place = await federation.gateway()
  const node = await federation.node(place)
  const body = { model: 'm', input: ['a', 'b'] }
  assert.equal((await call(place, '/v1/embeddings', { body })).status, 200)
  assert.equal((await accountOf(place, node))?.owed, (2 * prices.promptPrice) / 1_000)
  node.misdeed = 'no-result'
  assert.equal(await ask(place), 502)
  assert.equal((await accountOf(place, node))?.answers, 1)
})

/** Breaks off before the fourth word; goes on to the end where another one broke off. */
function reciting(words: readonly string[]): Script {
  return async function* ({ continued }: GenerationRequest) {
    for (const [i, text] of words.entries()) {
      if (continued === undefined && i === 3) throw new Error('it broke')
      const about = { type: 'delta' as const, choice: 0, logprobs: [], extra: null }
      yield [{ ...about, text, tokenIds: [i + 1] }]
    }
    yield [
      { type: 'finish', choice: 0, reason: 'stop' },
      { type: 'usage', promptTokens: 7, completionTokens: words.length, cachedTokens: 0 },
    ]
  }
}

test('an answer that went on elsewhere is owed to each for what it wrote', async (t) => {
  const federation = new Federation(t)
  const place = await federation.gateway()
  const script = reciting(['one ', 'two ', 'three ', 'four ', 'five'])
  const models = ({ models: all }: NodeRecord) =>
    all.map((model) => ({ ...model, features: [...model.features, 'continuation' as const] }))
  const nodes = [
    await federation.node(place, { script, models }),
    await federation.node(place, { script, models }),
  ]
  assert.equal(await ask(place, { stream: true }), 200)
  const entries = []
  for (const { id } of nodes) {
    const { text } = await call(place, `/v1/accounts/${id}`)
    entries.push(...JSON.parse(text).entries)
  }
  const [began, ended] = entries.sort((a, b) => a.attempt - b.attempt)
  assert.equal(entries.length, 2)
  assert.deepEqual([began.completion_tokens, began.billed], [3, null])
  assert.deepEqual([ended.prompt_tokens, ended.completion_tokens], [7 + 3, 2])
  assert.deepEqual(ended.billed, { prompt_tokens: 7, completion_tokens: 5 })
})

test('a client that leaves owes what it got, and nobody is accused', async (t) => {
  const federation = new Federation(t)
  const place = await federation.gateway()
  const script: Script = async function* (_, signal) {
    const about = { type: 'delta' as const, choice: 0, logprobs: [], extra: null }
    for (const id of [1, 2]) yield [{ ...about, text: 'word ', tokenIds: [id] }]
    await new Promise((resolve) => signal.addEventListener('abort', resolve))
  }
  const node = await federation.node(place, { script })
  const body = { model: 'm', stream: true, messages: [{ role: 'user', content: 'hi' }] }
  const leaving = new AbortController()
  const response = await fetch(`${place.gateway.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: 'Bearer iso_client', 'content-type': 'application/json' },
    body: JSON.stringify(body),
    signal: leaving.signal,
  })
  let text = ''
  for await (const chunk of response.body ?? []) {
    text += Buffer.from(chunk).toString()
    if (text.split('word ').length > 2) break
  }
  leaving.abort()
  let account = await accountOf(place, node)
  for (let turn = 0; account === undefined && turn < 1_000; turn += 1) {
    account = await accountOf(place, node)
  }
  const shown = JSON.parse((await call(place, `/v1/accounts/${node.id}`)).text)
  const [entry] = shown.entries
  assert.deepEqual([entry.state, entry.completion_tokens, entry.billed], ['owed', 2, null])
  assert.equal(await openIncident(place), undefined)
})

test('what nodes have earned is shown to operators alone', async (t) => {
  const federation = new Federation(t)
  const place = await federation.gateway()
  const node = await federation.node(place)
  for (const path of ['/v1/accounts', `/v1/accounts/${node.id}`]) {
    const { status, text } = await call(place, path, { key: 'iso_client' })
    assert.deepEqual([status, JSON.parse(text).error.code], [403, 'permission_denied'])
  }
  assert.equal((await call(place, `/v1/accounts/${node.id}`)).status, 404)
  assert.equal((await call(place, '/v1/accounts/nobody')).status, 404)
  assert.equal(await ask(place), 200)
  const { data } = JSON.parse((await call(place, '/v1/accounts')).text)
  assert.deepEqual([data.length, data[0].worker], [1, node.id])
  const metrics = (await call(place, '/metrics')).text
  assert.match(metrics, /isochrone_ledger_entries_total\{state="owed"\} 1/)
})
