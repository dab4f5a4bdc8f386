/**
 * Times and bounds of digests. A view's age is the sum of what an entry waits for: a tick, a
 * digest, and the way. At the 99th percentile these stay below 3 s (`digests.test.ts` measures it).
 */
export const digestTimes = {
  /** What a node says is at most this old when it leaves; each tick is 66 bytes. */
  tickMs: 1_500,
  /** A tick so late is missed: the way to a coordinator and the timers of both are shorter. */
  tickLateMs: 300,
  /** How often a coordinator tells its gateways what is new: that adds 250 ms on the mean. */
  publishMs: 500,
  /** In a cluster of few: what most of them said in a tick is one digest. */
  publishFewMs: 1_000,
  /** A digest that tells nothing new is sent as seldom: it says that its coordinator is there. */
  quietMs: 2_000,
  /** What was told and not acknowledged for this long is told again: four wide-area round trips. */
  resendMs: 2_000,
  /** A digest is acknowledged when it has anchors, when something is lacking, or this long after
   * the last one was: a sign of life, four times as often as its absence would be noticed. */
  ackMs: 900,
  /** A gateway that acknowledged nothing for so long makes room for the next. */
  gatewaySilentMs: 4_000,
  /** … and has its turn again after this: a restart of its process takes less. */
  silentAgainMs: 60_000,
  /** Between two comparisons with another gateway: one lost digest is mended within 1 to 2 s. */
  compareMs: 1_000,
  /** A peer's cluster is behind when its members spoke this much earlier on the mean: a tick. With
   * half as much again views are 3 s old where one message in a hundred is lost. */
  behindMs: 1_500,
  /** An anchor lives for one to two minutes, drawn: a cluster's must not fall due together. */
  anchorTicksMin: 40,
  anchorTicksMax: 80,
  /** An anchor this young is told unasked; of an older one a gateway says that it lacks it. */
  anchorFreshMs: 10_000,
  /** Between two anchors that nothing urgent asks for; each costs its receivers a verification. */
  anchorGapMs: 5_000,
  /** Sequences of anchors count seconds. */
  anchorGapMinMs: 1_000,
  /** Two ticks and a way without a word. */
  lateAfterMs: 4_000,
  /** How often what is old is looked for. */
  sweepMs: 5_000,
  /** Then nothing is known of it any more. Long enough for a partition to heal within (30 s). */
  expireAfterMs: 60_000,
  /** A node that no digest told of for so long is asked to speak directly, when it is heard. */
  untoldMs: 20_000,
  /** As long as a partition takes to heal: until then an honest coordinator knows no better. */
  healingMs: 30_000,
  /** A node that was asked directly answers directly for so long: until after that. */
  directMs: 45_000,
} as const

/**
 * When a node's tick counts as missed, by its own measure. Within bounds: it must not be looked at
 * all the time, nor hardly ever.
 */
export function missedAfterMs(tickMs: number): number {
  const { lateAfterMs, tickLateMs, tickMs: usualMs } = digestTimes
  return Math.min(lateAfterMs, Math.max(usualMs, tickMs) + tickLateMs)
}

export const viewLimits = {
  /** Beyond the 10,000 that are aimed at; 3 kB each. */
  nodesMax: 16_384,
  clustersMax: 4_096,
  /** Whose coordinators are remembered: at the beginning each node coordinates itself. */
  coordinatedMax: 16_384,
  /** Twice a cluster: after a partition two halves may have filled up. */
  membersPerClusterMax: 128,
  coordinatorsPerClusterMax: 4,
  /** Nodes that one peer made known first: it cannot fill the view with inventions of its own. */
  introducedPerPeerMax: 256,
  /** Gateways introduce what they hold, which is everything. */
  introducedPerGatewayMax: 16_384,
  /** Peers of whom is remembered what they did: at the beginning each node coordinates itself. */
  peersMax: 16_384,
  gatewaysMax: 64,
  /** A coordinator tells at most so many gateways; the first of them passes it on. */
  toldMax: 2,
  /** In a cluster of so few, most of a digest is its frame. */
  fewMembers: 8,
  /** What a gateway means to take in, all together; below the 2 MB/s that it may. */
  incomingBytesPerSecond: 1_800_000,
  /** Anchors that are asked for each second: as many as fill that up, and some in any case. */
  wantsPerCompareMin: 64,
  wantsPerCompareMax: 1_000,
  /** An anchor with its tick and seal. */
  anchorBytes: 1_250,
  /** More than a cluster makes (64 in 60 to 120 s), and bearable when all start at once. */
  freshAnchorsPerDigestMax: 1,
  /** Ticks that one comparison is answered with: 66 bytes each, 270 kB. */
  ticksPerCompareMax: 4_096,
  /** Other gateways' requests that are answered, each second. */
  answersPerSecond: 8,
} as const

/** What a peer may send: tokens per second, and at once. A digest costs a verification. */
export const floodLimits = {
  /** Of a coordinator or a node: four times what an honest one sends. */
  messagesPerSecond: 12,
  messagesBurst: 60,
  /** Of a gateway: digests of 1,000 clusters, twice a second, and as much again. */
  gatewayMessagesPerSecond: 4_000,
  gatewayMessagesBurst: 12_000,
  /** One that lied so often is not listened to for a while. */
  liesUntilMuted: 3,
  mutedMs: 10_000,
  /** Each further time twice as long, up to this. */
  mutedMsMax: 600_000,
} as const
