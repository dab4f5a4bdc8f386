/**
 * Between HTTP/2's words and ours: headers, reset codes, sockets' errors.
 */
import { constants, type IncomingHttpHeaders } from 'node:http2'
import { type ErrorCode, IsochroneError } from '../../protocol/index.ts'
import type { Metadata } from '../transport.ts'

/** What this adapter adds to a call's headers by itself, and so takes out again. */
const ownHeaders: ReadonlySet<string> = new Set([
  ':method',
  ':scheme',
  ':authority',
  ':status',
  'content-type',
  'te',
])

export function metadataOf(headers: IncomingHttpHeaders): Metadata {
  const metadata: Record<string, string> = {}
  for (const key in headers) {
    if (ownHeaders.has(key)) continue
    const value: unknown = headers[key]
    metadata[key] = Array.isArray(value) ? value.join(', ') : String(value)
  }
  return metadata
}

/** Headers of a new call; the peer is known by its key, so the authority says nothing. */
export function requestHeaders(metadata: Metadata): Record<string, string> {
  return {
    ':method': 'POST',
    ':scheme': 'https',
    ':authority': 'isochrone',
    'content-type': 'application/grpc',
    te: 'trailers',
    ...metadata,
  }
}

export function isGrpc(headers: IncomingHttpHeaders): boolean {
  const type = headers['content-type']
  return type === 'application/grpc' || /^application\/grpc[+;]/.test(type ?? '')
}

/** What is wrong with the headers that answer a call; undefined: nothing. */
export function responseError(headers: IncomingHttpHeaders): IsochroneError | undefined {
  const status = Number(headers[':status'])
  if (status === 200 && isGrpc(headers)) return undefined
  return new IsochroneError(
    httpStatusCodes[status] ?? 'node_failed',
    `the peer did not answer as a gRPC server: HTTP status ${status}`,
  )
}

/** grpc/doc/http-grpc-status-mapping.md, in our codes. */
const httpStatusCodes: Readonly<Record<number, ErrorCode>> = {
  400: 'malformed_message',
  401: 'peer_unauthenticated',
  403: 'identity_mismatch',
  404: 'method_not_found',
  415: 'malformed_message',
  429: 'all_nodes_busy',
  431: 'message_too_large',
}

const resetCodes: Readonly<Record<number, readonly [ErrorCode, string]>> = {
  [constants.NGHTTP2_NO_ERROR]: ['malformed_message', 'the peer ended the call without trailers'],
  [constants.NGHTTP2_CANCEL]: ['cancelled', 'the peer cancelled the call'],
  [constants.NGHTTP2_REFUSED_STREAM]: ['all_nodes_busy', 'the peer takes no more calls now'],
  [constants.NGHTTP2_ENHANCE_YOUR_CALM]: [
    'message_too_large',
    'the call is over a limit of the peer',
  ],
  [constants.NGHTTP2_PROTOCOL_ERROR]: ['malformed_message', 'the call broke the protocol'],
  [constants.NGHTTP2_FLOW_CONTROL_ERROR]: ['malformed_message', 'the call broke flow control'],
}

/** @param code of the RST_STREAM frame */
export function streamError(code: number | undefined): IsochroneError {
  const [error, message] = resetCodes[code ?? 0] ?? ['node_failed', 'the peer gave the call up']
  return new IsochroneError(error, `${message} (HTTP/2 code ${code ?? 0})`)
}
