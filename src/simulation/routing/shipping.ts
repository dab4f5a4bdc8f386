/**
 * The routing that ships, as a gateway uses it: an evidence book, a snapshot of candidates with
 * what is foreseen of their loads, decisions and their attempts. What a gateway's registry, router
 * and trail do around it is done here in their place.
 */
import {
  Accusations,
  AnswerLengths,
  Breakers,
  EvidenceBook,
  ExperienceTeller,
  Hearsay,
  type Notice,
  type Observation,
  PaceJudge,
  StandingBook,
} from '../../evidence/index.ts'
import { OwnRequests, PromptsAhead, type SaidLoad, type UnreadPrompt } from '../../mesh/index.ts'
import {
  createIdentity,
  decisionIdOf,
  type Experience,
  errorCodes,
  requestIdOf,
  type WorkerId,
} from '../../protocol/index.ts'
import {
  type Candidate,
  chooseAgain,
  type Decision,
  decide,
  defaultPolicy,
  endAttempt,
  otherClass,
  type RouteRequest,
  type RoutingPolicy,
  withAttempt,
} from '../../routing/index.ts'
import type { Ask, Balancer, BalancerModules, EndedAttempt, LoadWord, Sight } from './balancer.ts'

export const model = 'simulated'
const decisionId = decisionIdOf(new Uint8Array(16))
const requestId = requestIdOf(new Uint8Array(16))
/** The median answer of public chat traces, until answers were seen; then the latest sixteen. */
const firstTokensPerRequest = 256
const tokensGain = 1 / 16
/** Once in a second, as gateways do. */
const looksPerJudgement = 4

type Writable<T> = { -readonly [K in keyof T]: T[K] }

interface Known {
  readonly candidate: Writable<Candidate>
  own: OwnRequests
  readonly prompts: PromptsAhead
  said: SaidLoad | undefined
  tokensPerRequest: number
}

/** The attempt that runs. */
interface UnderWay {
  readonly node: number
  readonly prompt: UnreadPrompt
  /** Requests per slot, and tokens of prompts, that were there before. */
  readonly load: number
  readonly promptTokensAhead: number | null
  /** Monotonic ms. */
  readonly startedAtMs: number
  readonly isProbe: boolean
}

export class ShippingBalancer implements Balancer {
  readonly #modules: BalancerModules
  readonly #policy: RoutingPolicy
  readonly #book: EvidenceBook
  readonly #breakers: Breakers
  readonly #known: Known[] = []
  readonly #candidates: Candidate[] = []
  readonly #nodeOf = new Map<WorkerId, number>()
  readonly #decisions = new Map<number, Decision>()
  readonly #underWay = new Map<number, UnderWay>()
  readonly #lengths = new AnswerLengths()
  readonly #standing: StandingBook
  readonly #pace: PaceJudge
  readonly #teller: ExperienceTeller
  readonly #hearsay: Hearsay
  readonly #accusations: Accusations
  #looks = 0

