/** The schemas of `/v1/accounts`. */
import { json } from '../../base/index.ts'

const text = json.string()
const count = json.integer({ minimum: 0 })
const time = json.number({ description: 'ms since 1970.' })
const amount = json.integer({ minimum: 0, description: 'Nano-dollars.' })
const { nullable } = json

const accountFields = {
  object: json.literal('account'),
  worker: text,
  is_held: json.boolean(),
  owed_nano_dollars: amount,
  held_nano_dollars: amount,
  answers: count,
  voids: json.integer({ minimum: 0, description: 'Answers whose bill was false.' }),
  prompt_tokens: count,
  completion_tokens: count,
  first_at_ms: time,
  last_at_ms: time,
}

const price = json.number({ description: 'Micro-dollars per million tokens.' })

const entry = json.object({
  decision: text,
  attempt: count,
  at_ms: time,
  model: text,
  tier: nullable(text),
  hardware_class: text,
  policy_version: text,
  prompt_price: price,
  completion_price: price,
  prompt_tokens: count,
  completion_tokens: count,
  billed: nullable(
    json.object(
      { prompt_tokens: count, completion_tokens: count },
      { description: 'As the node signed it; null: the answer did not come to its end there.' },
    ),
  ),
  amount_nano_dollars: amount,
  state: json.enum(['owed', 'held', 'void']),
})

export const accountView = json.object(accountFields)

export const accountAnswer = json.object(
  { ...accountFields, entries: json.array(entry) },
  {
    description:
      'What one node has earned here, with the newest of its entries. It is held while the node ' +
      'is quarantined, or works that off.',
  },
)

export const accountList = json.object({
  object: json.literal('list'),
  data: json.array(accountView),
})
