/**
 * transport: bytes and calls to a peer.
 * The contract, adapters over TLS and in memory, gRPC calls on top, and an emulation of the wide area.
 */
export * from './transport.ts'
