/** Two gateways in one process, and what they tell each other of nodes. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import {
  ManualClock,
  secureRandom,
  seededRandom,
  silentLog,
  systemClock,
} from '../../base/index.ts'
import {
  billEvidence,
  type Fault,
  type FaultKind,
  type SignedStep,
  type Standing,
  StandingBook,
} from '../../evidence/index.ts'
import {
  evidenceOf,
  exchange,
  otherModel,
  receiptOf,
  TellingGateway,
} from '../../evidence/standing/notices.fixture.ts'
import {
  createIdentity,
  type Identity,
  type JsonObject,
  type NoticeMark,
  noticeMarkOf,
  type SaidNotice,
} from '../../protocol/index.ts'
import { defaultPolicy } from '../../routing/index.ts'
import { MemoryNetwork, type TransportEvents } from '../../transport/index.ts'
import type { ApiKeys } from '../admission/credentials.ts'
import { saying, startGateway, type TestGateway, testKey, testToken } from '../gateway.fixture.ts'
import type { KnownWorker } from './registry.ts'
import { type Misdeed, StandInNode } from './stand-in-node.fixture.ts'
import { StandingNotices } from './standing-notices.ts'

const operatorKey = 'iso_operator'
const limits = { requestsPerMinute: null, tokensPerMinute: null }
const apiKeys: ApiKeys = {
  find: (key) => {
    const role = key === operatorKey ? 'operator' : 'client'
    return key === operatorKey || key === testKey
      ? { keyId: `key_${role}`, name: role, role, limits }
      : undefined
  },
}

/** What a gateway's mesh would bring to the others. */
class Wire {
  readonly stands = new Map<string, { readonly notice: SaidNotice; readonly urges: boolean }>()
  #to: (notice: SaidNotice) => void = () => {}

  connect(to: (notice: SaidNotice) => void): void {
    this.#to = to
  }

  readonly notices = {
    isTrusted: () => false,
    retract: (mark: NoticeMark) => {
      for (const text of this.stands.keys()) {
        if (noticeMarkOf(text) === mark) this.stands.delete(text)
      }
    },
    share: () => {},
    tell: (notice: SaidNotice, urges: boolean) => {
      this.stands.set(notice.text, { notice, urges })
      if (urges) this.#to(notice)
    },
  }
}

interface Place {
  readonly identity: Identity
  readonly gateway: TestGateway
  readonly wire: Wire
  readonly address: string
}

async function places(context: TestContext, count: number) {
  const network = new MemoryNetwork({ clock: systemClock, random: secureRandom })
  const all: Place[] = []
  for (let i = 0; i < count; i += 1) {
    const identity = createIdentity()
    const wire = new Wire()
    const gateway = await startGateway({ identity, notices: wire.notices, apiKeys })
    const { onConnection, onStream } = gateway.gateway
    const transport = network.transport(identity.id, { onConnection, onStream })
    const { address } = await transport.listen('127.0.0.1:0')
    all.push({ identity, gateway, wire, address })
    context.after(async () => {
      await gateway.gateway.close()
      await transport.close()
    })
  }
  for (const place of all) {
    place.wire.connect((notice) => {
      for (const { gateway, identity } of all) {
        if (identity !== place.identity) {
          assert.equal(gateway.gateway.onNotice(place.identity.id, notice), undefined)
        }
      }
    })
  }
  const createTransport = (of: Identity, events: TransportEvents) =>
    network.transport(of.id, events)
  /** Joined at each of these gateways. */
  const node = async (misdeed: Misdeed | undefined, at: readonly Place[]) => {
    const identity = createIdentity()
    const script = saying(['word'])
    const more = misdeed === undefined ? {} : { misdeed }
    const stands: StandInNode[] = []
    for (const { address } of at) {
      const one = new StandInNode({ identity, script, createTransport, ...more })
      context.after(() => one.transport.close())
      await one.join(address, testToken)
      stands.push(one)
    }
    return stands
  }
  return { all, node }
}

