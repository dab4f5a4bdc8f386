/** Every bound of an agent, each with its reason. */
export interface AgentLimits {
  /** Connections that this agent dialled: every member of a cluster, twice over while two merge. */
  readonly dialledMax: number
  /** Dials under way at once. */
  readonly diallingMax: number
  /** TCP, TLS and pairing are six round trips; a member that is slower is no near one. */
  readonly dialTimeoutMs: number
  readonly redialFirstMs: number
  readonly redialMaxMs: number
  /** What waits for a peer that takes nothing: some digests. Gossip that is late is nothing new. */
  readonly unsentBytesMax: number
  /** Packets kept while their peer is being dialled, of one and of all such peers. */
  readonly waitingMax: number
  readonly waitingBytesMax: number
  readonly waitingTotalBytesMax: number
  /** A peer that refused to listen is asked again after this. */
  readonly refusedMs: number
  /** A connection that this agent dialled and does not use any more. */
  readonly idleMs: number
  /** The transport's own probes between members, which probe each other already. */
  readonly probeIntervalMs: number
  /** How often idle connections are looked for, and whether one's relays are still there. */
  readonly sweepIntervalMs: number
  /** A peer may cause this much work a second: one per packet, and one per 128 bytes of it. */
  readonly workPerSecondMax: number
  /** Two push-pulls of a full cluster at once. */
  readonly workBurstMax: number
  /** Work beyond its bound until a peer's stream is ended. */
  readonly workDebtMax: number
  /** What all together are let off who merely say that they are gateways: 2 MB/s of news. */
  readonly declaredWorkPerSecondMax: number
  /** Four seconds of it. */
  readonly declaredWorkBurstMax: number
  /** What one message about load may make this member say: all anchors that one may ask for. */
  readonly answerBytesMax: number
  /** Peers whose work, addresses and faults are remembered. */
  readonly peersMax: number
  /** A relayed packet is as old as this at most. */
  readonly relayedAgeMaxMs: number
  /** What is kept on disk is written no more often than this... */
  readonly saveIntervalMs: number
  /** ...but one's cluster as soon as this: who is killed then comes back into it. */
  readonly savePlaceMs: number
  /** A third of a card's life: what is kept is good for ten minutes at least. */
  readonly keepFreshMs: number
  /** A leaving member stays for three rounds of gossip: nine others know, and tell the rest. */
  readonly leaveWaitMs: number
  /** What one peer does wrong is logged once in this time. */
  readonly faultLogIntervalMs: number
  /** Lines about one kind of event at once: two clusters that merge. */
  readonly eventLogBurstMax: number
  /** Three hundred an hour: a line about each of them is still one for a person. */
  readonly eventLogPerSecondMax: number
  /** Members whose clocks are far off are spoken of no more often than this. */
  readonly skewLogIntervalMs: number
}

export const agentLimits: AgentLimits = Object.freeze({
  dialledMax: 256,
  diallingMax: 32,
  dialTimeoutMs: 5_000,
  redialFirstMs: 500,
  redialMaxMs: 15_000,
  unsentBytesMax: 256 * 1024,
  waitingMax: 8,
  waitingBytesMax: 64 * 1024,
  waitingTotalBytesMax: 2 * 1024 * 1024,
  refusedMs: 30_000,
  idleMs: 300_000,
  probeIntervalMs: 60_000,
  sweepIntervalMs: 5_000,
  workPerSecondMax: 400,
  workBurstMax: 4_000,
  workDebtMax: 20_000,
  declaredWorkPerSecondMax: 16_000,
  declaredWorkBurstMax: 64_000,
  answerBytesMax: 1_500_000,
  peersMax: 1_024,
  relayedAgeMaxMs: 30_000,
  saveIntervalMs: 5_000,
  savePlaceMs: 1_000,
  keepFreshMs: 300_000,
  leaveWaitMs: 600,
  faultLogIntervalMs: 60_000,
  eventLogBurstMax: 128,
  eventLogPerSecondMax: 1 / 12,
  skewLogIntervalMs: 300_000,
})
