/**
 * Whatever goes wrong on the way of a request → one `IsochroneError`, and that → an HTTP answer.
 */
import { STATUS_CODES } from 'node:http'
import type { FastifyReply } from 'fastify'
import { asIsochroneError, errorCodes, IsochroneError } from '../../protocol/index.ts'
import { renderError } from '../openai/error-rendering.ts'

/** When no node can serve a request now, one may have joined by then. */
const retryAfterNoNodeMs = 5000

/** Fastify's own errors, by their codes. */
export function httpError(error: unknown, bodyBytesMax: number): IsochroneError {
  if (error instanceof IsochroneError) return error
  const { code, statusCode } = error as { code?: unknown; statusCode?: unknown }
  switch (code) {
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return new IsochroneError(
        'request_too_large',
        `The body is larger than ${bodyBytesMax} bytes; shorten the messages.`,
      )
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
      return new IsochroneError('unsupported_media_type', 'Send the body as application/json.')
    case 'FST_ERR_CTP_INVALID_CONTENT_LENGTH':
      return new IsochroneError('invalid_request', 'content-length does not fit the body.')
    case 'ECONNRESET':
    case 'ECONNABORTED':
      return new IsochroneError('client_closed_request', 'The client left.', { cause: error })
    default:
      return typeof statusCode === 'number' && statusCode >= 400 && statusCode < 500
        ? new IsochroneError('invalid_request', 'The request is malformed.', { cause: error })
        : asIsochroneError(error)
  }
}

export function sendError(reply: FastifyReply, error: IsochroneError): void {
  const retryAfterMs = retryAfterOf(error)
  if (retryAfterMs !== null) reply.header('retry-after', String(Math.ceil(retryAfterMs / 1000)))
  // OpenAI's clients obey it: what cannot work now will not work a second later either.
  else if (error.code === 'no_eligible_node') reply.header('x-should-retry', 'false')
  if (error.code === 'invalid_api_key') reply.header('www-authenticate', 'Bearer')
  reply
    .code(errorCodes[error.code].http)
    .type('application/json; charset=utf-8')
    .send(renderError(error))
}

function retryAfterOf(error: IsochroneError): number | null {
  const given = error.detail['retryAfterMs']
  if (typeof given === 'number') return Math.max(1, given)
  if (error.code === 'no_eligible_node' && error.detail['waitingHelps'] === true) {
    return retryAfterNoNodeMs
  }
  return error.code === 'all_nodes_busy' || error.code === 'node_draining' ? 1000 : null
}

/** What the HTTP parser itself refuses, before there is a request: the whole answer as text. */
export function rawRefusal(code: string | undefined): string {
  const refusal = parserError(code)
  const { http } = errorCodes[refusal.code]
  const body = renderError(refusal)
  const lines = [
    `HTTP/1.1 ${http} ${STATUS_CODES[http] ?? ''}`,
    'content-type: application/json; charset=utf-8',
    `content-length: ${Buffer.byteLength(body)}`,
    'connection: close',
  ]
  return `${lines.join('\r\n')}\r\n\r\n${body}`
}

function parserError(code: string | undefined): IsochroneError {
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') {
    return new IsochroneError('request_timeout', 'The request did not arrive in time.')
  }
  if (code === 'HPE_HEADER_OVERFLOW') {
    return new IsochroneError('request_too_large', 'The headers are too large.')
  }
  return new IsochroneError('invalid_request', 'This is not an HTTP/1.1 request.')
}
