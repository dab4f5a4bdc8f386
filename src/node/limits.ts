/** Every bound of a node, each with its reason. All can be changed when a node is made. */
export interface NodeLimits {
  /**
   * Requests under way here, waiting ones included, per slot of the model: more wait better
   * elsewhere.
   */
  readonly requestsPerSlotMax: number
  /** Nonces remembered against replays: 55 s of envelopes at 9,000 requests/s from one gateway. */
  readonly noncesMax: number
  /** Gateways whose verified signatures are remembered for some seconds: a kilobyte each. */
  readonly gatewaysRememberedMax: number
  readonly dialTimeoutMs: number
  /** Joining is two signatures and a look-up; over a bad path it takes some round trips. */
  readonly joinTimeoutMs: number
  readonly reportTimeoutMs: number
  /** Load changes that come faster are told together. */
  readonly reportIntervalMinMs: number
  /** A gateway may not ask for reports more or less often than this. */
  readonly heartbeatMinMs: number
  readonly heartbeatMaxMs: number
  /** What is measured of the ways to other members is told so often: 64 of them are 5 KB. */
  readonly linkReportIntervalMs: number
  /** A record is signed anew at half of its life. */
  readonly recordLifeMs: number
  /**
   * Signed answers need to be valid only while they travel: clocks of volunteers differ by
   * seconds.
   */
  readonly resultLifeMs: number
  readonly reconnectFirstMs: number
  readonly reconnectMaxMs: number
  /** A link that held this long was sound: when it is lost, back-off begins anew. */
  readonly linkSteadyMs: number
  /** A peer that dials and is no gateway of the node: who asks for health is done by then. */
  readonly strangerWaitMs: number
  /** Work that still runs after this long is cancelled when the node stops. */
  readonly drainLimitMs: number
  /** Models in a record: beyond it, a message grows for nothing that routing can use. */
  readonly modelsMax: number
}

export const nodeLimits: NodeLimits = Object.freeze({
  requestsPerSlotMax: 4,
  noncesMax: 1_000_000,
  gatewaysRememberedMax: 64,
  dialTimeoutMs: 10_000,
  joinTimeoutMs: 10_000,
  reportTimeoutMs: 10_000,
  reportIntervalMinMs: 50,
  heartbeatMinMs: 250,
  heartbeatMaxMs: 60_000,
  linkReportIntervalMs: 60_000,
  recordLifeMs: 600_000,
  resultLifeMs: 15_000,
  reconnectFirstMs: 250,
  reconnectMaxMs: 30_000,
  linkSteadyMs: 30_000,
  strangerWaitMs: 60_000,
  drainLimitMs: 30_000,
  modelsMax: 256,
})
