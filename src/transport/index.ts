/**
 * transport: bytes and calls to a peer. The contract, adapters over TLS and in memory, gRPC calls
 * on top, and an emulation of the wide area.
 */
export { healthHandler } from './calls/health.ts'
export {
  type CallHandler,
  type IncomingCall,
  type ServeModules,
  serveCalls,
} from './calls/incoming.ts'
export { type CallOptions, callUnary, type OutgoingCall, openCall } from './calls/outgoing.ts'
export { emulateWideArea, type WideAreaOptions } from './emulation/wide-area.ts'
export { MemoryNetwork, type MemoryNetworkOptions } from './memory/network.ts'
export type { LinkOptions } from './memory/wire.ts'
export {
  createTlsTransport,
  type TlsTransport,
  type TlsTransportOptions,
} from './tls/tls-transport.ts'
export * from './transport.ts'
