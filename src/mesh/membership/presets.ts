/**
 * The numbers of the membership protocol, each with its reason. SWIM: Das, Gupta, Motivala, 2002.
 * Lifeguard: Dadgar, Phillips, Currey, 2018. memberlist: HashiCorp's implementation of both.
 */

/** Which of Lifeguard's parts are on. All of them, but where a test compares. */
export interface Mechanisms {
  /** A member that seems slow to itself probes less often and waits longer. */
  readonly localHealth: boolean
  /** A suspicion starts long and shrinks with each further accuser. */
  readonly dynamicSuspicion: boolean
  /** A suspect hears first of all that it is one, so that it can refute at once. */
  readonly buddy: boolean
  /** Not Lifeguard's: one who was woken late gives others the time that it slept itself. */
  readonly stallGuard: boolean
}

export interface MembershipPreset {
  /** One probe per interval: SWIM's protocol period T'. */
  readonly probeIntervalMs: number
  /** How long the direct ack may take, before proxies are asked. */
  readonly probeTimeoutMs: number
  /** From the ping until the probe has failed. May exceed the interval: probes overlap. */
  readonly probeDeadlineMs: number
  /** SWIM's k: proxies asked for an indirect probe. */
  readonly indirectProbes: number
  /** When a proxy without an answer says that it has none: before the asker's time is over. */
  readonly nackAfterMs: number
  /** Shortest suspicion: alpha · log10(n) · probe interval. */
  readonly suspicionAlpha: number
  /** Longest suspicion: beta times the shortest. */
  readonly suspicionBeta: number
  /** Further accusers that bring a suspicion down to its shortest. */
  readonly suspicionConfirmations: number
  /** Members that look at a suspect out of turn when they hear of it, on the mean; 0: none. */
  readonly suspectProbers: number
  /** Local health is at most this: timeouts, and the interval with them, grow by it plus 1. */
  readonly localHealthMax: number
  readonly gossipIntervalMs: number
  /** Members told per gossip interval while there is news. */
  readonly gossipFanout: number
  /** Lambda: a statement is sent lambda · ceil(log10(n + 1)) times. */
  readonly retransmitFactor: number
  readonly pushPullIntervalMs: number
  /** How often a member tries one of the dead, or a seed, again: this is what heals a partition.
   * More than eight members try as often together as eight do. */
  readonly reconnectIntervalMs: number
  /** After one came back from the dead by itself: the next push-pull with it, and the next try.
   * And how often one that is dead here and speaks is told so. */
  readonly reunionMs: number
  /** How often while no member is known at all. */
  readonly joinRetryMs: number
  /** How long the dead are told what is said of them, in case they live. */
  readonly gossipToDeadMs: number
  /** Longer than a statement is valid, or an old one could raise the dead after this time. */
  readonly deadSetMs: number
  /** How often a member renews its own statement. */
  readonly renewIntervalMs: number
  /** How long one who leaves stays to tell it. */
  readonly leaveMs: number
  /** Woken later than this, one was stalled. */
  readonly stallToleranceMs: number
  readonly mechanisms: Mechanisms
}

const everyMechanism: Mechanisms = Object.freeze({
  localHealth: true,
  dynamicSuspicion: true,
  buddy: true,
  stallGuard: true,
})

/** What does not depend on distance. */
const anyDistance = {
  indirectProbes: 3, // SWIM, section 3.1: false suspicions fall exponentially in k
  suspicionBeta: 6, // Lifeguard, section V.F.3: beta 6 has nearly all of the benefit
  suspicionConfirmations: 3, // Lifeguard, section IV.B: K = 3
  suspectProbers: 0,
  localHealthMax: 8, // Lifeguard, section IV.A: S = 8
  gossipFanout: 3, // memberlist: log of the cluster in rounds; 64 members in about 4
  retransmitFactor: 4, // memberlist; SWIM, section 4.1: a small lambda reaches all with certainty
  deadSetMs: 3_600_000, // a statement lives 40 minutes at most, and clocks differ
  renewIntervalMs: 900_000, // twice within the life of a statement
  gossipToDeadMs: 30_000, // memberlist
  mechanisms: everyMechanism,
}

/** Processes on one machine: a round trip takes well under 1 ms, but one may wait for the CPU. */
export const local: Readonly<MembershipPreset> = Object.freeze({
  ...anyDistance,
  probeIntervalMs: 250, // a machine has few nodes: four probes a second cost little
  probeTimeoutMs: 100, // a busy event loop answers within this
  probeDeadlineMs: 250,
  nackAfterMs: 75, // half of what is left for the indirect probe
  suspicionAlpha: 4, // memberlist; n is small, so its logarithm helps little
  gossipIntervalMs: 50,
  pushPullIntervalMs: 10_000,
  reconnectIntervalMs: 2_000,
  reunionMs: 300, // an accusation to all of one side and their refutations back
  joinRetryMs: 500,
  leaveMs: 1_000, // about 20 rounds of gossip, four times what reaches all
  stallToleranceMs: 50,
})

