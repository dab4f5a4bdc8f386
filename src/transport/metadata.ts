/**
 * Checks of metadata, the same for every adapter, before it goes out.
 *
 * Keys are lower-case (`:path` besides) and values printable ASCII, as HTTP/2 and gRPC want them.
 */
import { IsochroneError } from '../protocol/index.ts'
import { type Metadata, transportLimits } from './transport.ts'

const keyPattern = /^(?::path|[0-9a-z_.-]{1,128})$/
const valuePattern = /^[\x20-\x7e]*$/
/** What HTTP/2 counts for an entry besides its key and value (RFC 9113 §6.5.2). */
const entryOverheadBytes = 32

/** As HTTP/2 counts it. */
export function metadataBytes(metadata: Metadata): number {
  let bytes = 0
  for (const key in metadata)
    bytes += key.length + (metadata[key]?.length ?? 0) + entryOverheadBytes
  return bytes
}

/** Throws `malformed_message` or `message_too_large`. */
export function checkMetadata(metadata: Metadata): void {
  for (const key in metadata) {
    const value = metadata[key] ?? ''
    if (!keyPattern.test(key)) {
      throw new IsochroneError('malformed_message', `"${key}" cannot be a key of metadata`)
    }
    if (!valuePattern.test(value)) {
      throw new IsochroneError('malformed_message', `metadata "${key}" is not printable ASCII`)
    }
  }
  const bytes = metadataBytes(metadata)
  if (bytes > transportLimits.metadataBytesMax) {
    throw new IsochroneError(
      'message_too_large',
      `metadata of ${bytes} bytes is over the limit of ${transportLimits.metadataBytesMax}`,
    )
  }
}

/** Throws `message_too_large`. */
export function checkMessageSize(bytes: number): void {
  if (bytes <= transportLimits.messageBytesMax) return
  throw new IsochroneError(
    'message_too_large',
    `a message of ${bytes} bytes is over the limit of ${transportLimits.messageBytesMax}`,
  )
}