  constructor(modules: BalancerModules, policy: RoutingPolicy = defaultPolicy) {
    this.#modules = modules
    this.#policy = policy
    this.#book = new EvidenceBook({ clock: modules.clock })
    this.#breakers = new Breakers(modules.clock)
    this.#standing = new StandingBook({
      ...modules,
      identity: createIdentity(),
      populationOf: () => modules.sights.filter(({ connected }) => connected).length,
      onStep: ({ subject, state }) => {
        if (subject.kind !== 'worker') return
        if (state === 'trial') this.#book.remeasure(subject.worker, model)
        const known = this.#of(this.#nodeOf.get(subject.worker) ?? 0)
        known.candidate.standing = this.#standing.of(subject.worker, model)
      },
    })
    this.#pace = new PaceJudge({
      evidence: this.#book,
      stated: (worker) => this.#stated(this.#nodeOf.get(worker) ?? 0),
      all: () => this.#known.map((_, node) => this.#stated(node)),
      claimKeptMin: () => policy.claimKeptMin,
      stateOf: (worker) => this.#standing.stateOf(worker, model),
      report: (worker, fault) => this.#standing.report(worker, fault, { gateway: 'simulated' }),
      kept: (worker) => this.#standing.kept(worker, model),
    })
    const { clock, self } = modules
    this.#teller = new ExperienceTeller({ clock, evidence: this.#book, gateway: self })
    const isKnown = (worker: WorkerId) => modules.sights.some(({ id }) => id === worker)
    this.#hearsay = new Hearsay({
      clock,
      isKnown,
      count: (worker, of, heard) => this.#book.count(worker, of, heard),
    })
    this.#accusations = new Accusations({
      bills: () => policy,
      ...{ clock, network: 'simulated', isKnown, isTrusted: () => true },
      forgivenUntilMs: (worker) => this.#standing.forgivenUntilMs(worker),
      observe: (worker, at) => this.#book.hear(worker, at),
    })
  }

  tells(): readonly Experience[] {
    return this.#teller.tell()
  }

  hears(experience: Experience): void {
    this.#hearsay.hear(experience)
  }

  /** Whoever is accused is asked something small besides, which costs next to nothing. */
  accused(notice: Notice): void {
    this.#accusations.hear(notice)
  }

  #stated(node: number) {
    const { claim, id } = this.#sight(node)
    return { worker: id, claimed: claim.decodeTokensPerSecond, floor: 0 }
  }

  choose(ask: Ask): number | undefined {
    const { random, clock } = this.#modules
    const before = this.#decisions.get(ask.ticket)
    const present = {
      candidates: this.#present(),
      policy: this.#policy,
      random,
      now: clock.now(),
    }
    const decision =
      before === undefined
        ? decide({ ...present, request: this.#requestOf(ask), decisionId, keyId: null })
        : chooseAgain(before, present)
    this.#decisions.set(ask.ticket, decision)
    return decision.chosen === null ? undefined : this.#nodeOf.get(decision.chosen)
  }

  sent(ticket: number, node: number, promptTokens: number): void {
    const { clock } = this.#modules
    const known = this.#of(node)
    const { candidate } = known
    const present = candidate.inFlight + (candidate.others ?? 0)
    const load = present / Math.max(1, candidate.offer?.slots ?? 1)
    const promptTokensAhead = candidate.promptTokensAhead ?? null
    const prompt = known.prompts.sent(promptTokens, clock.monotonic())
    const startedAtMs = clock.monotonic()
    const isProbe = this.#breakers.began(candidate.id, model)
    const begun = { startedAtMs, isProbe }
    this.#underWay.set(ticket, { node, prompt, load, promptTokensAhead, ...begun })
    known.own.sent(clock.monotonic())
    const decision = this.#decisions.get(ticket)
    if (decision === undefined) return
    const start = { worker: known.candidate.id, startedAtMs: clock.now() }
    this.#decisions.set(ticket, withAttempt(decision, start))
  }

  begun(ticket: number): void {
    const underWay = this.#underWay.get(ticket)
    if (underWay === undefined) return
    this.#of(underWay.node).prompts.read(underWay.prompt, this.#modules.clock.monotonic())
  }

  ended(attempt: EndedAttempt): void {
    const { clock } = this.#modules
    const { ticket, node, kind: outcome, code, tokens, ttftMs } = attempt
    const known = this.#of(node)
    known.own.ended(clock.monotonic())
    if (tokens > 0) {
      // Of an answer that went on elsewhere, what was written there.
      this.#lengths.add(model, tokens, clock.now())
      known.tokensPerRequest += tokensGain * (tokens - known.tokensPerRequest)
    }
    this.begun(ticket)
    const underWay = this.#underWay.get(ticket)
    const { load = null, promptTokensAhead = null, startedAtMs = 0 } = underWay ?? {}
    if (underWay?.isProbe === true) this.#breakers.probeEnded(known.candidate.id, model)
    const seen = observationOf(attempt, known.candidate.id, clock.now())
    this.#book.observe({ ...seen, load, promptTokensAhead })
    this.#breakers.observe(seen, startedAtMs)
    this.#pace.seen(seen.worker, model)
    const decision = this.#decisions.get(ticket)
    if (decision === undefined) return
    const end = { outcome, endedAtMs: clock.now(), code, ttftMs }
    this.#decisions.set(ticket, endAttempt(decision, end))
  }

  closed(ticket: number): void {
    this.#decisions.delete(ticket)
    this.#underWay.delete(ticket)
  }

  reported(node: number, load: LoadWord): void {
    const known = this.#of(node)
    const { running, waiting } = load
    known.said = { ...load, slots: this.#sight(node).claim.slots }
    known.candidate.load = { running, waiting, kvTokensFree: 1_000_000, draining: false }
    known.own.learn(known.said, this.#optionsOf(known))
    const prompts = { tokens: load.unreadTokens, saidAtMs: load.saidAtMs }
    known.prompts.learn(prompts, this.#readingOf(known))
    this.#foresee(known)
  }

  joined(node: number): void {
    const known = this.#of(node)
    known.own.startAnew()
    known.prompts.startAnew()
    known.said = undefined
    known.candidate.others = undefined
    known.candidate.load = idle
  }

  look(): void {
    for (const known of this.#known) this.#foresee(known)
    this.#looks += 1
    if (this.#looks % looksPerJudgement !== 0) return
    this.#standing.tick()
    this.#pace.judge()
  }

  #foresee(known: Known): void {
    if (known.said === undefined) return
    const nowMs = this.#modules.clock.monotonic()
    known.candidate.others = known.own.predict(known.said, nowMs, this.#optionsOf(known)).others
  }

  #readingOf({ candidate }: Known) {
    const { prefillTokensPerSecond: tokensPerSecond = 0 } = candidate.offer ?? {}
    return { roundTripMs: candidate.roundTripMs ?? 0, tokensPerSecond }
  }

  #optionsOf({ candidate, tokensPerRequest }: Known) {
    return { roundTripMs: candidate.roundTripMs ?? 0, tokensPerRequest }
  }

  #present(): readonly Candidate[] {
    const evidenceOf = this.#book.of(model)
    const breakerOf = this.#breakers.of(model)
    const nowMs = this.#modules.clock.monotonic()
    for (const sight of this.#modules.sights) {
      const known = this.#of(sight.node)
      const { candidate } = known
      candidate.promptTokensAhead = known.prompts.tokensAt(nowMs, this.#readingOf(known))
      candidate.inFlight = sight.inFlight
      candidate.connected = sight.connected
      candidate.overdue = sight.overdue
      candidate.evidence = evidenceOf(sight.id)
      candidate.breaker = breakerOf?.(sight.id)
    }
    return this.#candidates
  }

  #requestOf({ promptTokens, ttftMs, tpotMs }: Ask): RouteRequest {
    const usualAnswer = this.#lengths.of(model, this.#modules.clock.now())
    return {
      requestId,
      model,
      features: ['chat'],
      promptTokens,
      maxTokens: null,
      objective: { ttftMs, tpotMs },
      maxPrice: null,
      region: null,
      exclude: [],
      ...(usualAnswer === undefined ? {} : { usualAnswer }),
    }
  }

  #sight(node: number): Sight {
    return this.#modules.sights[node] as Sight
  }

  #of(node: number): Known {
    while (this.#known.length <= node) {
      const sight = this.#sight(this.#known.length)
      const candidate = candidateOf(sight, this.#book.evidence(sight.id, model))
      this.#nodeOf.set(sight.id, sight.node)
      this.#candidates.push(candidate)
      const own = new OwnRequests()
      const tokensPerRequest = firstTokensPerRequest
      const prompts = new PromptsAhead()
      this.#known.push({ candidate, own, prompts, said: undefined, tokensPerRequest })
    }
    return this.#known[node] as Known
  }
}

const idle = { running: 0, waiting: 0, kvTokensFree: 1_000_000, draining: false }

function candidateOf(sight: Sight, evidence: Candidate['evidence']): Writable<Candidate> {
  const { id, claim, roundTripMs } = sight
  return {
    id,
    region: 'simulated',
    offer: {
      name: model,
      digest: null,
      runtime: 'onnx/cpu',
      quantisation: 'int8',
      contextTokensMax: 1_000_000,
      features: ['chat', 'completion', 'seed', 'logprobs'],
      ...claim,
    },
    load: idle,
    inFlight: 0,
    others: undefined,
    kvTokensFree: undefined,
    promptTokensAhead: undefined,
    roundTripMs,
    roundTripSource: 'measured',
    connected: true,
    overdue: false,
    verdict: undefined,
    integerExact: false,
    hardwareClass: otherClass,
    machine: '',
    memoryBytes: undefined,
    evidence,
  }
}

function observationOf(attempt: EndedAttempt, worker: WorkerId, nowMs: number): Observation {
  const { code, isMidStream, ttftMs, tpotMs, promptTokens, tokens, inFlight } = attempt
  const phase = isMidStream ? 'mid-stream' : 'before-first-token'
  return {
    atMs: nowMs,
    worker,
    model,
    decision: decisionId,
    attempt: 0,
    outcome: code === null ? { kind: 'completed' } : { kind: 'failed', code, phase },
    blame: code === null ? 'nobody' : errorCodes[code].blame,
    ttftMs,
    tpotMs,
    promptTokens,
    completionTokens: tokens === 0 ? null : tokens,
    inFlight,
  }
}
