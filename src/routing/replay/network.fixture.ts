/** A network that changes all the time, what its gateway kept of its decisions, and these again. */
import assert from 'node:assert/strict'
import { ManualClock, type Random, seededRandom } from '../../base/index.ts'
import { type BreakerState, EvidenceBook } from '../../evidence/index.ts'
import { decisionIdOf } from '../../protocol/index.ts'
import { type AttemptEnd, endAttempt, withAttempt } from '../attempts.ts'
import type { Candidate } from '../candidate.ts'
import { chooseAgain, decide } from '../decide.ts'
import type { Decision } from '../decision.ts'
import { defaultPolicy, policyOf } from '../policy.ts'
import type { RouteRequest } from '../request.ts'
import {
  anyRule,
  sampleCandidate,
  sampleRequest,
  sampleTier,
  sampleWorker,
} from '../samples.fixture.ts'
import { replayDecision } from './replay.ts'
import { piecesOf, ViewLog, type ViewReference } from './view-log.ts'
import { readView } from './view-reader.ts'

const model = 'sample-model'
const { version: _, ...values } = defaultPolicy
const verdicts = [undefined, undefined, undefined, undefined, 'suspect', 'dead'] as const
const sources = ['measured', 'predicted', 'map', 'region', 'assumed'] as const

/** A network that changes all the time, and a gateway that decides and keeps. */
class Network {
  readonly views = new Map<string, Buffer>()
  readonly texts: string[] = []
  readonly #clock = new ManualClock(1_700_000_000_000)
  readonly #book = new EvidenceBook({ clock: this.#clock })
  readonly #random: Random
  readonly #log: ViewLog
  readonly #slots = new Map<number, { slot: number; frame: unknown }>()
  #candidates: (Candidate | undefined)[] = []
  #policy = defaultPolicy

  constructor(seed: number, size: number) {
    this.#random = seededRandom(seed)
    let frames = 0
    this.#log = new ViewLog(() => `frame-${frames++}`)
    for (let i = 0; i < size; i += 1) this.#candidates[i] = this.#candidate(i)
  }

