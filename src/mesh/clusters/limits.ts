/** The numbers of clusters, each with its reason. */

export interface ClusterRules {
  /** The 95th percentile of the round trips between members is at most this. */
  readonly boundMs: number
  readonly membersMax: number
}

export const defaultRules: ClusterRules = Object.freeze({
  /** A token of a fast model: what waits for another member waits for one token at most. */
  boundMs: 15,
  /** What SWIM keeps within seconds at 3 KB/s a member. */
  membersMax: 64,
})

export const clusterLimits = Object.freeze({
  /** One pair in this many may be farther than the bound: the 95th percentile. */
  farPairsOneIn: 20,
  /** Round trips measured at least this much below the bound count as near at first... */
  enterShare: 0.97,
  /** ...and what was far counts as near again below this. Between them nothing changes. */
  returnShare: 0.95,
  /** Clearly far at the first try: no second one. Between this and the bound, jitter decides. */
  clearlyFarShare: 1.5,
  /** Kept round trips: the witnesses, all that was tried, a cluster, and room to remember. */
  tripsMax: 512,
  /** The last few of each: their median bears one that was held up. */
  samplesKept: 5,
  /** Probes under way; a node needs a few at once. */
  probesMax: 64,
  probeTries: 3,
  /** A cluster smaller than this looks beyond those it knows to be near. */
  exploreBelow: 6,
  /** Probes of unknown neighbours in a node's first minutes: 10 of 489 on PlanetLab. */
  explorations: 10,
  /** Candidates that see the witnesses this differently, in bounds, are not worth a probe. */
  exploreBoundsMax: 2,
  /** Of a roster's members, so many may be thought too far before it is tried at all. */
  doubtsShare: 0.34,
  doubtBoundsMin: 1.7,
  /** Clusters that were tried in vain, and when they may be tried again. */
  refusalsMax: 64,
  /** Members, the first of those present, whose cards say each change of their cluster's size. */
  spokesmen: 4,
  /** How often a newcomer asks again because others were admitted meanwhile. */
  asksMax: 12,
  /** Statements of members that one's own roster does not have yet. */
  standingsSpare: 16,
  /** Versions rise by one; what leaps is made up. */
  versionLeapMax: 1_000_000,
})

export const clusterTimes = Object.freeze({
  /** What is due waits so long for something that wakes the node anyway, such as a message... */
  patienceMs: 250,
  /** ...and so long where nothing is under way: for a probe, or a tick of load. */
  calmPatienceMs: 1_000,
  /** Woken later than this, one was stalled; membership has the same. */
  stallToleranceMs: 100,
  /** Witnesses are measured once everyone has had the time to agree on them. */
  witnessesSettleMs: 8_000,
  witnessEveryMs: 250,
  witnessRefreshMs: 600_000,
  exploreEveryMs: 1_000,
  /** One further exploration each: neighbourhoods change. */
  exploreRefillMs: 60_000,
  /** What held up a first echo is over by then: a process that starts, a queue. Then doubled. */
  doubtAfterMs: 10_000,
  doubtAfterMsMax: 640_000,
  /** How often those look for a larger cluster who are alone, in a small one, in a large one. */
  seekAloneMs: 1_500,
  seekSmallMs: 8_000,
  seekMs: 45_000,
  /** A member stays at least so long, unless the bound is violated. */
  dwellMs: 10_000,
  /** A cluster that did not fit: the first wait, doubled each time. */
  refusedMs: 20_000,
  refusedMsMax: 640_000,
  probeTimeoutMs: 1_500,
  replyTimeoutMs: 3_000,
  /** Rosters go to all members once for all changes within this. */
  publishEveryMs: 1_000,
  /** Until an admitted node has to have said that it is in. */
  confirmMs: 8_000,
  /** A newcomer's first word, in case its standing was lost: three tries before its seat lapses. */
  firstHereMs: 1_000,
  hereEveryMs: 15_000,
  hereTimeoutMs: 2_000,
  hereTries: 3,
  /** Three words of presence missed, and some: the member is taken as absent. */
  silentMs: 50_000,
  /** The absent keep their seats so long: a partition that heals changes nothing. */
  absentMs: 600_000,
  /** After a violation: the members who must leave do, then the coordinator drops them... */
  leaveAfterMs: 5_000,
  dropAfterMs: 10_000,
  /** ...and then everyone leaves whose coordinator does not. Half of a healing period of 30 s. */
  desertAfterMs: 15_000,
  /** Clusters that were deserted are not joined again for so long. */
  desertedMs: 600_000,
  standingEveryMs: 3_000,
  /** Fellow members that were never measured: 64 within 16 s, before a violation is old. */
  firstMeasureEveryMs: 250,
  /** Fellow members are looked at in turn: whom membership's probes have not measured for so long,
   * two rounds of a full cluster, is measured besides. */
  refreshEveryMs: 5_000,
  refreshAfterMs: 400_000,
  checkEveryMs: 2_500,
  /** Where nothing has changed: a card may say that its node is elsewhere. */
  calmCheckEveryMs: 10_000,
  /** A card is renewed at the latest after this; sooner when it says something else. */
  cardEveryMs: 600_000,
  /** Spokesmen say the cluster's size anew when it is a quarter off, and later for any difference;
   * the others when it is half or twice what they said. */
  cardSizeEveryMs: 20_000,
  cardSizeSettledMs: 60_000,
  /** A roster that another signed is answered at once, the next as soon as rosters are published,
   * then each time after twice as long: with a member's next word within a healing period. */
  overrideEveryMs: 1_000,
  overrideEveryMsMax: 8_000,
  /** Until two members who parted hold the same one for their coordinator again. */
  healingMs: 30_000,
})
