/**
 * Between our errors and gRPC's status trailers.
 *
 * `grpc-status` and `grpc-message` are for every gRPC client; `isochrone-code` carries our own
 * code, so that it survives the wire. `grpc-retry-pushback-ms` says when to come again.
 */
import {
  asIsochroneError,
  type ErrorCode,
  errorCodes,
  grpcStatus,
  IsochroneError,
  isErrorCode,
} from '../../protocol/index.ts'
import type { Metadata } from '../transport.ts'

const codeKey = 'isochrone-code'
const waitKey = 'grpc-retry-pushback-ms'
/** Nobody means longer than an hour. */
const waitMsMax = 3_600_000
/** Bytes of an error's message on the wire; metadata as a whole is bounded too. */
const messageBytesMax = 4 * 1024

export const okTrailers: Metadata = Object.freeze({ 'grpc-status': '0' })

export function errorTrailers(error: unknown): Metadata {
  const known = asIsochroneError(error)
  // What a foreign error says may hold anything; it stays in this process's log.
  const message = error instanceof IsochroneError ? error.message : 'internal error'
  return {
    'grpc-status': String(errorCodes[known.code].grpc),
    'grpc-message': percentEncode(message),
    [codeKey]: known.code,
    ...waitTrailer(known),
  }
}

function waitTrailer({ detail }: IsochroneError): Metadata {
  const { retryAfterMs } = detail
  if (typeof retryAfterMs !== 'number' || !(retryAfterMs >= 0)) return {}
  return { [waitKey]: String(Math.min(Math.ceil(retryAfterMs), waitMsMax)) }
}

/** The error that trailers stand for; undefined: the call went well. */
export function trailersError(trailers: Metadata): IsochroneError | undefined {
  const status = trailers['grpc-status']
  if (status === '0') return undefined
  if (status === undefined || !/^\d{1,2}$/.test(status)) {
    return new IsochroneError('malformed_message', 'the peer ended the call without a gRPC status')
  }
  const code = codeOf(Number(status), trailers[codeKey])
  const message = percentDecode(trailers['grpc-message'] ?? '')
  return new IsochroneError(code, message || errorCodes[code].meaning, {
    detail: { grpcStatus: Number(status), ...waitOf(trailers[waitKey]) },
  })
}

/** By gRPC, anything but a number says not to come again; a code says that better. */
function waitOf(wait: string | undefined) {
  if (wait === undefined || !/^\d{1,9}$/.test(wait)) return {}
  return { retryAfterMs: Math.min(Number(wait), waitMsMax) }
}

function codeOf(status: number, named: string | undefined): ErrorCode {
  if (named !== undefined && isErrorCode(named) && errorCodes[named].grpc === status) return named
  return codesByStatus[status] ?? 'node_failed'
}

/** For peers that send only gRPC's status. Whatever is not listed is the peer's failure. */
const codesByStatus: Readonly<Record<number, ErrorCode>> = {
  [grpcStatus.cancelled]: 'cancelled',
  [grpcStatus.invalidArgument]: 'malformed_message',
  [grpcStatus.deadlineExceeded]: 'deadline_exceeded',
  [grpcStatus.notFound]: 'not_found',
  [grpcStatus.permissionDenied]: 'identity_mismatch',
  [grpcStatus.resourceExhausted]: 'all_nodes_busy',
  [grpcStatus.failedPrecondition]: 'capability_missing',
  [grpcStatus.unimplemented]: 'method_not_found',
  [grpcStatus.unauthenticated]: 'peer_unauthenticated',
}

/** gRPC's own: space to tilde stay, but not the percent sign; UTF-8 bytes otherwise. */
export function percentEncode(text: string): string {
  const bytes = Buffer.from(text).subarray(0, messageBytesMax)
  let encoded = ''
  for (const byte of bytes) {
    const plain = byte >= 0x20 && byte <= 0x7e && byte !== 0x25
    encoded += plain
      ? String.fromCharCode(byte)
      : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
  }
  return encoded
}

/** Never fails: what is not an escape stays as it is. */
export function percentDecode(text: string): string {
  const bytes: number[] = []
  for (let at = 0; at < text.length; at += 1) {
    const hex = text[at] === '%' ? text.slice(at + 1, at + 3) : ''
    if (/^[0-9a-fA-F]{2}$/.test(hex)) {
      bytes.push(Number.parseInt(hex, 16))
      at += 2
    } else {
      bytes.push(text.charCodeAt(at) & 0xff)
    }
  }
  return Buffer.from(bytes).toString('utf8')
}
