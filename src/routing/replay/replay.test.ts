/** Decisions made again from what was kept of them: the same ones, or the difference is told. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { ManualClock, type Random, seededRandom } from '../../base/index.ts'
import { type BreakerState, EvidenceBook } from '../../evidence/index.ts'
import { decisionIdOf, hasCode } from '../../protocol/index.ts'
import { type AttemptEnd, endAttempt, withAttempt } from '../attempts.ts'
import type { Candidate } from '../candidate.ts'
import { chooseAgain, decide } from '../decide.ts'
import type { Decision } from '../decision.ts'
import { defaultPolicy, policyOf } from '../policy.ts'
import type { RouteRequest } from '../request.ts'
import { reviveDecision } from '../revive.ts'
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
      ...(random.below(2) === 0 ? {} : { usualAnswer: { tokens: 9, samples: random.below(40) } }),
    }
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

function made(seed: number, size: number, steps: number): Network {
  const network = new Network(seed, size)
  for (let i = 0; i < steps; i += 1) network.step()
  return network
}

function replayed(decision: Decision, views: ReadonlyMap<string, Uint8Array>) {
  const viewOf = (reference: ViewReference) =>
    readView(views.get(reference.frame) ?? new Uint8Array(), reference)
  return replayDecision(decision, viewOf)
}

test('every decision of a network that changes is made again as it was', () => {
  const seen = { decisions: 0, drawn: 0, again: 0, timely: 0, outcomes: new Set<string>() }
  let frames = 0
  fc.assert(
    fc.property(fc.integer(), fc.integer({ min: 1, max: 30 }), (seed, size) => {
      const { texts, views } = made(seed, size, 45)
      frames = Math.max(frames, views.size)
      for (const text of texts) {
        const decision = reviveDecision(text)
        const replay = replayed(decision, views)
        assert.deepEqual(replay?.differences, [])
        assert.equal(replay.agrees, true)
        assert.equal(replay.candidates, decision.first?.candidates ?? decision.candidates)
        seen.decisions += 1
        if (decision.rounds.some(({ draws }) => draws.length > 0)) seen.drawn += 1
        if (decision.rounds.length > 1) seen.again += 1
        if (decision.rankings.some(({ timely }) => timely < 1)) seen.timely += 1
        seen.outcomes.add(decision.outcome)
      }
    }),
    { numRuns: 12 },
  )
  // The property is about all of these.
  assert.ok(seen.drawn > seen.decisions / 10, `${seen.drawn} of ${seen.decisions} drew`)
  assert.ok(seen.again > seen.decisions / 10 && seen.timely > seen.decisions / 10)
  assert.equal(seen.outcomes.size, 3)
  assert.ok(frames > 1, 'a frame was full')
})

test('any changed byte of what was kept of the nodes is found', () => {
  const { texts, views } = made(7, 5, 12)
  const decision = reviveDecision(texts.at(-1))
  const [round] = decision.rounds
  assert.ok(round?.view)
  const bytes = views.get(round.view.frame)
  assert.ok(bytes)
  fc.assert(
    fc.property(fc.nat({ max: bytes.length - 1 }), fc.integer({ min: 1, max: 255 }), (at, by) => {
      const changed = Buffer.from(bytes)
      changed[at] = (changed[at] ?? 0) ^ by
      const other = new Map(views).set(round.view?.frame ?? '', changed)
      assert.throws(
        () => replayed(decision, other),
        (error) => hasCode(error, 'storage_failed'),
      )
    }),
    { numRuns: 300 },
  )
  const cut = new Map(views).set(round.view.frame, bytes.subarray(0, -1))
  assert.throws(
    () => replayed(decision, cut),
    (error) => hasCode(error, 'storage_failed'),
  )
})

test('a record that says something else is not made again so, and where is told', () => {
  const { texts, views } = made(3, 25, 30)
  let found = 0
  for (const text of texts) {
    const decision = reviveDecision(text)
    if (decision.rankings.length < 2) continue
    const [first] = decision.rankings
    const changes: readonly [string, object][] = [
      ['/rankings/0/reliability', { rankings: [{ ...first, reliability: 0.123 }] }],
      ['/chosen', { chosen: sampleWorker(99) }],
      ['/gateCounts/model', { gateCounts: { ...decision.gateCounts, model: 1_000 } }],
      ['/reason', { reason: 'It was the prettiest.' }],
      ['/policyVersion', { policyVersion: 'another' }],
    ]
    for (const [where, change] of changes) {
      const other = reviveDecision({ ...JSON.parse(text), ...change })
      const replay = replayed(other, views)
      assert.equal(replay?.agrees, false)
      const places = replay.differences.map((one) => one.where)
      assert.ok(places.includes(where), `${where} in ${places}`)
    }
    found += 1
  }
  assert.ok(found > 5)
})

test('attempts at whom nobody chose, and others passed over, are told', () => {
  const { texts, views } = made(3, 25, 30)
  let found = 0
  for (const text of texts) {
    const value = JSON.parse(text)
    const { attempts, rounds } = value
    const other = sampleWorker(99)
    const [first] = attempts
    const placesOf = (change: object) => {
      const replay = replayed(reviveDecision({ ...value, ...change }), views)
      assert.equal(replay?.agrees, false)
      return replay.differences.map(({ where }) => where)
    }
    const sent = { worker: other, startedAtMs: 1, endedAtMs: 2, ttftMs: null }
    const attempt = { ...sent, outcome: 'failed', code: 'node_failed', cause: 'retry' }
    const added = placesOf({ attempts: [...attempts, attempt] })
    assert.deepEqual(added, [`/attempts/${attempts.length}/worker`])
    if (first === undefined) continue
    const swapped = placesOf({ attempts: [{ ...first, worker: other }, ...attempts.slice(1)] })
    assert.ok(swapped.includes('/attempts/0/worker'), `${swapped}`)
    const [before, after] = rounds
    if (after === undefined) continue
    const passed = { ...after, tried: [...after.tried, other] }
    const places = placesOf({ rounds: [before, passed, ...rounds.slice(2)] })
    assert.ok(places.includes(`/rounds/1/tried/${after.tried.length}`), `${places}`)
    found += 1
  }
  assert.ok(found > 5)
})

test('other values under the name of a policy are told', () => {
  const policy = { ...defaultPolicy, explorationShare: 0.9 }
  const candidates = [0, 1].map((number) => sampleCandidate(number))
  const frame = new ViewLog(() => 'frame').begin()
  for (const candidate of candidates) frame.set(frame.place(), candidate)
  const view = frame.mark({ policy, software: '1' }, false)
  const random = seededRandom(1)
  const about = { decisionId: decisionIdOf(random.bytes(16)), keyId: 'k', now: 1 }
  const decision = decide({ ...about, candidates, policy, random, request: sampleRequest, view })
  const bytes = Buffer.from(view.piece()?.bytes ?? [])
  const replay = replayed(reviveDecision(JSON.stringify(decision)), new Map([['frame', bytes]]))
  assert.equal(replay?.agrees, false)
  assert.deepEqual(
    replay.differences.map(({ where, kept }) => [where, kept]),
    [['/rounds/0/view/policy', defaultPolicy.version]],
  )
})

test('other draws are told, whether or not they lead elsewhere', () => {
  const { texts, views } = made(5, 8, 60)
  const drawn = texts
    .map((text) => reviveDecision(text))
    .filter(({ rounds }) => rounds[0]?.draws[0])
  assert.ok(drawn.length > 0)
  for (const decision of drawn) {
    const rounds = decision.rounds.map((round) => ({ ...round, draws: [] }))
    const other = reviveDecision({ ...JSON.parse(JSON.stringify(decision)), rounds })
    assert.equal(replayed(other, views)?.agrees, false)
  }
})

test('a decision from before lengths were learnt is made again by what it assumed', () => {
  const { texts, views } = made(3, 25, 30)
  let found = 0
  for (const text of texts) {
    const { predictedTokens, ...earlier } = JSON.parse(text)
    if (earlier.request.usualAnswer !== undefined) continue
    assert.equal(predictedTokens, earlier.completionTokens)
    assert.deepEqual(replayed(reviveDecision(earlier), views)?.differences, [])
    found += 1
  }
  assert.ok(found > 5)
})

test('a decision of an earlier version rests on no view, and is not made again', () => {
  const [text = ''] = made(1, 3, 1).texts
  const { rounds: __, ...earlier } = JSON.parse(text)
  assert.equal(replayed(reviveDecision(earlier), new Map()), undefined)
})
