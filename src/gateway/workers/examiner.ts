/**
 * Lets nodes work a quarantine off: asks for a fresh statement of what they run when they may prove
 * themselves, then asks them what others know the answer of, and counts what they do for clients.
 *
 * What is right is what other nodes with the same model answer, drawn anew for each question and
 * not told what it is for. Their work is bounded, however many have something to prove.
 */
import type { Clock, Log, Random, Timer } from '../../base/index.ts'
import {
  type AnsweredQuestion,
  type EvidenceBook,
  Examination,
  examinationRules,
  type FaultKind,
  type Incident,
  type IncidentId,
  type Observation,
  type Standing,
  type StandingBook,
} from '../../evidence/index.ts'
import {
  type Attestation,
  asIsochroneError,
  envelopeFromJson,
  type JsonObject,
  type NodeId,
  type OfferedModel,
  shortId,
  type WorkerId,
} from '../../protocol/index.ts'
import { TokenBucket } from '../admission/token-bucket.ts'
import { attestationEvidence, attestedIn, examinable, flawOf, isStillSo } from './attestation.ts'
import { answerOf, type Given, isSameAnswer } from './given-answers.ts'
import type { RemoteWorker } from './remote-worker.ts'
import { type SmallQuestion, smallQuestion } from './small-questions.ts'

export const examinerLimits = {
  /** Nothing here is in a hurry. */
  lookMs: 5_000,
  /** A node that did not attest, or whose statement does not count, is asked again. */
  againMs: 10 * 60_000,
  attestMs: 30_000,
  /** Questions of all examinations together, each asked of up to three nodes. */
  questionsPerMinuteMax: 30,
  runningMax: 4,
  /** Whoever knows the answer has answered so many clients here lately. */
  referenceAnswersMin: 3,
  /** Short, so that the digits of floats hardly ever part two machines with one model. */
  tokensMin: 8,
  tokensMax: 16,
} as const

export interface ExaminerModules {
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly book: Pick<StandingBook, 'attested' | 'leaving' | 'proved'>
  readonly evidence: Pick<EvidenceBook, 'evidence'>
  readonly registry: {
    node(id: NodeId): KnownNode | undefined
    nodes(): Iterable<KnownNode>
    standing(id: NodeId): Standing | undefined
    begin(id: NodeId): unknown
    end(id: NodeId): void
  }
  /** Judges what is found. */
  readonly condemn: (worker: NodeId, kind: FaultKind, evidence: JsonObject) => void
}

export type ExaminerOutcome = AnsweredQuestion | 'unanswered' | 'attested' | 'not-attested'

interface KnownNode {
  readonly worker: Pick<
    RemoteWorker,
    'attest' | 'describe' | 'embed' | 'generate' | 'id' | 'record'
  >
}

interface Examined {
  readonly worker: NodeId
  incident: Incident
  examination: Examination | undefined
  nextAtMs: number
  /** A node whose record changes all the time could fill the disk with statements. */
  attestAtMs: number
  isBusy: boolean
}

export class Examiner {
  readonly #modules: ExaminerModules
  readonly #examined = new Map<IncidentId, Examined>()
  /** Those on probation, of whom clients' requests count. */
  readonly #serving = new Map<WorkerId, Examined>()
  readonly #counts = new Map<ExaminerOutcome, number>()
  readonly #stop = new AbortController()
  readonly #bucket: TokenBucket
  #running = 0
  #timer: Timer | undefined

  constructor(modules: ExaminerModules) {
    this.#modules = modules
    const { questionsPerMinuteMax } = examinerLimits
    this.#bucket = new TokenBucket(questionsPerMinuteMax, modules.clock.monotonic())
  }

  start(): void {
    this.#look()
  }

  stop(): void {
    this.#timer?.cancel()
    this.#stop.abort()
  }

