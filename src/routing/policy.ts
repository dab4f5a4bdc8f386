/** What decisions follow. Its version is recorded in each of them. */
import { createHash } from 'node:crypto'
import type { HardwareClass, Tier } from './tier.ts'

export interface RoutingPolicy extends PolicyValues {
  /** Names these very values. */
  readonly version: string
}

export interface PolicyValues {
  /** Requests that may wait per slot before a worker counts as busy. */
  readonly waitingPerSlotMax: number
  /**
   * Of the time between an idle worker's first token and the objective, the share that may pass in
   * a queue.
   */
  readonly queueShareOfSlack: number
  /** Differences in reliability below this are not worth a slower answer. */
  readonly reliabilityMargin: number
  /** Workers within this factor, or these ms, of the fastest take turns by load. */
  readonly sameSpeedFactor: number
  readonly sameSpeedMs: number
  /** Whose first token is predicted within this share of the objective takes turns as well. */
  readonly soonShare: number
  /** Whoever has read the beginning of a prompt stays one of those up to this much slower. */
  readonly stayFactor: number
  /** And while it has at most so many requests per slot more to do than the least busy of them. */
  readonly affinityLoadMax: number
  /**
   * The share of requests that may go to workers with too short a record, while others are better.
   */
  readonly explorationShare: number
  /** From this many observations on, a record stands for itself. */
  readonly explorationSamplesMax: number
  /** How many observations a worker's own statement of its speed weighs. */
  readonly claimSamples: number
  /**
   * Whose first tokens took longer than its stated speed allows by this factor, and by these ms,
   * on the mean of so many answers, is left out.
   */
  readonly overstatedFactorMax: number
  readonly overstatedMs: number
  readonly overstatedSamplesMin: number
  /**
   * The least share of its stated rate that a worker keeps, where others keep all of theirs; 0: not
   * asked. Gateways judge by it; no decision does.
   */
  readonly claimKeptMin: number
  /**
   * A bill over what can have been delivered by more than this share and these tokens is severe.
   * Gateways judge by it; no decision does.
   */
  readonly overbilledShareMax: number
  readonly overbilledTokensMax: number
  readonly assumedRoundTripMs: number
  readonly assumedTtftMs: number
  readonly assumedTpotMs: number
  /** Tokens of an answer whose length nobody knows. */
  readonly assumedCompletionTokens: number
  /** How many rankings a decision keeps. */
  readonly rankingsMax: number
  /** How many rejections a decision keeps word by word; the counts per gate are always complete. */
  readonly rejectionsMax: number
  /** The first whose conditions a worker meets is its class. */
  readonly hardwareClasses: readonly HardwareClass[]
  readonly tiers: readonly Tier[]
  /** Models that are in no tier are served, and nothing more is asked of their workers. */
  readonly servesOtherModels: boolean
}

/** 64 bits tell policies apart; more would only be longer to read. */
const versionDigits = 16

/** @param name of the policy, as people know it */
export function policyOf(name: string, values: PolicyValues): RoutingPolicy {
  const hash = createHash('sha256').update(JSON.stringify(values)).digest('hex')
  return Object.freeze({ ...values, version: `${name}-${hash.slice(0, versionDigits)}` })
}

/** What its values are named by; a policy that was kept may say another version than that. */
export function versionOf({ version, ...values }: RoutingPolicy): string {
  return policyOf(version.slice(0, -versionDigits - 1), values).version
}

export const defaultPolicy: RoutingPolicy = policyOf('default', {
  // A short queue keeps a batch full; a long one only turns a quick "busy" into a late answer.
  waitingPerSlotMax: 4,
  // The rest is for what nobody foresees, such as others' long prompts. Simulated with real
  // requests: with more, queues grow until most of what waits in them is late.
  queueShareOfSlack: 0.4,
  // One repeat in a hundred costs a client less than a worker a quarter slower.
  reliabilityMargin: 0.01,
  // Finer differences are within the error of the prediction itself.
  sameSpeedFactor: 1.25,
  sameSpeedMs: 20,
  // Sooner than asked for helps nobody, and runs the fastest down: simulated with long prompts,
  // their tokens came late. With more than this, short ones are late where nodes are full.
  soonShare: 0.4,
  // A conversation does not move for less: what a cache holds saves the more the longer it is.
  stayFactor: 1.5,
  // Beyond that, others' requests cost more than a cache saves.
  affinityLoadMax: 0.5,
  // Small enough that unproven workers cost nearly nothing, large enough that the good soon prove
  // themselves.
  explorationShare: 0.03,
  // A hundred clean answers put the lower bound of completion at 0.97.
  explorationSamplesMax: 100,
  // Two real answers are worth as much as a worker's word.
  claimSamples: 2,
  // A full batch halves the speed of reading, and what others wait for is only estimated: twice as
  // much again is no accident.
  overstatedFactorMax: 4,
  // Below this it is the overhead of a request that is seen, not the speed.
  overstatedMs: 500,
  overstatedSamplesMin: 1.5,
  // Simulated, honest cards with much bandwidth and little arithmetic keep 0.17 of what others do,
  // where prompts of 12,000 tokens are read beside their answers.
  claimKeptMin: 0.15,
  // Pessimistic: nobody gains by leaving something unmeasured.
  assumedRoundTripMs: 150,
  assumedTtftMs: 1_000,
  assumedTpotMs: 100,
  // The median answer of public chat traces is a few hundred tokens.
  assumedCompletionTokens: 256,
  // A network of this size is explained in full, in about 6 KB; larger ones keep the counts.
  rankingsMax: 16,
  // Likewise, at about 150 bytes each.
  rejectionsMax: 1_000,
  // No honest node of this version is over it at all; one of another may count marks otherwise.
  overbilledShareMax: 0.05,
  overbilledTokensMax: 32,
  hardwareClasses: [],
  tiers: [],
  servesOtherModels: true,
})