/** One site: round trips of a few ms, jitter of tens. */
export const lan: Readonly<MembershipPreset> = Object.freeze({
  ...anyDistance,
  probeIntervalMs: 500, // half of memberlist's: crashes are known in half the time
  probeTimeoutMs: 200, // ten times the slowest usual round trip, as SWIM asks of T'
  probeDeadlineMs: 500,
  nackAfterMs: 150,
  suspicionAlpha: 3,
  gossipIntervalMs: 100,
  pushPullIntervalMs: 30_000, // memberlist
  reconnectIntervalMs: 5_000,
  reunionMs: 500,
  joinRetryMs: 1_000,
  leaveMs: 2_000,
  stallToleranceMs: 100,
})

/**
 * Wide-area links: round trips up to 300 ms (PlanetLab's 99th percentile is near it). memberlist's
 * own preset probes every 5 s; ours pays a few hundred bytes a second to know a crash within 4.
 */
export const wan: Readonly<MembershipPreset> = Object.freeze({
  ...anyDistance,
  probeIntervalMs: 500, // a crash waits about this long until someone probes
  probeTimeoutMs: 400, // the slowest usual round trip and a third
  probeDeadlineMs: 1_000, // two round trips by way of a proxy fit in what is left
  nackAfterMs: 350, // more than the proxy's own round trip; still back at the asker in time
  suspicionAlpha: 2, // 1.8 s with 64 members: an accusation there, a refutation back, twice over
  gossipIntervalMs: 200, // memberlist's for one site: news must not wait for distance as well
  pushPullIntervalMs: 30_000,
  reconnectIntervalMs: 8_000, // three tries within the 30 s of healing, of eight members each
  reunionMs: 1_000, // two round trips and their refutations
  joinRetryMs: 2_000,
  leaveMs: 3_000,
  stallToleranceMs: 100,
})

/**
 * A cluster whose round trips are bounded by some tens of ms. A lost answer is known for lost
 * sooner than over the wide area, so fewer probes find a crash as fast; and probes are most of what
 * members cost each other all day. How soon all know of a crash: `bench -- mesh` measures it.
 */
export const near: Readonly<MembershipPreset> = Object.freeze({
  ...wan,
  // Two ticks of load (see the prober). That a crashed member's ticks stay away its coordinator
  // soon sees, and looks: probes alone would take longer.
  probeIntervalMs: 3_050,
  probeTimeoutMs: 200, // ten times the slowest usual round trip, as SWIM asks of T'
  probeDeadlineMs: 500, // as long again for two ways by a proxy, and a busy event loop
  nackAfterMs: 150,
  // Not SWIM's: with fewer probes accusers would come slower. So a suspicion calls for them: eight
  // find three that confirm it within a probe's time, whatever the interval. With 700 ms and none
  // half of the crashes are known after 3.5 s; with these as soon, for a quarter of the probes.
  suspectProbers: 8,
  suspicionAlpha: 0.299, // 1.6 s with 64 members; over the wide area 1.8 s
  suspicionBeta: 5, // what beta 6 has of the benefit, within 8 s
})

/** Of round trips, in ms: beyond it, members are as far from each other as any. */
const nearBoundMs = 50

/** For a cluster with this bound of its round trips. */
export function presetFor(boundMs: number): Readonly<MembershipPreset> {
  return boundMs <= nearBoundMs ? near : wan
}

/** Bounds that hold whatever others send. */
export const membershipLimits = Object.freeze({
  /** A cluster has 64; more than that while two merge. Who never answered makes room. */
  membersMax: 256,
  /** Two rounds of probes in a full cluster: who has not answered by then makes room. */
  provingMs: 400_000,
  /** Four generations of a full cluster. Who never answered makes room first, then the oldest. */
  deadSetMax: 1_024,
  /** With its headers a message fits one packet of 1,500 bytes. */
  piggybackBytesMax: 1_200,
  /** Four shorten a suspicion to its end. All are told on: some members hear of half of them. */
  accusersMax: 8,
  payloadBytesMax: 256,
  /** Members and dead together. */
  summariesMax: 1_280,
  /** A push-pull of 100 members at once; what is left out follows with the next. */
  syncBytesMax: 32_768,
  /** Statements waiting to be spread; the one sent most often makes room. */
  newsMax: 1_024,
  /** Probes under way for others; more requests are not answered. */
  relaysMax: 64,
  /** Of those for one asker, which honest ones have a few of: none takes them all. */
  relaysPerAskerMax: 8,
  seedsMax: 32,
})

/** Of the seeds, those asked at first: one may be gone. Others are asked while nobody answers. */
export const joinSyncsMax = 2
