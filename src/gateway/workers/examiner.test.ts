/** What a quarantined node has to do to be believed again, and what others do for it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ManualClock, seededRandom, silentLog } from '../../base/index.ts'
import {
  EvidenceBook,
  examinationRules,
  type FaultKind,
  type Incident,
  type IncidentState,
  type Observation,
  StandingBook,
} from '../../evidence/index.ts'
import {
  type Attestation,
  createIdentity,
  decisionIdOf,
  type EmbeddingRequest,
  encodeAttestation,
  type GenerationRequest,
  type HardwareReport,
  type JsonObject,
  type ModelFeature,
  modelDigestOf,
  type NodeId,
  type NodeRecord,
  type SignedEnvelope,
  signEnvelope,
} from '../../protocol/index.ts'
import { Examiner, type ExaminerOutcome } from './examiner.ts'

const digest = modelDigestOf('ab'.repeat(32))
const hour = 3_600_000
type Manner = 'right' | 'wrong' | 'odd' | 'silent'

function offerOf(features: readonly ModelFeature[]) {
  return {
    ...{ name: 'm', digest, runtime: 'test', quantisation: 'float32', contextTokensMax: 4096 },
    ...{ decodeTokensPerSecond: 100, prefillTokensPerSecond: 100, slots: 8, features },
    ...{ promptPrice: 0, completionPrice: 0 },
  }
}

const hardware = { integerExact: true } as Partial<HardwareReport> as HardwareReport

class Node {
  readonly identity = createIdentity()
  readonly id: NodeId = this.identity.id
  readonly asked: GenerationRequest[] = []
  manner: Manner = 'right'
  connected = true
  attests: Partial<Attestation> | undefined = {}
  attested = 0
  record = {
    id: this.id,
    softwareVersion: '1.0',
    hardware,
    models: [offerOf(['chat'])],
  } as Partial<NodeRecord> as NodeRecord
  readonly #clock: ManualClock

  constructor(clock: ManualClock) {
    this.#clock = clock
  }

  describe() {
    const { models } = this.record
    return { connected: this.connected, overdue: false, load: { draining: false }, models }
  }

  async *generate(request: GenerationRequest) {
    this.asked.push(request)
    const content = JSON.stringify(request.messages)
    yield [{ type: 'delta', choice: 0, text: this.#say(content) }]
    yield [{ type: 'finish', choice: 0, reason: 'length' }]
  }

  async embed({ input }: EmbeddingRequest) {
    const bytes = Buffer.from(this.#say(JSON.stringify(input)))
    return { vectors: [Float32Array.from(bytes.subarray(0, 8))], promptTokens: 1 }
  }

  async attest(names: readonly string[]) {
    this.attested += 1
    if (this.attests === undefined) throw new Error('unimplemented')
    const { hardware, models, softwareVersion } = this.record
    const statement = encodeAttestation({
      softwareVersion,
      selfCheck: { integerExact: hardware.integerExact, atMs: this.#clock.now() },
      models: models
        .filter(({ name }) => names.includes(name))
        .map(({ name, quantisation, runtime }) => ({ name, digest, runtime, quantisation })),
      ...this.attests,
    })
    return { asked: this.#envelope(), result: this.#envelope(), statement }
  }

  #say(content: string): string {
    if (this.manner === 'silent') throw new Error('busy')
    if (this.manner === 'right') return `${content.length} ${content}`
    return this.manner === 'wrong' ? `another model: ${content}` : `${this.id} ${content}`
  }

  #envelope(): SignedEnvelope {
    const [issuedAtMs, bodyHash] = [this.#clock.now(), new Uint8Array(32)]
    return signEnvelope(this.identity, {
      ...{ domain: 'request', network: 'test', recipient: null, bodyHash },
      ...{ nonce: new Uint8Array(16), issuedAtMs, expiresAtMs: issuedAtMs, modelDigest: null },
    })
  }
}

class Setting {
  readonly clock = new ManualClock()
  readonly evidence = new EvidenceBook({ clock: this.clock })
  readonly book: StandingBook
  readonly examiner: Examiner
  readonly suspect = new Node(this.clock)
  readonly others: Node[] = []
  inFlight = 0

  constructor(others = 3) {
    const { clock, evidence } = this
    const random = seededRandom(3)
    this.book = new StandingBook({
      ...{ clock, random, identity: createIdentity(), populationOf: () => 100 },
      onStep: (incident) => this.examiner?.stepped(incident),
    })
    for (let i = 0; i < others; i += 1) this.add()
    const all = () => [this.suspect, ...this.others].map((worker) => ({ worker: worker as never }))
    const find = (id: NodeId) => [this.suspect, ...this.others].findIndex((one) => one.id === id)
    this.examiner = new Examiner({
      ...{ clock, random, evidence, log: silentLog, book: this.book },
      registry: {
        node: (id: NodeId) => all()[find(id)],
        nodes: () => all().values(),
        standing: (id: NodeId) => this.book.of(id),
        begin: () => {
          this.inFlight += 1
        },
        end: () => {
          this.inFlight -= 1
        },
      },
      condemn: (worker, kind, found) => this.fault(kind, found, worker),
    })
    this.examiner.start()
  }

  add(answers = 10): Node {
    const node = new Node(this.clock)
    this.others.push(node)
    for (let i = 0; i < answers; i += 1) this.evidence.observe(this.#served(node.id))
    return node
  }

  fault(kind: FaultKind, evidence: JsonObject = {}, worker = this.suspect.id): void {
    this.book.report(worker, { kind, evidence }, {})
  }

  /** A client's request that the suspect answers. */
  serve(isRight = true): void {
    const right = this.#served(this.suspect.id)
    const outcome = { kind: 'failed', code: 'node_failed', phase: 'mid-stream' } as const
    this.examiner.seen(isRight ? right : { ...right, outcome, blame: 'node' })
  }

  /** In which others are known to be there all along. */
  async wait(forMs: number): Promise<void> {
    for (let leftMs = forMs; leftMs > 0; leftMs -= hour) {
      for (const { id } of this.others) {
        for (let i = 0; i < 10; i += 1) this.evidence.observe(this.#served(id))
      }
      await this.clock.advanceAsync(Math.min(leftMs, hour))
    }
  }

  /** @returns after how many hours, in whole minutes */
  async until(state: IncidentState): Promise<number> {
    const beganAtMs = this.clock.now()
    while (this.incident.state !== state && this.clock.now() - beganAtMs < 12 * hour) {
      await this.wait(60_000)
    }
    return (this.clock.now() - beganAtMs) / hour
  }

  get incident(): Incident {
    return this.book.incidents()[0] as Incident
  }

  count(outcome: ExaminerOutcome): number {
    return this.examiner.counts().get(outcome) ?? 0
  }

  #served(worker: NodeId): Observation {
    return {
      ...{ atMs: this.clock.now(), worker, model: 'm', attempt: 0, inFlight: 0 },
      decision: decisionIdOf(new Uint8Array(16)),
      outcome: { kind: 'completed' },
      blame: 'nobody',
      ...{ ttftMs: 10, tpotMs: 10, promptTokens: 10, completionTokens: 10 },
    }
  }
}

