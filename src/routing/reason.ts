/** In plain words, what decided between the chosen candidate and the next best. */
import type { WorkerId } from '../protocol/index.ts'
import type { DecidingFactor, DecisionOutcome, Ranking } from './decision.ts'

interface Decided {
  readonly candidates: number
  readonly eligible: number
  readonly outcome: DecisionOutcome
  readonly chosen: WorkerId | null
  readonly comparedWith: WorkerId | null
  readonly decidedBy: DecidingFactor | null
  readonly gateCounts: Readonly<Record<string, number>>
  readonly rankings: readonly Ranking[]
}

export function reasonOf(decision: Decided): string {
  if (decision.chosen === null) return whyNobody(decision)
  const chosen = decision.rankings.find(({ worker }) => worker === decision.chosen)
  const other = decision.rankings.find(({ worker }) => worker === decision.comparedWith)
  if (decision.decidedBy === null || decision.decidedBy === 'only') {
    return `It was the only one of ${decision.candidates} candidates that passed every gate.`
  }
  if (chosen === undefined || other === undefined) return 'The other candidate is not on record.'
  return whyThis(decision.decidedBy, chosen, other)
}

function whyThis(by: Exclude<DecidingFactor, 'only'>, chosen: Ranking, other: Ranking): string {
  const name = workerName(other.worker)
  switch (by) {
    case 'reliability':
      return (
        `It is the more reliable: at least ${percent(chosen.reliability)} of such requests come ` +
        `back right and in time, and of ${name} at least ${percent(other.reliability)}.`
      )
    case 'time':
      return (
        `It is as reliable as ${name} as far as can be told, and is predicted to be done in ` +
        `${milliseconds(chosen.predictedTotalMs)} rather than ` +
        `${milliseconds(other.predictedTotalMs)}.`
      )
    case 'load':
      return (
        `It is as reliable and about as fast as ${name}, and has less to do: ` +
        `${fixed(chosen.load)} requests per slot rather than ${fixed(other.load)}.`
      )
    case 'price':
      return (
        `It is as reliable, as fast and as free as ${name}, and cheaper: ` +
        `${fixed(chosen.price)} µ$ rather than ${fixed(other.price)} µ$ for this request.`
      )
    case 'chance':
      return `It was drawn by lot: nothing sets it apart from ${name}.`
    case 'exploration':
      return (
        `Its record is short (${fixed(chosen.completionSamples)} observations), and a small ` +
        `share of requests goes to such workers to learn of them. Otherwise ${name} was the ` +
        'next best.'
      )
    case 'spill':
      return (
        'Every more reliable worker has a queue; it has a free slot and is predicted to be done ' +
        `in ${milliseconds(chosen.predictedTotalMs)}, ${name} only in ` +
        `${milliseconds(other.predictedTotalMs)}.`
      )
  }
}

function whyNobody({ candidates, gateCounts, outcome }: Decided): string {
  if (candidates === 0) return 'There was no candidate: no worker has joined this gateway.'
  const counts = gateCountsInWords(gateCounts)
  if (outcome === 'busy') return `Everybody who can do this has no room now (${counts}).`
  return `None of ${candidates} candidates passed every gate (${counts}).`
}

/** For example `region 3, slots 1`, the most frequent first. */
export function gateCountsInWords(gateCounts: Readonly<Record<string, number>>): string {
  const counts = Object.entries(gateCounts).filter(([, count]) => count > 0)
  counts.sort((a, b) => b[1] - a[1])
  return counts.map(([gate, count]) => `${gate} ${count}`).join(', ')
}

/**
 * The first characters of a node's id are enough for people; an upstream's name is short already.
 */
export function workerName(worker: WorkerId): string {
  return worker.startsWith('upstream-') ? worker : worker.slice(0, 8)
}

export function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`
}

export function milliseconds(ms: number): string {
  return ms >= 10_000 ? `${(ms / 1e3).toFixed(1)} s` : `${Math.round(ms)} ms`
}

/** Two decimals, or three digits where that would show nothing. */
export function fixed(value: number): string {
  if (value === 0 || Math.abs(value) >= 0.1) return `${Math.round(value * 100) / 100}`
  return `${Number(value.toPrecision(3))}`
}
