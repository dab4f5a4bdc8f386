/** An `IsochroneError` → an HTTP answer. */
import { errorCodes, IsochroneError } from '../../protocol/index.ts'
import { renderError } from '../openai/error-rendering.ts'
import { type Client, jsonType } from './client.ts'
import { STATUS_CODES } from './node-http.ts'

/** When no node can serve a request now, one may have joined by then. */
const retryAfterNoNodeMs = 5000

export function sendError(client: Client, error: IsochroneError): void {
  const retryAfterMs = retryAfterOf(error)
  if (retryAfterMs !== null) {
    client.header('retry-after', String(Math.ceil(retryAfterMs / 1000)))
    // OpenAI's clients prefer it, and so come back as soon as it can help.
    client.header('retry-after-ms', String(Math.ceil(retryAfterMs)))
    // They obey this too: what cannot work now will not work a second later either.
  } else if (error.code === 'no_eligible_node') client.header('x-should-retry', 'false')
  if (error.code === 'invalid_api_key') client.header('www-authenticate', 'Bearer')
  client.send(errorCodes[error.code].http, jsonType, renderError(error))
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
    `content-type: ${jsonType}`,
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