test('a node that was mended attests, answers, serves, and is as others are', async () => {
  const at = new Setting()
  at.fault('result-content')
  await at.wait(hour - 10_000)
  assert.equal(at.suspect.attested, 0)
  await at.wait(20_000)
  assert.equal(at.incident.state, 'proving')
  const { evidence } = at.incident.steps[1]?.step ?? {}
  assert.match(String(evidence?.['statement']), /"softwareVersion":"1.0"/)
  // Questions alone, as long as it takes, however well it does.
  at.serve()
  await at.wait(examinationRules.proving.forMs - 60_000)
  assert.equal(at.incident.state, 'proving')
  await at.wait(hour)
  assert.equal(at.incident.state, 'probation')
  const asked = at.suspect.asked.length
  assert.ok(asked >= examinationRules.proving.answersMin && asked < 30, `${asked}`)
  await at.wait(4 * hour)
  assert.equal(at.incident.state, 'probation')
  for (let i = 0; i < examinationRules.probation.requestsMin; i += 1) at.serve()
  await at.wait(10_000)
  assert.equal(at.incident.state, 'closed')
  assert.deepEqual([at.count('attested'), at.count('differs'), at.inFlight], [1, 0, 0])
  // Nobody is asked any more.
  const before = at.suspect.asked.length
  await at.wait(3 * hour)
  assert.equal(at.suspect.asked.length, before)
})

test('questions are small, exact, and never twice the same', async () => {
  const at = new Setting()
  at.fault('result-content')
  await at.wait(2 * hour)
  const texts = at.suspect.asked.map(({ messages }) => JSON.stringify(messages))
  assert.equal(new Set(texts).size, texts.length)
  for (const { maxTokens, modelDigest, sampling } of at.suspect.asked) {
    assert.deepEqual([modelDigest, sampling.temperature], [digest, 0])
    assert.ok((maxTokens ?? 0) >= 8 && (maxTokens ?? 0) <= 16)
  }
  // Each of the others is asked some of them: whoever is an accomplice does not know which.
  for (const { asked } of at.others) assert.ok(asked.length > 0)
})

test('one with another model is found out, waits longer, and then for an operator', async () => {
  const at = new Setting()
  at.suspect.manner = 'wrong'
  at.fault('result-content')
  for (const waitHours of [1, 2, 4]) {
    const waited = await at.until('proving')
    assert.ok(Math.abs(waited - waitHours) < 0.05, `${waited} h`)
    assert.ok((await at.until('quarantined')) < 0.3)
    const { cause, evidence } = at.incident.steps.at(-1)?.step ?? {}
    assert.equal(cause, 'answers-differ')
    const { different } = evidence as { readonly different: readonly { others: string[] }[] }
    assert.equal(different.length, 3)
    for (const { others } of different) assert.ok(others.length >= 2)
  }
  assert.equal(at.incident.shutUntilMs, null)
  await at.wait(48 * hour)
  assert.equal(at.incident.steps.length, 7)
})

