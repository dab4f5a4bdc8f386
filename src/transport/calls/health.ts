/**
 * `grpc.health.v1.Health/Check` (grpc/doc/health-checking.md), for any gRPC client.
 *
 * Its two messages have one field each, so their protobuf is read and written here by hand.
 */
import { IsochroneError } from '../../protocol/index.ts'
import type { CallHandler } from './incoming.ts'

/** `HealthCheckResponse { status = 1 }`. */
const serving = Uint8Array.of(0x08, 1)
const notServing = Uint8Array.of(0x08, 2)
/** Longer names need a second byte of length; no service has one. */
const serviceNameBytesMax = 128

/** Answers for the server as a whole (the empty service name); other names are `not_found`. */
export function healthHandler(isServing: () => boolean): CallHandler {
  return async (call) => {
    const service = readService(await call.request())
    if (service !== '') {
      throw new IsochroneError('not_found', `there is no service ${JSON.stringify(service)}`)
    }
    await call.send(isServing() ? serving : notServing)
  }
}

/** `HealthCheckRequest { service = 1 }`. */
function readService(message: Uint8Array): string {
  if (message.length === 0) return ''
  const [tag, length = 0] = message
  if (tag !== 0x0a || length >= serviceNameBytesMax || message.length !== 2 + length) {
    throw new IsochroneError(
      'malformed_message',
      `not a HealthCheckRequest with a service name below ${serviceNameBytesMax} bytes`,
    )
  }
  return Buffer.from(message.subarray(2)).toString('utf8')
}
