/** How fast a worker was seen to be, beside what it states. */
import { newcomer, type Response, type WorkerEvidence } from '../evidence/index.ts'

/** A straight line in two things needs more to go by than a mean. */
export const curveSamples = 6
/** What is seen of statements that nobody could keep, or that were far too modest. */
const keptLeast = 0.5
const keptMost = 100

export function heldRatio(ratio: number): number {
  return Math.min(keptMost, Math.max(keptLeast, ratio))
}

/** A token takes by so much longer in a full batch than alone, where nothing else is known. */
const fullBatchCosts = 1
/** The median answer of public chat traces, for the time that those who were there took. */
export const usualCompletionTokens = 256

interface Paced {
  readonly statedTpotMs: number
  readonly claimSamples: number
  /** Requests per slot, at most 1: a full batch grows no larger. */
  readonly load: number
}

/** The time per token: each takes longer, the more are in the batch. */
export function paceAt(
  { pace, tpot }: WorkerEvidence,
  { statedTpotMs, claimSamples, load }: Paced,
) {
  if (pace === undefined) {
    const share = tpot === undefined ? 0 : tpot.samples / (tpot.samples + claimSamples)
    return statedTpotMs + ((tpot?.meanMs ?? 0) - statedTpotMs) * share
  }
  const { samples, meanMs, msPerLoad } = pace
  const ratio = meanMs / (statedTpotMs * (1 + fullBatchCosts * pace.load))
  const held = heldRatio(ratio)
  const kept = 1 + ((held - 1) * samples) / (samples + claimSamples)
  const statedMs = statedTpotMs * (1 + fullBatchCosts * load) * kept
  const seenMs = Math.max(0, meanMs + msPerLoad * (load - pace.load))
  return statedMs + ((seenMs - statedMs) * samples) / (samples + curveSamples)
}

interface Stated {
  readonly linkMs: number
  /** Of what was read on the mean. */
  readonly readMs: number
  readonly decodeMs: number
  readonly slots: number
  /** Then what was ahead of those that were seen is in their tokens. */
  readonly isAheadKnown: boolean
}

/** By how much longer than stated it took, of what was seen; 1: it states nothing. */
export function ratioSeen({ load, meanMs }: Response, stated: Stated): number {
  const { linkMs, readMs, decodeMs, slots, isAheadKnown } = stated
  if (readMs <= 0) return 1
  const present = load * slots
  const turns = Math.max(0, present + 1 - slots) / slots
  const reading = isAheadKnown ? 0 : present * (readMs / (readMs + decodeMs))
  const othersMs = isAheadKnown ? 0 : turns * readMs
  const wholeMs = readMs + reading * readMs + othersMs + turns * decodeMs
  return Math.max(0, meanMs - linkMs) / wholeMs
}

/** What is seen of a record worse than a newcomer's: some answers have to be asked for again. */
export function repeatsOf(mean: number): number {
  return mean < newcomer.completion.mean ? newcomer.completion.mean / Math.max(mean, 1e-6) : 1
}
