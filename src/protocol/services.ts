/** The calls between peers, as gRPC method paths. */
export const methods = {
  /** A node asks a gateway to be admitted: Join → JoinReply. */
  join: '/isochrone.v1.Gateway/Join',
  /** A node tells its present load, and a new record when there is one: Report → ReportAck. */
  report: '/isochrone.v1.Gateway/Report',
  /** A gateway asks for a generation: GenerateCall → stream of GenerateReply. */
  generate: '/isochrone.v1.Node/Generate',
  /** A gateway asks for embeddings: EmbedCall → EmbedReply. */
  embed: '/isochrone.v1.Node/Embed',
  /** The standard health service (grpc/doc/health-checking.md). */
  health: '/grpc.health.v1.Health/Check',
} as const

export type Method = (typeof methods)[keyof typeof methods]
