/**
 * Decisions read back from a disk or a wire: checked in every field before they are decisions
 * again.
 */
import { faultPhrase, json, pointerOf, Validator } from '../base/index.ts'
import { errorCodes, IsochroneError, modelFeatures } from '../protocol/index.ts'
import { roundTripSources } from './candidate.ts'
import {
  attemptCauses,
  type Decision,
  decidingFactors,
  moveReasons,
  type Rejection,
} from './decision.ts'
import { type DecisionFields, keptDecision } from './decision-record.ts'

/** Longer texts in a decision are not ours. */
const textLengthMax = 4_096
const rejectionsLengthMax = 100_000
const rankingsLengthMax = 1_000
const attemptsLengthMax = 1_000
const warmLengthMax = 100
const namesLengthMax = 100_000
/** A decision draws seven numbers at most. */
const drawsLengthMax = 64

const text = json.string({ maxLength: textLengthMax })
const number = json.number()
const count = json.integer({ minimum: 0 })
const { nullable } = json
const oneOf = json.enum
const outcomes = ['running', 'completed', 'failed', 'abandoned', 'cancelled']

const requestSchema = json.object({
  requestId: text,
  model: text,
  features: json.array(oneOf(modelFeatures), { maxItems: 64 }),
  promptTokens: number,
  maxTokens: nullable(number),
  objective: json.object({ ttftMs: nullable(number), tpotMs: nullable(number) }),
  maxPrice: nullable(number),
  region: nullable(text),
  exclude: json.array(text, { maxItems: namesLengthMax }),
  warm: json.optional(
    json.array(json.object({ worker: text, promptTokens: number }), { maxItems: warmLengthMax }),
  ),
  usualAnswer: json.optional(json.object({ tokens: number, samples: number })),
})

const rejectionSchema = json.object({ worker: text, gate: text, required: text, actual: text })

const rankingSchema = json.object({
  worker: text,
  rank: count,
  reliability: number,
  reliabilityAtBest: number,
  completionMean: number,
  completionLowerBound: number,
  completionUpperBound: number,
  completionSamples: number,
  clean: number,
  availability: number,
  timely: number,
  indistinguishable: json.boolean(),
  alike: json.boolean(),
  predictedTtftMs: number,
  predictedTtftHighMs: number,
  predictedQueueMs: number,
  predictedTotalMs: number,
  predictedFrom: oneOf(['observed', 'claimed', 'assumed']),
  paceSeen: json.optional(json.boolean()),
  price: number,
  load: number,
  roundTripMs: nullable(number),
  roundTripSource: oneOf(roundTripSources),
})

const spliceSchema = json.object({
  tokens: count,
  pauseMs: nullable(number),
  reason: json.optional(oneOf(moveReasons)),
})

const attemptSchema = json.object({
  worker: text,
  startedAtMs: number,
  endedAtMs: nullable(number),
  ttftMs: nullable(number),
  outcome: oneOf(outcomes),
  code: nullable(oneOf(Object.keys(errorCodes))),
  cause: oneOf(attemptCauses),
  splice: json.optional(spliceSchema),
})

const rankingsSchema = json.array(rankingSchema, { maxItems: rankingsLengthMax })

const firstSchema = json.object({
  // Within what `Date` can show.
  atMs: json.number({ minimum: 0, maximum: 8.64e15 }),
  candidates: count,
  eligible: count,
  indistinguishable: count,
  alike: count,
  rankings: rankingsSchema,
  chosen: nullable(text),
  comparedWith: nullable(text),
  decidedBy: nullable(oneOf(decidingFactors)),
  reason: text,
})

const roundSchema = json.object({
  atMs: json.number({ minimum: 0, maximum: 8.64e15 }),
  view: nullable(
    json.object({
      frame: text,
      change: count,
      hash: json.string({ pattern: '^[0-9a-f]{64}$' }),
    }),
  ),
  draws: json.array(number, { maxItems: drawsLengthMax }),
  tried: json.array(text, { maxItems: attemptsLengthMax }),
  continuation: nullable(
    json.object({ digest: text, tokens: count, contextTokensMax: nullable(number) }),
  ),
})

/** The JSON form of a decision. */
export const decisionSchema = json.object({
  id: json.string({ pattern: '^dec_[a-z2-7]{26}$' }),
  requestId: text,
  keyId: nullable(text),
  // Within what `Date` can show.
  atMs: json.number({ minimum: 0, maximum: 8.64e15 }),
  policyVersion: text,
  tier: nullable(text),
  model: text,
  request: requestSchema,
  completionTokens: number,
  predictedTokens: number,
  candidates: count,
  eligible: count,
  indistinguishable: count,
  alike: count,
  gateCounts: json.record(count),
  rejections: json.array(rejectionSchema, { maxItems: rejectionsLengthMax }),
  rankings: rankingsSchema,
  outcome: oneOf(['chosen', 'busy', 'none']),
  chosen: nullable(text),
  comparedWith: nullable(text),
  decidedBy: nullable(oneOf(decidingFactors)),
  reason: text,
  retryAfterMs: nullable(number),
  attempts: json.array(attemptSchema, { maxItems: attemptsLengthMax }),
  first: nullable(firstSchema),
  rounds: json.array(roundSchema, { maxItems: attemptsLengthMax }),
})

