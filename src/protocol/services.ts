/**
 * The calls that peers can make: gRPC's service and method, as in `:path`.
 */
export const methods = {
  /** Node → gateway: `Join` → `JoinReply`. */
  join: '/isochrone.v1.Gateway/Join',
  /** Node → gateway: `Report` → `ReportAck`. */
  report: '/isochrone.v1.Gateway/Report',
  /** Gateway → node: `GenerateCall` → a stream of `GenerateReply`. */
  generate: '/isochrone.v1.Node/Generate',
  /** Gateway → node: `EmbedCall` → `EmbedReply`. */
  embed: '/isochrone.v1.Node/Embed',
  /** Gateway → node: `AttestCall` → `AttestReply`. */
  attest: '/isochrone.v1.Node/Attest',
  /** Member → member: a stream of `MeshPacket`, never answered. */
  mesh: '/isochrone.v1.Mesh/Tell',
  /** Anybody → anybody: gRPC's health protocol, version 1. */
  health: '/grpc.health.v1.Health/Check',
} as const

export type Method = (typeof methods)[keyof typeof methods]
