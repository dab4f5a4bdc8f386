/** Every bound of the gateway, each with its reason. All can be changed when a gateway is made. */
export interface GatewayLimits {
  /**
   * One HTTP body. Below the transport's largest message (8 MiB), so that what is accepted can be
   * sent on.
   */
  readonly bodyBytesMax: number
  /** Head and body of a request have arrived by then: a slow sender holds a socket, not a slot. */
  readonly requestArrivalMs: number
  /** An idle keep-alive connection stays open: longer than the 60 s of common load balancers. */
  readonly keepAliveMs: number
  /** From sending the request to a worker until its first token; then the next worker is tried. */
  readonly firstTokenMs: number
  /** The same for an answer that a server gives in one piece: it comes only when it is complete. */
  readonly wholeAnswerMs: number
  /**
   * Between two batches of a running answer; a worker that is silent for longer is taken for dead.
   */
  readonly silenceMs: number
  /**
   * A running answer that is silent for so long, and for ten times as long as ever before, goes on
   * elsewhere where it can: twice the longest time that nodes read prompts between two tokens.
   */
  readonly stallMs: number
  /** From the request's arrival to the end of the answer, all attempts together. */
  readonly totalMs: number
  /**
   * A client that takes nothing for this long is taken for gone; the worker's slot is worth more.
   */
  readonly clientStallMs: number
  /**
   * A request that finds all busy waits this long at most, where somebody is foreseen to have room
   * by then: a client that is told to come back would wait for a second at least.
   */
  readonly roomWaitMs: number
  /** So many may wait so at once, of all: a queue of the gateway's own is no use to anybody. */
  readonly roomWaitersMax: number
  /** Workers tried for one request, the first included. */
  readonly attemptsMax: number
  /**
   * Of all requests, the share that may be asked of a second worker, since the first one is late or
   * slow: nodes work for nothing at most this much, also when all of them are.
   */
  readonly spareShareMax: number
  /** So many may be together, after a quiet time. */
  readonly spareBurstMax: number
  /** Workers that go on with one answer: more deaths than that are no accident. */
  readonly continuationsMax: number
  /**
   * Requests under way in the whole gateway: about 20 KB each, so 80 MB; and 8 bytes for each token
   * of an answer that others could go on with.
   */
  readonly requestsInFlightMax: number
  /** For keys without limits of their own: a bound against runaway clients, not a quota. */
  readonly requestsPerMinute: number
  readonly tokensPerMinute: number
  /** Workers in the registry, connected or not. */
  readonly workersMax: number
  /** A node that left is still named in decisions for this long, as not connected. */
  readonly disconnectedKeptMs: number
  /** A peer that connected has this long to join: who only asks for health is done by then. */
  readonly joinWaitMs: number
  /** Over one connection: a node joins once, and anew only when a report was refused. */
  readonly joinsPerMinuteMax: number
  /** Over one connection: a node whose models change tells it with a heartbeat at the most. */
  readonly recordsPerMinuteMax: number
  /** How often a node reports its load. */
  readonly heartbeatMs: number
  /** A signed request reaches its node within this time, or it is late for its client too. */
  readonly envelopeLifeMs: number
  /** Signed results remembered against replay, up to 60 bytes each: 60 MB in the worst case. */
  readonly noncesMax: number
  /** Half of them, so that no node shuts out the others: 9,000 results/s, kept for 55 s. */
  readonly noncesPerNodeMax: number
  /** On closing, answers under way get this long to end. */
  readonly closeGraceMs: number
}

export const gatewayLimits: GatewayLimits = Object.freeze({
  bodyBytesMax: 7 * 1024 * 1024,
  requestArrivalMs: 30_000,
  keepAliveMs: 72_000,
  firstTokenMs: 30_000,
  wholeAnswerMs: 300_000,
  silenceMs: 60_000,
  stallMs: 5_000,
  totalMs: 600_000,
  clientStallMs: 60_000,
  roomWaitMs: 1_000,
  roomWaitersMax: 64,
  attemptsMax: 3,
  spareShareMax: 0.05,
  spareBurstMax: 10,
  continuationsMax: 16,
  requestsInFlightMax: 4096,
  requestsPerMinute: 1_000_000,
  tokensPerMinute: 1_000_000_000,
  workersMax: 4096,
  disconnectedKeptMs: 600_000,
  joinWaitMs: 60_000,
  joinsPerMinuteMax: 10,
  recordsPerMinuteMax: 30,
  heartbeatMs: 2_000,
  envelopeLifeMs: 15_000,
  noncesMax: 1_000_000,
  noncesPerNodeMax: 500_000,
  closeGraceMs: 5_000,
})
