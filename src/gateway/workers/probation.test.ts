/** A quarantine that is worked off, from the wrong answer to the last step; over the wire. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { ManualClock, secureRandom, systemClock } from '../../base/index.ts'
import { examinationRules, type SignedStep } from '../../evidence/index.ts'
import { createIdentity, type Identity } from '../../protocol/index.ts'
import { MemoryNetwork, type TransportEvents } from '../../transport/index.ts'
import type { Account } from '../admission/credentials.ts'
import { saying, startGateway, testToken } from '../gateway.fixture.ts'
import { KeptSteps } from './kept-steps.fixture.ts'
import { StandInNode, type StandInOptions } from './stand-in-node.fixture.ts'

const hour = 3_600_000
const limits = { requestsPerMinute: null, tokensPerMinute: null }
const operator: Account = { keyId: 'key_operator', name: 'operator', role: 'operator', limits }

interface Kept {
  readonly identity: Identity
  readonly incidents: KeptSteps
  readonly clock: ManualClock
}

async function place(context: TestContext, { clock, identity, incidents }: Kept) {
  const network = new MemoryNetwork({ clock: systemClock, random: secureRandom })
  const createTransport = (of: Identity, events: TransportEvents) =>
    network.transport(of.id, events)
  const apiKeys = { find: () => operator }
  const gateway = await startGateway({ identity, incidents, apiKeys, clock })
  const { onConnection, onStream } = gateway.gateway
  const transport = createTransport(identity, { onConnection, onStream })
  const { address } = await transport.listen('127.0.0.1:0')
  const node = async (more: Partial<StandInOptions> = {}) => {
    const record = { expiresAtMs: clock.now() + 20 * hour }
    const script = saying(['the', 'same'])
    const made = new StandInNode({ script, createTransport, clock, record, ...more })
    context.after(() => made.transport.close())
    await made.join(address, testToken)
    return made
  }
  context.after(async () => {
    await gateway.gateway.close()
    await transport.close()
  })
  const call = async (path: string, body?: object) => {
    const response = await fetch(`${gateway.url}${path}`, {
      headers: { authorization: 'Bearer iso_any', 'content-type': 'application/json' },
      ...(body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }),
    })
    const text = await response.text()
    return { status: response.status, headers: response.headers, text }
  }
  const ask = (exclude: readonly StandInNode[] = []) => {
    const isochrone = { exclude: exclude.map(({ id }) => id) }
    const messages = [{ role: 'user', content: 'hi' }]
    return call('/v1/chat/completions', { model: 'm', messages, isochrone })
  }
  const incident = async (): Promise<IncidentView> => {
    const { data } = JSON.parse((await call('/v1/incidents?which=all')).text)
    return JSON.parse((await call(`/v1/incidents/${data[0].id}`)).text)
  }
  return { ask, call, incident, node }
}

interface IncidentView {
  readonly id: string
  readonly state: string
  readonly shut_until_ms: number | null
  readonly steps: readonly SignedStep[]
}

const kindsOf = ({ steps }: IncidentView) =>
  steps.map(({ json }) => (JSON.parse(json) as { readonly kind: string }).kind)

test('from a wrong answer to the last step, over a restart, apart from clients', async (t) => {
  const clock = new ManualClock(systemClock.now())
  const kept: Kept = { clock, identity: createIdentity(), incidents: new KeptSteps() }
  const first = await place(t, kept)
  const honest = [await first.node(), await first.node()]
  for (let i = 0; i < 20; i += 1) assert.equal((await first.ask()).status, 200)
  const wrong = await first.node({ misdeed: 'other-output' })
  assert.equal((await first.ask(honest)).status, 502)
  wrong.misdeed = undefined
  const opened = await first.incident()
  assert.deepEqual([opened.state, opened.shut_until_ms], ['quarantined', clock.now() + hour])

  // An operator need not wait.
  const path = `/v1/incidents/${opened.id}/decision`
  const let_ = await first.call(path, { decision: 'attest', reason: 'a bug, mended' })
  assert.equal(let_.status, 200)
  await clock.advanceAsync(20_000)
  assert.equal((await first.incident()).state, 'proving')
  assert.equal(wrong.attestations, 1)
  const refused = await first.ask(honest)
  assert.equal(refused.status, 503)
  assert.match(refused.text, /on probation after a quarantine/)
  for (let i = 0; i < 100; i += 1) {
    if ((await first.incident()).state !== 'proving') break
    const asked = await first.ask()
    assert.notEqual(asked.headers.get('x-isochrone-worker'), wrong.id)
    await clock.advanceAsync(60_000)
  }
  assert.equal((await first.incident()).state, 'probation')

  // A restart of the gateway: on probation still, and its row begins anew.
  const second = await place(t, kept)
  const again = await second.node({ identity: wrong.identity })
  const others = [await second.node(), await second.node()]
  for (let i = 0; i < 20; i += 1) await second.ask([again])
  assert.equal((await second.incident()).state, 'probation')
  const nodes = JSON.parse((await second.call('/v1/nodes')).text).data
  const standing = nodes.find(({ id }: { readonly id: string }) => id === again.id).standing
  assert.deepEqual([standing.state, standing.takes], ['probation', true])
  let served = 0
  for (let i = 0; i < 1_000 && (await second.incident()).state === 'probation'; i += 1) {
    const answer = await second.ask(others)
    if (answer.status === 200) {
      served += 1
      // One at a time, and not the next at once.
      const next = await second.ask(others)
      assert.equal(next.status, 503)
      assert.match(next.text, /one request at a time, and one in 10 s/)
    }
    for (let j = 0; j < 5; j += 1) await second.ask([again])
    await clock.advanceAsync(30_000)
  }
  const closed = await second.incident()
  assert.equal(closed.state, 'closed')
  assert.ok(served >= examinationRules.probation.requestsMin)
  assert.deepEqual(kindsOf(closed), ['opened', 'ruled', 'attested', 'proved', 'passed'])
  assert.equal((await second.ask(others)).status, 200)
  assert.equal((await second.ask(others)).status, 200)
  const metrics = await second.call('/metrics')
  assert.match(metrics.text, /isochrone_examinations_total\{outcome="right"\} \d+/)
})
