/** The headers of answers, for the OpenAPI document and the reference made from it. */

/** Of every answer; of a model’s; where requests are counted; with refusals. */
type Where =
  | 'every'
  | 'model'
  | 'counted'
  | 'refused'
  | 'unavailable'
  | 'unknown-key'
  | 'wrong-method'

export interface AnswerHeader {
  readonly name: string
  readonly meaning: string
  readonly where: Where
}

function of(where: Where, headers: Readonly<Record<string, string>>): readonly AnswerHeader[] {
  return Object.entries(headers).map(([name, meaning]) => ({ name, meaning, where }))
}

export const answerHeaders: readonly AnswerHeader[] = [
  ...of('every', { 'x-request-id': 'the caller’s own, or one made by the gateway' }),
  ...of('model', {
    'x-isochrone-decision':
      'the id of the decision, also where it found no node: `GET /v1/decisions/ID` says why',
    'x-isochrone-worker': 'the node or upstream that answered',
    'x-isochrone-seed': 'the seed that sampling used; the same one gives the same text',
    'openai-processing-ms': 'time until the answer began',
  }),
  ...of('refused', {
    'retry-after': 'with 429, and with 503 where waiting can help: seconds to wait',
    'retry-after-ms': 'the same in milliseconds, as OpenAI’s clients read it',
  }),
  ...of('unavailable', {
    'x-should-retry': '`false` with a 503 that only another request or another node can mend',
  }),
  ...of('unknown-key', { 'www-authenticate': 'with 401: `Bearer`, the way to send a key' }),
  ...of('wrong-method', { allow: 'with 405: the methods that the address has' }),
  ...of('counted', {
    'x-ratelimit-limit-requests': 'requests that the key may send per minute',
    'x-ratelimit-remaining-requests': 'how many of them are left',
    'x-ratelimit-reset-requests': 'when all of them are there again',
    'x-ratelimit-limit-tokens': 'tokens that the key may use per minute',
    'x-ratelimit-remaining-tokens': 'how many of them are left',
    'x-ratelimit-reset-tokens': 'when all of them are there again',
  }),
]

export interface Answered {
  readonly status: number
  readonly isOfModel: boolean
  readonly isCounted: boolean
}

export function headersOf(answer: Answered): readonly AnswerHeader[] {
  return answerHeaders.filter(({ where }) => isOn(where, answer))
}

function isOn(where: Where, { isCounted, isOfModel, status }: Answered): boolean {
  switch (where) {
    case 'every':
      return true
    case 'model':
      return isOfModel && status === 200
    case 'counted':
      return isCounted
    case 'refused':
      return status === 429 || status === 503
    case 'unavailable':
      return status === 503
    case 'unknown-key':
      return status === 401
    case 'wrong-method':
      return status === 405
  }
}
