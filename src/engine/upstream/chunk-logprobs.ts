/**
 * OpenAI's two layouts of log-probabilities, both to this project's one. Entries of another form
 * are left out.
 */
import type { JsonObject, JsonValue, TokenLogprob, TokenLogprobs } from '../../protocol/index.ts'
import { arrayField, isObject } from './json-value.ts'

/** Chat: `content: [{token, logprob, bytes, top_logprobs: [{…}]}]`. */
export function chatLogprobs(content: readonly JsonValue[]): TokenLogprobs[] {
  return content.flatMap((entry) => {
    if (!isObject(entry)) return []
    const token = tokenLogprob(entry)
    if (token === null) return []
    const top = arrayField(entry, 'top_logprobs').flatMap((other) =>
      isObject(other) ? (tokenLogprob(other) ?? []) : [],
    )
    return [{ ...token, top }]
  })
}

/** Completions: parallel lists `tokens`, `token_logprobs`, `top_logprobs: [{token: logprob}]`. */
export function completionLogprobs(logprobs: JsonObject): TokenLogprobs[] {
  const scores = arrayField(logprobs, 'token_logprobs')
  const tops = arrayField(logprobs, 'top_logprobs')
  return arrayField(logprobs, 'tokens').flatMap((token, at) => {
    if (typeof token !== 'string') return []
    const score = scores[at]
    const others = tops[at]
    const top = Object.entries(isObject(others) ? others : {}).flatMap(([other, value]) =>
      typeof value === 'number' ? [entryOf(other, value)] : [],
    )
    // The first token of an echoed prompt has no probability.
    return [{ ...entryOf(token, typeof score === 'number' ? score : 0), top }]
  })
}

function tokenLogprob(entry: JsonObject): TokenLogprob | null {
  const { token, logprob, bytes } = entry
  if (typeof token !== 'string' || typeof logprob !== 'number') return null
  if (!Array.isArray(bytes)) return entryOf(token, logprob)
  return { token, logprob, bytes: bytes.filter((byte): byte is number => isByte(byte)) }
}

function entryOf(token: string, logprob: number): TokenLogprob {
  return { token, logprob, bytes: [...Buffer.from(token)] }
}

function isByte(value: unknown): boolean {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 255
}
