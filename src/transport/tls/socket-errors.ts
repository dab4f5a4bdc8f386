/**
 * What a socket's error means for a person.
 */
import { type ErrorCode, IsochroneError } from '../../protocol/index.ts'

type Explanation = readonly [ErrorCode, string]

const dialErrors: Readonly<Record<string, Explanation>> = {
  ECONNREFUSED: ['peer_unreachable', 'nothing listens there'],
  ECONNRESET: ['peer_unreachable', 'it closed the connection during the handshake'],
  EPIPE: ['peer_unreachable', 'it closed the connection during the handshake'],
  ENOTFOUND: ['peer_unreachable', 'no such host name'],
  EAI_AGAIN: ['peer_unreachable', 'the host name could not be resolved now'],
  EHOSTUNREACH: ['peer_unreachable', 'no route to the host'],
  ENETUNREACH: ['peer_unreachable', 'no route to the network'],
  ETIMEDOUT: ['peer_unreachable', 'no answer'],
}

const listenErrors: Readonly<Record<string, Explanation>> = {
  EADDRINUSE: ['address_in_use', 'another program has the port; stop it or choose another port'],
  EADDRNOTAVAIL: ['invalid_configuration', 'no interface of this machine has that address'],
  EACCES: ['invalid_configuration', 'ports below 1024 need privileges; choose a higher one'],
  ENOTFOUND: ['invalid_configuration', 'no such host name'],
}

export function dialError(error: unknown, address: string): IsochroneError {
  if (error instanceof IsochroneError) return error
  const code = codeOf(error)
  const handshake = code.startsWith('ERR_SSL') || code.startsWith('ERR_TLS')
  const fallback: Explanation = handshake
    ? [
        'peer_unauthenticated',
        'it did not complete a TLS 1.3 handshake; is it a peer of this network?',
      ]
    : ['peer_unreachable', messageOf(error)]
  const [kind, reason] = dialErrors[code] ?? fallback
  return new IsochroneError(kind, `could not reach ${address}: ${reason}`, {
    detail: { address },
    cause: error,
  })
}

export function listenError(error: unknown, address: string): IsochroneError {
  const [kind, reason] = listenErrors[codeOf(error)] ?? ['internal', messageOf(error)]
  return new IsochroneError(kind, `could not listen on ${address}: ${reason}`, {
    detail: { address },
    cause: error,
  })
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : ''
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