test('one that cheats again on probation goes back', async () => {
  const at = new Setting()
  at.fault('result-content')
  await at.wait(3 * hour)
  assert.equal(at.incident.state, 'probation')
  at.suspect.manner = 'wrong'
  await at.wait(2 * hour)
  assert.equal(at.incident.state, 'quarantined')
})

test('where nobody knows what is right, nothing is proven either way', async () => {
  const alone = new Setting(0)
  alone.fault('result-content')
  await alone.wait(4 * hour)
  assert.equal(alone.incident.state, 'proving')
  assert.deepEqual([alone.suspect.asked.length, alone.count('right')], [0, 0])
  // Newcomers, and those who have another model of this name, know nothing.
  const strange = new Setting(0)
  strange.add(0)
  const other = strange.add()
  const models = [{ ...offerOf(['chat']), digest: modelDigestOf('cd'.repeat(32)) }]
  other.record = { ...other.record, models }
  strange.fault('result-content')
  await strange.clock.advanceAsync(3 * hour)
  assert.equal(strange.suspect.asked.length, 0)
  // One that contradicts is one word against another.
  const two = new Setting(1)
  two.suspect.manner = 'wrong'
  two.fault('result-content')
  await two.wait(4 * hour)
  assert.equal(two.incident.state, 'proving')
  assert.ok(two.count('unclear') > 10)
  // Three that contradict each other are none the wiser.
  const odd = new Setting(3)
  for (const node of [odd.suspect, ...odd.others]) node.manner = 'odd'
  odd.fault('result-content')
  await odd.wait(4 * hour)
  assert.equal(odd.incident.state, 'proving')
  assert.equal(odd.count('differs'), 0)
})

test('one of the others may be busy, or odd', async () => {
  const at = new Setting(4)
  const [busy, odd] = at.others
  assert.ok(busy !== undefined && odd !== undefined)
  busy.manner = 'silent'
  odd.manner = 'wrong'
  at.fault('result-content')
  await at.wait(3 * hour)
  assert.equal(at.incident.state, 'probation')
  assert.deepEqual([at.count('differs'), at.inFlight], [0, 0])
})

test('what its statement says has to be so, and stay so', async () => {
  const models = [{ name: 'm', digest: null, runtime: 'test', quantisation: 'float32' }]
  const selfCheck = { integerExact: true, atMs: 1_700_000_000_000 }
  for (const attests of [
    undefined,
    { softwareVersion: '1.1' },
    { models: [] },
    { models },
    { selfCheck },
    { selfCheck: { integerExact: false, atMs: 1_700_000_000_000 + hour } },
  ]) {
    const at = new Setting()
    at.suspect.attests = attests
    at.fault('result-content')
    await at.wait(2 * hour)
    assert.equal(at.incident.state, 'quarantined', JSON.stringify(attests))
    // Now and then, not each time that somebody looks.
    assert.ok(at.suspect.attested >= 5 && at.suspect.attested <= 7, `${at.suspect.attested}`)
    at.suspect.attests = {}
    await at.wait(hour / 4)
    assert.equal(at.incident.state, 'proving')
  }
  const other = new Setting()
  other.fault('result-content')
  await other.wait(3 * hour)
  assert.equal(other.incident.state, 'probation')
  other.suspect.record = { ...other.suspect.record, softwareVersion: '2.0' }
  await other.wait(hour / 2)
  assert.equal(other.incident.state, 'proving')
  assert.equal(other.suspect.attested, 2)
})

test('what it attested long ago it says again', async () => {
  const at = new Setting()
  at.fault('result-content')
  await at.wait(examinationRules.attestationLifeMs)
  assert.deepEqual([at.incident.state, at.suspect.attested], ['probation', 1])
  await at.wait(2 * hour)
  assert.ok(at.suspect.attested === 2)
})

test('an operator’s word is for now, and who is not there is waited for', async () => {
  const at = new Setting()
  at.suspect.connected = false
  at.fault('result-content')
  const ruling = { reason: 'its owner mended it', appeal: null, by: 'key_1' }
  at.book.rule(at.incident.id, { decision: 'attest', ...ruling })
  await at.wait(60_000)
  assert.equal(at.suspect.attested, 0)
  at.suspect.connected = true
  await at.wait(10_000)
  assert.equal(at.incident.state, 'proving')
})

test('vectors are compared as vectors', async () => {
  const at = new Setting()
  const models = [offerOf(['embedding'])]
  for (const node of [at.suspect, ...at.others]) node.record = { ...node.record, models }
  at.fault('result-content')
  await at.wait(2 * hour)
  assert.equal(at.incident.state, 'probation')
})

test('however many have something to prove, what others do for them is bounded', async () => {
  const at = new Setting(3)
  for (let i = 0; i < 80; i += 1) {
    const one = at.add()
    at.fault('result-content', {}, one.id)
  }
  await at.wait(hour + 10_000)
  const asked = () => at.others.slice(0, 3).reduce((sum, one) => sum + one.asked.length, 0)
  const before = asked()
  await at.wait(10 * 60_000)
  assert.ok(asked() - before <= 3 * 30 * 11, `${asked() - before}`)
  assert.ok(asked() > before)
})
