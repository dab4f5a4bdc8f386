/**
 * Decisions read back from a disk or a wire: checked in every field before they are decisions
 * again.
 */
import Type, { type TSchema } from 'typebox'
import { Compile } from 'typebox/compile'
import { errorCodes, IsochroneError, modelFeatures } from '../protocol/index.ts'
import { type Decision, decidingFactors, type Rejection } from './decision.ts'
import { type DecisionFields, keptDecision } from './decision-record.ts'

/** Longer texts in a decision are not ours. */
const textLengthMax = 4_096
const rejectionsLengthMax = 100_000
const rankingsLengthMax = 1_000
const attemptsLengthMax = 1_000
const namesLengthMax = 100_000

const text = Type.String({ maxLength: textLengthMax })
const number = Type.Number()
const count = Type.Integer({ minimum: 0 })
const orNull = (schema: TSchema) => Type.Union([schema, Type.Null()])
const oneOf = (values: readonly string[]) => Type.Union(values.map((value) => Type.Literal(value)))
const outcomes = ['running', 'completed', 'failed', 'abandoned']

const requestSchema = Type.Object({
  requestId: text,
  model: text,
  features: Type.Array(oneOf(modelFeatures), { maxItems: 64 }),
  promptTokens: number,
  maxTokens: orNull(number),
  objective: Type.Object({ ttftMs: orNull(number), tpotMs: orNull(number) }),
  maxPrice: orNull(number),
  region: orNull(text),
  exclude: Type.Array(text, { maxItems: namesLengthMax }),
})

const rejectionSchema = Type.Object({ worker: text, gate: text, required: text, actual: text })

const rankingSchema = Type.Object({
  worker: text,
  rank: count,
  reliability: number,
  completionMean: number,
  completionLowerBound: number,
  completionUpperBound: number,
  completionSamples: number,
  timely: number,
  indistinguishable: Type.Boolean(),
  alike: Type.Boolean(),
  predictedTtftMs: number,
  predictedQueueMs: number,
  predictedTotalMs: number,
  predictedFrom: oneOf(['observed', 'claimed', 'assumed']),
  price: number,
  load: number,
  roundTripMs: orNull(number),
})

const attemptSchema = Type.Object({
  worker: text,
  startedAtMs: number,
  endedAtMs: orNull(number),
  ttftMs: orNull(number),
  outcome: oneOf(outcomes),
  code: orNull(oneOf(Object.keys(errorCodes))),
  cause: oneOf(['picked', 'retry']),
})

const rankingsSchema = Type.Array(rankingSchema, { maxItems: rankingsLengthMax })

const firstSchema = Type.Object({
  // Within what `Date` can show.
  atMs: Type.Number({ minimum: 0, maximum: 8.64e15 }),
  candidates: count,
  eligible: count,
  indistinguishable: count,
  alike: count,
  rankings: rankingsSchema,
  chosen: orNull(text),
  comparedWith: orNull(text),
  decidedBy: orNull(oneOf(decidingFactors)),
  reason: text,
})

/** The JSON form of a decision. */
export const decisionSchema = Type.Object({
  id: Type.String({ pattern: '^dec_[a-z2-7]{26}$' }),
  requestId: text,
  keyId: orNull(text),
  // Within what `Date` can show.
  atMs: Type.Number({ minimum: 0, maximum: 8.64e15 }),
  policyVersion: text,
  model: text,
  request: requestSchema,
  completionTokens: number,
  candidates: count,
  eligible: count,
  indistinguishable: count,
  alike: count,
  gateCounts: Type.Record(Type.String({ maxLength: textLengthMax }), count),
  rejections: Type.Array(rejectionSchema, { maxItems: rejectionsLengthMax }),
  rankings: rankingsSchema,
  outcome: oneOf(['chosen', 'busy', 'none']),
  chosen: orNull(text),
  comparedWith: orNull(text),
  decidedBy: orNull(oneOf(decidingFactors)),
  reason: text,
  retryAfterMs: orNull(number),
  attempts: Type.Array(attemptSchema, { maxItems: attemptsLengthMax }),
  first: orNull(firstSchema),
})

const validator = Compile(decisionSchema)

/**
 * The decision that `json` says. Throws `storage_failed`, naming the field, where it is damaged.
 * @param json text, or what was parsed from it
 */
export function reviveDecision(json: unknown): Decision {
  const value = upToDate(typeof json === 'string' ? parse(json) : json)
  if (!validator.Check(value)) {
    const [first] = validator.Errors(value)
    throw damaged(`${first?.instancePath || '/'} ${first?.message}`)
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