const validator = new Validator(decisionSchema)

/**
 * The decision that `json` says. Throws `storage_failed`, naming the field, where it is damaged.
 * @param json text, or what was parsed from it
 */
export function reviveDecision(json: unknown): Decision {
  const parsed = typeof json === 'string' ? parse(json) : json
  const value = withLength(withRounds(withTier(withFactors(upToDate(parsed)))))
  if (!validator.fits(value)) {
    const where = validator.faults(value).map((fault) => pointerOf(fault.path) || '/')
    const what = validator.faults(value).map(faultPhrase)
    throw damaged(`${where[0]} ${what[0]}`)
  }
  const { rejections, reason, ...fields } = value
  return keptDecision(
    fields as unknown as DecisionFields,
    rejections as unknown as readonly Rejection[],
    reason,
  )
}

/**
 * What the first version did not keep: nobody's key, so that only an operator reads it; and
 * whoever was compared with the chosen one is all that is known of who took turns.
 */
function upToDate(value: unknown): unknown {
  if (!isObject(value) || 'keyId' in value || !isObject(value['request'])) return value
  const { maxTokens } = value['request']
  const { chosen, comparedWith, decidedBy, rankings } = value
  const drew = decidedBy === 'load' || decidedBy === 'price' || decidedBy === 'chance'
  const turns = drew ? [chosen, comparedWith] : chosen === null ? [] : [chosen]
  const completed = (one: unknown) =>
    isObject(one) ? { ...one, alike: turns.includes(one['worker']) } : one
  return {
    ...value,
    keyId: null,
    completionTokens: Math.min(typeof maxTokens === 'number' ? maxTokens : 256, 256),
    alike: turns.length,
    rankings: Array.isArray(rankings) ? rankings.map(completed) : rankings,
    first: null,
  }
}

/** Policies had no tiers before decisions named theirs. */
function withTier(value: unknown): unknown {
  return isObject(value) && !('tier' in value) ? { ...value, tier: null } : value
}

/**
 * What earlier versions did not keep of a ranking. Before round trips named their source they were
 * all measured; before reliability had more factors it was completion, in time.
 */
function withFactors(value: unknown): unknown {
  if (!isObject(value)) return value
  const { first, rankings } = value
  if (!Array.isArray(rankings) || !rankings.some(lacksFactors)) return value
  const isRankedFirst = isObject(first) && Array.isArray(first['rankings'])
  return {
    ...value,
    rankings: rankings.map(completed),
    first: isRankedFirst
      ? { ...first, rankings: (first['rankings'] as unknown[]).map(completed) }
      : first,
  }
}

/** Before lengths were learnt, times went by what was assumed. */
function withLength(value: unknown): unknown {
  if (!isObject(value) || 'predictedTokens' in value) return value
  return { ...value, predictedTokens: value['completionTokens'] }
}

/** Earlier versions kept nothing to make a decision again from. */
function withRounds(value: unknown): unknown {
  return !isObject(value) || 'rounds' in value ? value : { ...value, rounds: [] }
}

function completed(ranking: unknown): unknown {
  if (!lacksFactors(ranking)) return ranking
  const { completionUpperBound, predictedTtftMs, roundTripMs, timely } = ranking
  return {
    roundTripSource: roundTripMs === null ? 'assumed' : 'measured',
    reliabilityAtBest: Number(completionUpperBound) * Number(timely),
    clean: 1,
    availability: 1,
    // Once it was not kept: as of a worker that nobody has seen.
    predictedTtftHighMs: Number(predictedTtftMs) * 2,
    ...ranking,
  }
}

const factorsAdded = ['availability', 'roundTripSource', 'predictedTtftHighMs']

function lacksFactors(ranking: unknown): ranking is Readonly<Record<string, unknown>> {
  return isObject(ranking) && factorsAdded.some((name) => !(name in ranking))
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null
}

function parse(json: string): unknown {
  try {
    return JSON.parse(json)
  } catch (cause) {
    throw damaged('it is not valid JSON', cause)
  }
}

function damaged(what: string, cause?: unknown): IsochroneError {
  return new IsochroneError(
    'storage_failed',
    `A kept decision is damaged (${what}). It cannot be shown; later ones are not affected.`,
    { cause },
  )
}
