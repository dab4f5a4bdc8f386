/**
 * HTTP/2's settings and bounds for every session, whichever side of it this is.
 */
import type { ClientSessionOptions, Http2Session, ServerSessionOptions } from 'node:http2'
import { transportLimits } from '../transport.ts'

const shared = {
  settings: {
    enablePush: false,
    initialWindowSize: transportLimits.streamWindowBytes,
    /** One more than calls: the stream that carries them. */
    maxConcurrentStreams: transportLimits.streamsPerConnectionMax + 1,
    maxHeaderListSize: transportLimits.metadataBytesMax,
  },
  /**
   * MB: the connection's window, what unfinished messages may take, and each stream's own state.
   */
  maxSessionMemory: 128,
  /** Entries of metadata in one call. */
  maxHeaderListPairs: 64,
  /** Entries of one SETTINGS frame; the standard knows seven. */
  maxSettings: 16,
  /** Ours: one probe at a time. */
  maxOutstandingPings: 4,
  maxSendHeaderBlockLength: 2 * transportLimits.metadataBytesMax,
} as const

export const clientSessionOptions: ClientSessionOptions = {
  ...shared,
  peerMaxConcurrentStreams: transportLimits.streamsPerConnectionMax + 1,
  maxReservedRemoteStreams: 0,
}

export const serverSessionOptions: ServerSessionOptions = {
  ...shared,
  /** A peer that speaks HTTP/2 makes no invalid frames; a few are forgiven to a race. */
  maxSessionInvalidFrames: 8,
  /** Calls over the limit that a peer may try before it is thrown out. */
  maxSessionRejectedStreams: 100,
  /** Rapid reset (CVE-2023-44487): cancelled calls, at once and per second. */
  streamResetBurst: 4 * transportLimits.streamsPerConnectionMax,
  streamResetRate: transportLimits.streamsPerConnectionMax,
  unknownProtocolTimeout: transportLimits.handshakeTimeoutMs,
}

/** HTTP/2 has no setting for the connection's window; it is widened once the session stands. */
export function widenWindow(session: Http2Session): void {
  session.setLocalWindowSize(transportLimits.connectionWindowBytes)
}