  /** Somebody may have something to prove from now on. */
  stepped({ state }: Incident): void {
    if (this.#timer === undefined && state !== 'closed') this.#wait()
  }

  /** Every observation: almost always nobody is on probation. */
  seen({ blame, outcome, worker }: Observation): void {
    if (this.#serving.size === 0) return
    const { examination } = this.#serving.get(worker) ?? {}
    const now = this.#modules.clock.now()
    if (outcome.kind === 'completed') examination?.served(true, now)
    // Whoever breaks off what it would rather not answer has answered nothing.
    else if (blame === 'node' || blame === 'network') examination?.served(false, now)
  }

  counts(): ReadonlyMap<ExaminerOutcome, number> {
    return this.#counts
  }

  #wait(): void {
    this.#timer = this.#modules.clock.after(examinerLimits.lookMs, () => this.#look())
  }

  #look(): void {
    this.#timer = undefined
    if (this.#stop.signal.aborted) return
    const leaving = this.#modules.book.leaving()
    this.#follow(leaving)
    if (leaving.length === 0) return
    // Who waits for the longest first: whoever takes all the time to answer holds up nobody else.
    const all = [...this.#examined.values()].sort((a, b) => a.nextAtMs - b.nextAtMs)
    for (const one of all) if (!one.isBusy) this.#advance(one)
    this.#wait()
  }

  /** Takes over which incidents there are, and how far they have come. */
  #follow(leaving: readonly Incident[]): void {
    const before = new Map(this.#examined)
    this.#examined.clear()
    this.#serving.clear()
    const now = this.#modules.clock.now()
    for (const incident of leaving) {
      const { id, state, subject } = incident
      if (subject.kind !== 'worker') continue
      const worker = subject.worker as NodeId
      const one: Examined = before.get(id) ?? {
        ...{ worker, incident, examination: undefined, isBusy: false },
        ...{ nextAtMs: 0, attestAtMs: 0 },
      }
      // Another statement begins anew, too; and an operator's word is for now.
      const isOther = one.incident.steps.length !== incident.steps.length
      one.incident = incident
      if (isOther) one.nextAtMs = now
      if (isOther && incident.steps.at(-1)?.step.kind === 'ruled') one.attestAtMs = now
      if (state !== 'proving' && state !== 'probation') one.examination = undefined
      else if (isOther || one.examination === undefined) {
        one.examination = new Examination(state, now)
      }
      this.#examined.set(id, one)
      if (state === 'probation') this.#serving.set(worker, one)
    }
  }

  #advance(one: Examined): void {
    const { clock, registry } = this.#modules
    const { examination, incident, worker } = one
    const node = registry.node(worker)
    if (node?.worker.describe().connected !== true) return
    const now = clock.now()
    if (examination?.progress(now) === 'passed') {
      this.#modules.book.proved(incident.id, examination.evidence())
      return
    }
    if (now < one.nextAtMs || this.#running >= examinerLimits.runningMax) return
    const attestation = this.#attestation(one, node)
    if (attestation === undefined || examination === undefined) {
      const mayBegin = (incident.shutUntilMs ?? 0) <= now && one.attestAtMs <= now
      if (mayBegin) this.#run(one, () => this.#attest(one, node))
    } else if (this.#bucket.waitMs(1, clock.monotonic()) === 0) {
      this.#bucket.take(1, clock.monotonic())
      this.#run(one, () => this.#examine(one, examination, attestation))
    }
  }

  /** What it stated last, as long as that counts. */
  #attestation({ incident }: Examined, { worker }: KnownNode): Attestation | undefined {
    const last = incident.steps.findLast(({ step }) => step.kind === 'attested')?.step
    const ageMs = this.#modules.clock.now() - (last?.atMs ?? Number.NEGATIVE_INFINITY)
    if (last === undefined || ageMs > examinationRules.attestationLifeMs) return undefined
    const attestation = attestedIn(last.evidence)
    const isSo = attestation !== undefined && isStillSo(attestation, worker.record)
    return isSo ? attestation : undefined
  }

  #run(one: Examined, work: () => Promise<void>): void {
    one.isBusy = true
    this.#running += 1
    void work().finally(() => {
      one.isBusy = false
      this.#running -= 1
    })
  }

