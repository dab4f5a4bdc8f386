/** For tests: a node that has something to prove, others with its model, and their examiner. */
import { ManualClock, seededRandom, silentLog } from '../../base/index.ts'
import {
  EvidenceBook,
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

export const digest = modelDigestOf('ab'.repeat(32))
export const hour = 3_600_000
type Manner = 'right' | 'wrong' | 'odd' | 'silent'

export function offerOf(features: readonly ModelFeature[]) {
  return {
    ...{ name: 'm', digest, runtime: 'test', quantisation: 'float32', contextTokensMax: 4096 },
    ...{ decodeTokensPerSecond: 100, prefillTokensPerSecond: 100, slots: 8, features },
    ...{ promptPrice: 0, completionPrice: 0 },
  }
}

const hardware = { integerExact: true, gpu: '' } as Partial<HardwareReport> as HardwareReport

export class Node {
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
        .map(({ digest, name, quantisation, runtime }) => {
          return { name, digest, runtime, quantisation }
        }),
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

export class Setting {
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
  serve(isRight = true, blame: Observation['blame'] = 'node'): void {
    const right = this.#served(this.suspect.id)
    const outcome = { kind: 'failed', code: 'node_failed', phase: 'mid-stream' } as const
    this.examiner.seen(isRight ? right : { ...right, outcome, blame })
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
