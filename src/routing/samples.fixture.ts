/** Candidates and requests for tests: ordinary ones, to be changed in one thing. */
import { seededRandom } from '../base/index.ts'
import { hazardOf, newcomer, type WorkerEvidence } from '../evidence/index.ts'
import {
  decisionIdOf,
  nodeIdOf,
  type OfferedModel,
  requestIdOf,
  type WorkerId,
} from '../protocol/index.ts'
import { assumedTokens, predictedTokens } from './answer-length.ts'
import type { Candidate } from './candidate.ts'
import type { DecideInput } from './decide.ts'
import { defaultPolicy } from './policy.ts'
import { type Demand, emptyPrediction } from './prediction.ts'
import type { RouteRequest } from './request.ts'
import type { Tier, TierRule } from './tier.ts'

export function sampleWorker(number: number): WorkerId {
  return nodeIdOf(seededRandom(number + 1).bytes(32))
}

export const sampleOffer: OfferedModel = {
  name: 'sample-model',
  digest: null,
  runtime: 'onnx/cpu',
  quantisation: 'float32',
  contextTokensMax: 4_096,
  decodeTokensPerSecond: 50,
  prefillTokensPerSecond: 500,
  slots: 4,
  features: ['chat', 'completion', 'seed', 'logprobs'],
  promptPrice: 10,
  completionPrice: 20,
}

export const sampleRequest: RouteRequest = {
  requestId: requestIdOf(new Uint8Array(16)),
  model: 'sample-model',
  features: ['chat'],
  promptTokens: 100,
  maxTokens: 64,
  objective: { ttftMs: null, tpotMs: null },
  maxPrice: null,
  region: null,
  exclude: [],
}

export type CandidateChange = Partial<Omit<Candidate, 'offer' | 'load'>> & {
  readonly offer?: Partial<OfferedModel> | null
  readonly load?: Partial<Candidate['load']>
}

export function sampleCandidate(number: number, change: CandidateChange = {}): Candidate {
  const { offer, load, ...rest } = change
  const { running = 0, waiting = 0 } = load ?? {}
  return {
    id: sampleWorker(number),
    region: 'eu-central',
    inFlight: 0,
    others: running + waiting,
    kvTokensFree: undefined,
    promptTokensAhead: undefined,
    roundTripMs: 20,
    roundTripSource: 'measured',
    connected: true,
    overdue: false,
    verdict: undefined,
    integerExact: true,
    hardwareClass: 'other',
    machine: '2 cores, 8 GiB, no GPU',
    memoryBytes: 8 * 1024 ** 3,
    evidence: newcomer,
    ...rest,
    offer: offer === null ? null : { ...sampleOffer, ...offer },
    load: { running: 0, waiting: 0, kvTokensFree: 10_000, draining: false, ...load },
  }
}

/** Evidence as of a worker that answered `samples` requests, of them the share `completion`. */
export function sampleEvidence(completion: number, samples: number, ttftMs = 200): WorkerEvidence {
  return {
    completion: sampleProbability(completion, samples),
    clean: sampleProbability(1, samples),
    hazard: hazardOf(0, samples * 60_000),
    latency: undefined,
    response: undefined,
    pace: undefined,
    ttft: { meanMs: ttftMs, deviationMs: ttftMs / 10, samples },
    tpot: { meanMs: 20, deviationMs: 2, samples },
    rate: sampleRate(50, samples),
  }
}

/** As of something that came out well in this share of `samples`. */
export function sampleProbability(share: number, samples: number): WorkerEvidence['completion'] {
  const mean = (1 + share * samples) / (2 + samples)
  const deviation = Math.sqrt((mean * (1 - mean)) / (3 + samples))
  return {
    mean,
    lowerBound: Math.max(0, mean - 1.645 * deviation),
    upperBound: Math.min(1, mean + 1.645 * deviation),
    samples,
  }
}

export function sampleInput(change: Partial<DecideInput> = {}): DecideInput {
  return {
    request: sampleRequest,
    candidates: [sampleCandidate(0)],
    policy: defaultPolicy,
    random: seededRandom(1),
    now: 1_700_000_000_000,
    decisionId: decisionIdOf(new Uint8Array(16)),
    keyId: null,
    ...change,
  }
}

export function sampleDemand(request: Partial<RouteRequest> = {}): Demand {
  const asked = { ...sampleRequest, ...request }
  return {
    request: asked,
    policy: defaultPolicy,
    tier: null,
    excluded: new Set(asked.exclude),
    tried: new Set(),
    continuation: null,
    avoidsOverdue: true,
    avoidsUnsound: false,
    avoidsOverstated: true,
    hasDead: true,
    hasBarred: true,
    avoidsSuspects: true,
    avoidsBroken: true,
    takesLate: false,
    hasWaiting: true,
    completionTokens: assumedTokens(asked, defaultPolicy),
    predictedTokens: predictedTokens(asked, defaultPolicy),
    prediction: emptyPrediction(),
  }
}

/** Asks for nothing, to be changed in one thing. */
export function sampleTier(change: Partial<Tier> = {}): Tier {
  return {
    name: 'sample-tier',
    models: ['sample-model'],
    digests: [],
    runtimes: [],
    quantisations: [],
    memoryBytes: 0,
    kvBytesPerToken: 0,
    rule: anyRule,
    classes: [],
    ...change,
  }
}

export const anyRule: TierRule = {
  tokensPerSecondMin: 0,
  promptPriceMax: null,
  completionPriceMax: null,
}

/** As measured in so many answers, each like the others. */
export function sampleRate(perSecond: number, samples = 100): WorkerEvidence['rate'] {
  return { median: perSecond, lower: perSecond, upper: perSecond, samples }
}