async function ask({ gateway }: Place): Promise<number> {
  const response = await fetch(`${gateway.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${testKey}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'm', messages: [{ role: 'user', content: 'hi' }] }),
  })
  await response.text()
  return response.status
}

async function incidents({ gateway }: Place) {
  const response = await fetch(`${gateway.url}/v1/incidents`, {
    headers: { authorization: `Bearer ${testKey}` },
  })
  const { data } = (await response.json()) as {
    data: readonly { id: string; state: string; cause: string }[]
  }
  return data
}

test('what a node has signed itself quarantines it everywhere, unasked', async (t) => {
  const { all, node } = await places(t, 3)
  const [first, second, third] = all as [Place, Place, Place]
  const wrong = await node('other-model', all)
  assert.equal(await ask(first), 502)
  for (const place of [first, second, third]) {
    const [incident] = await incidents(place)
    assert.deepEqual([incident?.state, incident?.cause], ['quarantined', 'result-model'])
    assert.equal(await ask(place), 503)
  }
  assert.deepEqual(
    wrong.map(({ generations }) => generations),
    [1, 0, 0],
  )
  // Who was told holds it ready for whoever asks; it is not told twice.
  assert.deepEqual(
    [...second.wire.stands.values()].map(({ urges }) => urges),
    [false],
  )
})

test('a false bill quarantines everywhere, by the figures that its node has signed', async (t) => {
  const { all, node } = await places(t, 3)
  const [first, ...others] = all as [Place, Place, Place]
  const wrong = await node('invented-usage', all)
  assert.equal(await ask(first), 200)
  for (const place of [first, ...others]) {
    const [incident] = await incidents(place)
    assert.deepEqual([incident?.state, incident?.cause], ['quarantined', 'settlement-mismatch'])
    assert.equal(await ask(place), 503)
  }
  assert.deepEqual(
    wrong.map(({ generations }) => generations),
    [1, 0, 0],
  )
})

for (const misdeed of ['foreign-signature', 'other-output', 'other-request'] as const) {
  test(`${misdeed}: told, every gateway looks for itself and refuses the node`, async (t) => {
    const { all, node } = await places(t, 3)
    const [first, ...others] = all as [Place, Place, Place]
    const wrong = await node(misdeed, all)
    assert.equal(await ask(first), 502)
    for (const place of others) {
      while ((await incidents(place)).length === 0) await new Promise(setImmediate)
      assert.equal(await ask(place), 503)
    }
    // One question each; no client's.
    assert.deepEqual(
      wrong.map(({ generations }) => generations),
      [1, 1, 1],
    )
  })
}

test('of an honest node a lying gateway can only make others ask once', async (t) => {
  const { all, node } = await places(t, 2)
  const [first, second] = all as [Place, Place]
  const [, honest] = await node(undefined, all)
  assert.equal(await ask(first), 200)
  const lie = lieOf(first.identity, honest as StandInNode)
  assert.equal(second.gateway.gateway.onNotice(first.identity.id, lie), undefined)
  while (honest?.generations === 0) await new Promise(setImmediate)
  for (let i = 0; i < 5; i += 1) assert.equal(await ask(second), 200)
  assert.deepEqual(await incidents(second), [])
  assert.equal(second.gateway.gateway.onNotice(second.identity.id, lie), 'forged')
})

test('a bill that a lying gateway changes is asked about, and quarantines nobody', async (t) => {
  const { all, node } = await places(t, 2)
  const [first, second] = all as [Place, Place]
  const [, honest] = await node(undefined, all)
  assert.ok(honest !== undefined)
  const right = exchange({ gateway: first.identity, node: honest.identity, receipt: receiptOf({}) })
  const changed = billEvidence(receiptOf({ completionTokens: 900 }))
  const evidence = { ...evidenceOf(right), ...changed }
  const lie = lieOf(first.identity, honest, { kind: 'settlement-mismatch', evidence })
  assert.equal(second.gateway.gateway.onNotice(first.identity.id, lie), undefined)
  while (honest.generations === 0) await new Promise(setImmediate)
  assert.equal(await ask(second), 200)
  assert.deepEqual(await incidents(second), [])
})

test('an operator lets a node in at his own gateway; what others have proven stays', async (t) => {
  const { all, node } = await places(t, 2)
  const [first, second] = all as [Place, Place]
  await node('other-model', all)
  await ask(first)
  const [opened] = await incidents(first)
  const body = JSON.stringify({ decision: 'lift', reason: 'mended' })
  const lifted = await fetch(`${first.gateway.url}/v1/incidents/${opened?.id}/decision`, {
    method: 'POST',
    headers: { authorization: `Bearer ${operatorKey}`, 'content-type': 'application/json' },
    body,
  })
  assert.equal(lifted.status, 200)
  assert.deepEqual(await incidents(first), [])
  // Whoever comes now is not told of a quarantine that is over.
  const told = [...first.wire.stands.keys()].map((text) => JSON.parse(text).state)
  assert.deepEqual(told, ['closed'])
  const [stays] = await incidents(second)
  assert.equal(stays?.state, 'quarantined')
  const metrics = await (await fetch(`${second.gateway.url}/metrics`)).text()
  assert.match(metrics, /isochrone_notices_total\{outcome="proven"\} 1/)
  assert.match(metrics, /isochrone_notices_total\{outcome="ended"\} 1/)
  // Shown again what it did before, the first gateway keeps to its operator's decision.
  const [again] = second.wire.stands.values()
  assert.ok(again !== undefined)
  assert.equal(first.gateway.gateway.onNotice(second.identity.id, again.notice), undefined)
  assert.deepEqual(await incidents(first), [])
})

test('who is quarantined is condemned once more only for what is new', () => {
  const clock = new ManualClock(1_700_000_000_000)
  const [teller, suspect] = [new TellingGateway(() => clock.now()), createIdentity()]
  const own = new TellingGateway(() => clock.now())
  const receipt = receiptOf({ completionTokens: 900 })
  const answers = {
    model: exchange({ gateway: teller.identity, node: suspect, answered: otherModel }),
    bill: exchange({ gateway: teller.identity, node: suspect, receipt }),
  }
  const told = (kind: FaultKind, evidence: JsonObject): SaidNotice => {
    const by = new TellingGateway(() => clock.now(), teller.identity)
    const { json, signature } = by.accuse(suspect, kind, evidence)
    return { text: json, signature: Buffer.from(signature, 'base64') }
  }
  const notices = new StandingNotices({
    ...{ clock, random: seededRandom(1), log: silentLog, network: 'test' },
    book: own.book,
    evidence: { hear() {} },
    registry: {
      ...{ begin: () => 0, end() {}, node: () => undefined, standing: () => undefined },
      find: () => ({}) as KnownWorker,
    },
    condemn: (worker, kind, evidence) => own.book.report(worker, { kind, evidence }, {}),
    policy: () => defaultPolicy,
  })
  const hear = (kind: FaultKind, evidence: JsonObject) => {
    clock.advance(2_000)
    assert.equal(notices.hear(teller.identity.id, told(kind, evidence)), undefined)
    const [incident, ...more] = own.book.incidents()
    assert.deepEqual(more, [])
    return { steps: incident?.steps.length, byWork: incident?.shutUntilMs !== null }
  }
  const ofModel = evidenceOf(answers.model)
  assert.deepEqual(hear('result-model', ofModel), { steps: 1, byWork: true })
  assert.deepEqual(hear('result-model', ofModel), { steps: 1, byWork: true })
  // No work disproves a false bill.
  const ofBill = { ...evidenceOf(answers.bill), ...billEvidence(receipt) }
  assert.deepEqual(hear('settlement-mismatch', ofBill), { steps: 2, byWork: false })
  assert.deepEqual(hear('settlement-mismatch', ofBill), { steps: 2, byWork: false })
})

test('who proves itself is condemned again by what others show', () => {
  const clock = new ManualClock()
  const [teller, suspect] = [new TellingGateway(() => clock.now()), createIdentity()]
  const shown = exchange({ gateway: teller.identity, node: suspect, answered: otherModel })
  const { json, signature } = teller.accuse(suspect, 'result-model', evidenceOf(shown))
  let condemned = 0
  const standing: Standing = {
    ...{ state: 'probation', incident: `inc_${'a'.repeat(26)}`, words: 'probation' },
  }
  const notices = new StandingNotices({
    ...{ clock, random: seededRandom(1), log: silentLog, network: 'test' },
    book: {
      ...{ incidents: () => [], forgivenUntilMs: () => 0, of: () => standing },
      find: () => undefined,
    },
    evidence: { hear() {} },
    registry: {
      ...{ begin: () => 0, end() {}, node: () => undefined, standing: () => standing },
      find: () => ({}) as KnownWorker,
    },
    condemn: () => {
      condemned += 1
    },
    policy: () => defaultPolicy,
  })
  const notice = { text: json, signature: Buffer.from(signature, 'base64') }
  assert.equal(notices.hear(teller.identity.id, notice), undefined)
  assert.equal(condemned, 1)
})

/** Signed by the gateway's own key; not a word of it is true. */
function lieOf(
  identity: Identity,
  node: StandInNode,
  fault: Fault = { kind: 'result-signature', evidence: { found: 'invented' } },
): SaidNotice {
  const steps: SignedStep[] = []
  const book = new StandingBook({
    clock: systemClock,
    random: secureRandom,
    identity,
    populationOf: () => 100,
    onStep: (_, signed) => void steps.push(signed),
  })
  book.report(node.id, fault, {})
  const [signed] = steps
  assert.ok(signed !== undefined)
  return { text: signed.json, signature: Buffer.from(signed.signature, 'base64') }
}