  step(): void {
    const random = this.#random
    this.#clock.advance(random.below(2_000))
    for (let i = 0; i < this.#candidates.length; i += 1) {
      // Who goes stays away: whoever comes stands behind all others.
      if (this.#candidates[i] === undefined) continue
      if (random.below(3) === 0) this.#observe(i)
      if (random.below(3) === 0) this.#candidates[i] = this.#candidate(i)
      if (random.below(40) === 0) this.#candidates[i] = undefined
    }
    if (random.below(10) === 0) this.#candidates.push(this.#candidate(this.#candidates.length))
    if (random.below(10) === 0) {
      const tier = sampleTier({
        memoryBytes: random.below(4) * 1024 ** 3,
        rule: { ...anyRule, tokensPerSecondMin: random.below(60) },
      })
      const tiers = random.below(2) === 0 ? [] : [tier]
      this.#policy = policyOf('test', { ...values, queueShareOfSlack: random.float(), tiers })
    }
    this.#decide()
  }

  #decide(): void {
    const random = this.#random
    const request = this.#request()
    const base = { policy: this.#policy, random, now: this.#clock.now() }
    const decisionId = decisionIdOf(random.bytes(16))
    let decision = decide({ ...base, ...this.#present(request), request, decisionId, keyId: 'k' })
    for (let again = random.below(3); again > 0 && decision.chosen !== null; again -= 1) {
      const worker = decision.chosen
      const at = decision.attempts.length
      decision = withAttempt(decision, { worker, startedAtMs: this.#clock.now() })
      this.#clock.advance(random.below(300))
      const endedAtMs = this.#clock.now()
      const failed: AttemptEnd = { endedAtMs, outcome: 'failed', code: 'node_failed' }
      const cancelled: AttemptEnd = { endedAtMs, outcome: 'cancelled' }
      const present = { ...base, now: endedAtMs, ...this.#present(request) }
      // After a failure, beside one that runs, or away from one that does well.
      const way = random.below(3)
      if (way === 0) decision = endAttempt(decision, failed)
      if (way === 2) decision = endAttempt(decision, cancelled)
      decision = chooseAgain(decision, way === 2 ? { ...present, leaving: worker } : present)
      if (way === 1) decision = endAttempt(decision, cancelled, at)
    }
    for (const { frame, at, bytes } of piecesOf(decision.rounds)) {
      const before = this.views.get(frame) ?? Buffer.alloc(0)
      assert.equal(before.length, at)
      this.views.set(frame, Buffer.concat([before, bytes]))
    }
    this.texts.push(JSON.stringify(decision))
  }

  #present({ objective }: RouteRequest) {
    const frame = this.#log.begin()
    const candidates: Candidate[] = []
    const evidenceOf = this.#book.of(model)
    for (const [i, candidate] of this.#candidates.entries()) {
      const known = this.#slots.get(i)
      if (candidate === undefined) {
        if (known !== undefined && known.frame === frame) frame.remove(known.slot)
        this.#slots.delete(i)
        continue
      }
      let slot = known?.slot ?? 0
      if (known?.frame !== frame) {
        slot = frame.place()
        this.#slots.set(i, { slot, frame })
      }
      const seen = { ...candidate, evidence: evidenceOf(candidate.id) }
      frame.set(slot, seen)
      candidates.push(seen)
    }
    const withTimes = objective.ttftMs !== null || objective.tpotMs !== null
    return { candidates, view: frame.mark({ policy: this.#policy, software: '1' }, withTimes) }
  }

  #candidate(number: number): Candidate {
    const random = this.#random
    const one = <T>(of: readonly T[]): T => of[random.below(of.length)] as T
    const price = random.below(40)
    return sampleCandidate(number, {
      region: one(['eu', 'us', '']),
      offer: random.below(8) === 0 ? null : { promptPrice: price, completionPrice: price },
      load: {
        running: random.below(12),
        waiting: random.below(3),
        draining: random.below(9) === 0,
      },
      inFlight: random.below(4),
      others: one([undefined, random.float() * 9]),
      kvTokensFree: one([undefined, random.below(4_000)]),
      promptTokensAhead: one([undefined, random.float() * 3_000]),
      roundTripMs: one([undefined, random.float() * 200]),
      roundTripSource: one(sources),
      connected: random.below(9) !== 0,
      overdue: random.below(9) === 0,
      verdict: one(verdicts),
      hardwareClass: one(['fast', 'other']),
      machine: one(['', '2 cores, 8 GiB, no GPU']),
      memoryBytes: one([undefined, 2 * 1024 ** 3, 8 * 1024 ** 3]),
      ...(random.below(9) === 0 ? { standing: one([standing, onProbation]) } : {}),
      breaker:
        random.below(9) === 0 ? this.#breaker(one(['open', 'half-open', 'waiting'])) : undefined,
    })
  }

  #breaker(state: BreakerState) {
    const takes = state === 'half-open' && this.#random.below(2) === 0
    return { state, takes, words: `it is ${state}`, leftMs: this.#random.below(5_000) }
  }

  #request(): RouteRequest {
    const random = this.#random
    const limit = (most: number) => (random.below(3) === 0 ? 1 + random.below(most) : null)
    return {
      ...sampleRequest,
      promptTokens: random.below(3_000),
      maxTokens: limit(2_000),
      objective: { ttftMs: limit(20_000), tpotMs: limit(300) },
      maxPrice: random.below(6) === 0 ? random.below(40) : null,
      region: random.below(6) === 0 ? 'eu' : null,
      exclude: random.below(6) === 0 ? [sampleWorker(0)] : [],
      ...(random.below(2) === 0 ? {} : { usualAnswer: this.#usualAnswer() }),
    }
  }

  #usualAnswer(): NonNullable<RouteRequest['usualAnswer']> {
    const random = this.#random
    return { tokens: 1 + random.below(600), samples: random.below(40) }
  }

  #observe(number: number): void {
    const random = this.#random
    const failed = random.below(6) === 0
    this.#book.observe({
      atMs: this.#clock.now(),
      worker: sampleWorker(number),
      model,
      decision: decisionIdOf(new Uint8Array(16)),
      attempt: 0,
      outcome: failed
        ? { kind: 'failed', code: 'node_failed', phase: 'mid-stream' }
        : { kind: 'completed' },
      blame: failed ? 'node' : 'nobody',
      ttftMs: failed ? null : random.float() * 2_000,
      tpotMs: failed ? null : random.float() * 100,
      promptTokens: random.below(2) === 0 ? null : random.below(3_000),
      completionTokens: 9,
      inFlight: 0,
      load: random.float() * 2,
    })
  }
}

const standing = {
  state: 'quarantined',
  incident: 'inc_aaaaaaaaaaaaaaaaaaaaaaaaaa',
  words: 'quarantined by an incident',
} as const

const onProbation = { ...standing, state: 'probation', takes: true } as const

export function made(seed: number, size: number, steps: number): Network {
  const network = new Network(seed, size)
  for (let i = 0; i < steps; i += 1) network.step()
  return network
}

export function replayed(decision: Decision, views: ReadonlyMap<string, Uint8Array>) {
  const viewOf = (reference: ViewReference) =>
    readView(views.get(reference.frame) ?? new Uint8Array(), reference)
  return replayDecision(decision, viewOf)
}