  async #attest(one: Examined, { worker }: KnownNode): Promise<void> {
    const { book, clock, log } = this.#modules
    const { incident } = one
    one.attestAtMs = clock.now() + examinerLimits.againMs
    one.nextAtMs = one.attestAtMs
    const { models } = worker.describe()
    const about = digestIn(incident)
    const names = examinable(models, about).map(({ name }) => name)
    const fields = { node: shortId(one.worker), incident: incident.id }
    if (about !== null && !models.some(({ digest }) => digest === about)) {
      // Whoever could leave by another model would leave by the one that is easy.
      log.info('a quarantined node does not serve the model that it is about', fields)
      return this.#note('not-attested')
    }
    const late = new AbortController()
    const { attestMs: deadlineMs } = examinerLimits
    const timer = clock.after(deadlineMs, () => late.abort())
    const signal = AbortSignal.any([late.signal, this.#stop.signal])
    try {
      const attested = await worker.attest(names, { deadlineMs, signal })
      const flaw = flawOf(attested, worker.record, names)
      const counts = flaw === undefined && book.attested(incident.id, attestationEvidence(attested))
      this.#note(counts ? 'attested' : 'not-attested')
      if (counts) return
      const reason = flaw ?? 'it may not prove itself now'
      log.warn('a quarantined node attests, and it does not count', { ...fields, reason })
    } catch (error) {
      this.#note('not-attested')
      const reason = asIsochroneError(error).message
      log.info('a quarantined node does not attest what it runs', { ...fields, reason })
    } finally {
      timer.cancel()
    }
  }

  async #examine(one: Examined, at: Examination, { models }: Attestation): Promise<void> {
    const { clock, random } = this.#modules
    const { everyMs } = examinationRules[at.stage]
    one.nextAtMs = clock.now() + everyMs * (0.5 + random.float())
    const node = this.#modules.registry.node(one.worker)
    const offers = node?.worker.describe().models ?? []
    const named = offers.filter(({ name }) => models.some((model) => model.name === name))
    const offer = named[random.below(Math.max(1, named.length))]
    if (node === undefined || offer === undefined) return
    const others = this.#others(one.worker, offer)
    if (others.length === 0) return this.#note('unclear')
    const { tokensMax, tokensMin } = examinerLimits
    const question = smallQuestion(offer, random, {
      max_tokens: tokensMin + random.below(tokensMax - tokensMin + 1),
      temperature: 0,
      seed: random.below(1_000_000),
    })
    const given = await this.#ask(node, question)
    if (given === undefined) return this.#note('unanswered')
    const { outcome, told } = await this.#compare(given, others, question)
    this.#note(outcome)
    // While it answered, it may have become another examination.
    if (one.examination !== at) return
    const answer = { atMs: clock.now(), model: offer.name, hash: given.hash, others: told }
    at.answered(outcome, answer)
    if (at.progress(clock.now()) !== 'failed') return
    const found = { found: 'it answers otherwise than others with its model', model: offer.name }
    this.#modules.condemn(one.worker, 'answers-differ', { ...found, ...at.evidence() })
  }

  /** One that agrees is enough; two that agree with each other, and not with it, are against it. */
  async #compare(given: Given, others: readonly KnownNode[], question: SmallQuestion) {
    const different: Given[] = []
    const told: NodeId[] = []
    for (const other of others) {
      const answer = await this.#ask(other, question)
      if (answer === undefined) continue
      const outcome: AnsweredQuestion = isSameAnswer(given, answer) ? 'right' : 'differs'
      if (outcome === 'right') return { outcome, told: [other.worker.id] }
      told.push(other.worker.id)
      if (different.some((one) => isSameAnswer(one, answer))) return { outcome, told }
      different.push(answer)
    }
    return { outcome: 'unclear' as const, told }
  }

  /** Up to three who have the same model and nothing against them, in an order by chance. */
  #others(self: NodeId, { digest, name, quantisation }: OfferedModel): readonly KnownNode[] {
    const { evidence, random, registry } = this.#modules
    const all = [...registry.nodes()].filter(({ worker }) => {
      const { connected, load, models, overdue } = worker.describe()
      const isThere = worker.id !== self && connected && !overdue && !load.draining
      if (!isThere || registry.standing(worker.id) !== undefined) return false
      const { samples } = evidence.evidence(worker.id, name).completion
      if (samples < examinerLimits.referenceAnswersMin) return false
      return models.some((one) => {
        const isSame = one.name === name && one.digest === digest
        return isSame && one.quantisation === quantisation
      })
    })
    const drawn: KnownNode[] = []
    while (drawn.length < othersAskedMax && all.length > 0) {
      drawn.push(...all.splice(random.below(all.length), 1))
    }
    return drawn
  }

  /** undefined: no answer that counts; whoever checks every answer has judged this one too. */
  async #ask({ worker }: KnownNode, question: SmallQuestion): Promise<Given | undefined> {
    const { clock, registry } = this.#modules
    registry.begin(worker.id)
    try {
      return await answerOf(worker, question, { clock, stop: this.#stop.signal })
    } catch {
      return undefined
    } finally {
      registry.end(worker.id)
    }
  }

  #note(outcome: ExaminerOutcome): void {
    this.#counts.set(outcome, (this.#counts.get(outcome) ?? 0) + 1)
  }
}

/** Two that agree are enough; one of three may be busy, or odd itself. */
const othersAskedMax = 3

/** Of which model the incident speaks. */
function digestIn({ evidence }: Incident): OfferedModel['digest'] {
  return envelopeFromJson(evidence['asked'] ?? null)?.envelope.modelDigest ?? null
}
