/**
 * What an OpenAI-compatible server says when it refuses or fails, as this project's error codes.
 */
import { type ErrorCode, type ErrorDetail, IsochroneError } from '../../protocol/index.ts'
import { isObject, numberField, parseJson, stringField } from './json-value.ts'

const messageLengthMax = 500
/** Nobody means longer; a client would wait for nothing. */
const retryAfterMaxSeconds = 3600
const contextPattern = /context[ _](length|size|window)|maximum context|exceed_context_size/i

export interface Refusal {
  readonly status: number
  readonly body: string
  readonly retryAfter: string | null
  /** When it came, ms since 1970. */
  readonly nowMs: number
  /** For a person: which server it was. */
  readonly server: string
}

/** A response whose status is not 200. */
export function errorFromResponse(refusal: Refusal): IsochroneError {
  const payload = parseJson(refusal.body)
  const said = messageOf(payload) ?? plainTextOf(refusal.body)
  return errorOf(refusal, said, payload)
}

/** An error object in the middle of a stream. */
export function errorFromPayload(payload: unknown, server: string): IsochroneError {
  const error = isObject(payload) && isObject(payload['error']) ? payload['error'] : {}
  const status = numberField(error, 'code') || 500
  const said = messageOf(payload) ?? 'no reason given'
  return errorOf({ status, body: '', retryAfter: null, nowMs: 0, server }, said, payload)
}

/** The connection failed, or the response never came. */
export function errorFromConnection(cause: unknown, server: string): IsochroneError {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : ''
  const text = cause instanceof Error ? cause.message : String(cause)
  const reason = text === '' ? code : text
  return new IsochroneError(
    'upstream_failed',
    `${server} cannot be reached or broke off: ${reason}.`,
    {
      detail: { reason: code || reason },
      cause,
    },
  )
}

function errorOf(refusal: Refusal, said: string, payload: unknown): IsochroneError {
  const { status, server } = refusal
  const detail: ErrorDetail = { status }
  const make = (code: ErrorCode, message: string, more: ErrorDetail = {}) =>
    new IsochroneError(code, message, { detail: { ...detail, ...more } })
  if (status === 401 || status === 403) {
    return make(
      'engine_unavailable',
      `${server} refuses the API key that is configured for it (status ${status}); set the ` +
        `right key for this upstream.`,
    )
  }
  if (status === 404) {
    // About a model there would be an error; this is about the path.
    const isPath = !isObject(payload) || payload['error'] === undefined
    const mend = isPath ? ' Is its address right, with the /v1 at the end?' : ''
    return make('model_not_found', `${server} says: ${said || 'not found.'}${mend}`)
  }
  if (status === 429) {
    const text = `${server} is busy: ${said || 'too many requests'}`
    return make('all_nodes_busy', text, waitOf(refusal))
  }
  if (status >= 400 && status < 500 && status !== 408) {
    const code = contextPattern.test(`${said} ${codeOf(payload)}`)
      ? 'context_length_exceeded'
      : 'upstream_rejected'
    return make(code, `${server} rejected the request: ${said || `status ${status}`}`)
  }
  return make(
    'upstream_failed',
    `${server} failed (status ${status}): ${said || 'no reason given'}`,
    waitOf(refusal),
  )
}

/** RFC 9110, section 5.6.7: what senders write; its two older forms are not worth their doubts. */
const httpDate = /^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/

function waitOf({ nowMs, retryAfter }: Refusal): ErrorDetail {
  if (retryAfter === null) return {}
  const seconds = httpDate.test(retryAfter)
    ? Math.max(0, Date.parse(retryAfter) - nowMs) / 1000
    : Number(retryAfter)
  if (!Number.isFinite(seconds) || seconds < 0) return {}
  return { retryAfterMs: Math.min(seconds, retryAfterMaxSeconds) * 1000 }
}

/** Empty for a page, which is written for browsers. */
function plainTextOf(body: string): string {
  const text = body.trim()
  return text.startsWith('<') ? '' : text.slice(0, messageLengthMax)
}

/**
 * OpenAI and llama-server: `error.message`; older vLLM: `message`; FastAPI: `detail`; Ollama:
 * `error`.
 */
function messageOf(payload: unknown): string | null {
  if (!isObject(payload)) return null
  const { error, detail } = payload
  const text =
    (isObject(error) ? stringField(error, 'message') : stringField(payload, 'error')) ??
    stringField(payload, 'message') ??
    stringField(payload, 'detail') ??
    (detail === undefined || detail === null ? null : textOf(detail))
  return text === null ? null : text.slice(0, messageLengthMax)
}

/** Nested as deeply as it likes, an answer must not be what fails. */
function textOf(detail: unknown): string | null {
  try {
    return JSON.stringify(detail)
  } catch {
    return null
  }
}

function codeOf(payload: unknown): string {
  if (!isObject(payload)) return ''
  const error = isObject(payload['error']) ? payload['error'] : payload
  return `${stringField(error, 'code') ?? ''} ${stringField(error, 'type') ?? ''}`
}
