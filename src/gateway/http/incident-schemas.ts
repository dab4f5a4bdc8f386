/** The schemas of `/v1/incidents`. */
import { json } from '../../base/index.ts'
import { incidentStates, operatorDecisions } from '../../evidence/index.ts'
import { accountView } from './account-schemas.ts'

const text = json.string()
const time = json.number({ description: 'ms since 1970.' })
const free = json.object({}, { additionalProperties: true })
const { nullable } = json
/** Enough to say why; a longer story has a place of its own. */
const wordsLengthMax = 4_000

const ruling = json.object({
  decision: json.enum(operatorDecisions),
  reason: text,
  appeal: nullable(text),
  by: text,
})

const incidentFields = {
  id: text,
  object: json.literal('incident'),
  class: json.enum(['degraded', 'severe']),
  subject: json.union([
    json.object({ kind: json.literal('worker'), worker: text, model: json.optional(text) }),
    json.object({ kind: json.literal('shared'), trait: text, value: text }),
  ]),
  cause: text,
  cause_in_words: text,
  state: json.enum(incidentStates),
  opened_at_ms: time,
  closed_at_ms: nullable(time),
  shut_until_ms: nullable(
    json.number({
      description:
        'ms since 1970. Of a quarantine: from when on the node may prove itself; null: only an ' +
        'operator ends it.',
    }),
  ),
  recurrences: json.integer({ minimum: 0 }),
  because: nullable(text),
  rulings: json.array(ruling),
}

export const incidentAnswer = json.object(
  {
    ...incidentFields,
    account: nullable(accountView),
    evidence: nullable(free),
    steps: nullable(json.array(json.object({ json: text, signature: text }))),
  },
  {
    description:
      'An incident: what was found, what followed from it, and what was decided. Each step is ' +
      'signed by the gateway over `isochrone.v1.incident-step`, a zero byte, and its text. ' +
      'Evidence, steps and what its node has earned are for operators; null for others.',
  },
)

export const incidentList = json.object({
  object: json.literal('list'),
  data: json.array(json.object(incidentFields)),
})

export const rulingBody = json.object({
  decision: json.enum(operatorDecisions),
  reason: json.string({ minLength: 1, maxLength: wordsLengthMax }),
  appeal: json.optional(
    nullable(
      json.string({
        maxLength: wordsLengthMax,
        description: 'What the owner of the worker had to say.',
      }),
    ),
  ),
})

export interface RulingBody {
  readonly decision: (typeof operatorDecisions)[number]
  readonly reason: string
  readonly appeal?: string | null
}
