/** The eligible in the order in which they stood, each with the one thing that decided about it. */
import type { Ranking } from '../decision.ts'
import {
  atBest,
  comparedIn,
  type Decided,
  fixed,
  isNewcomer,
  milliseconds,
  percent,
  requestsPerSlot,
  workerName,
} from './reason.ts'

/** A line per candidate that is on record, the chosen one among them; then the counts. */
export function othersInWords(decided: Decided): readonly string[] {
  const { chosen } = comparedIn(decided)
  // The first in rank is the fastest of the group: who is measured against is the surest.
  const [best] = [...decided.rankings].sort((a, b) => b.reliability - a.reliability)
  const lines = decided.rankings.map((one) => {
    const why =
      chosen === undefined || one === chosen
        ? 'the chosen one.'
        : whyNot(one, { decided, chosen, best: best ?? chosen })
    return `${one.rank}. ${workerName(one.worker)}: ${why}`
  })
  const further = decided.eligible - decided.rankings.length
  if (further > 0) lines.push(`… and ${further} more${countsInWords(decided)}.`)
  return lines
}

/** What kept those out that are not on record. */
function countsInWords(decided: Decided): string {
  // Those to whom a request spills are not of the group, so the counts would not add up.
  if (decided.decidedBy === 'spill') return ' that passed every gate'
  const shown = (has: (one: Ranking) => boolean) => decided.rankings.filter(has).length
  const alike = decided.alike - shown((one) => one.alike)
  const group = decided.indistinguishable - shown((one) => one.indistinguishable)
  const rest = decided.eligible - decided.rankings.length - group
  const parts = [
    alike > 0 ? `${alike} just as good` : '',
    group - alike > 0 ? `${group - alike} as reliable, but slower` : '',
    rest > 0 ? `${rest} less reliable` : '',
  ].filter((part) => part !== '')
  return `: ${parts.join(', ')}`
}

interface Against {
  readonly decided: Decided
  readonly chosen: Ranking
  readonly best: Ranking
}

function whyNot(other: Ranking, { decided, chosen, best }: Against): string {
  if (!other.indistinguishable && !(decided.decidedBy === 'spill' && other.alike)) {
    return lessReliable(other, best)
  }
  if (decided.decidedBy === 'exploration' || decided.decidedBy === 'probe') {
    return other.alike
      ? 'one of the best, but this was a turn to explore.'
      : `as reliable as the best, but slower (${doneAfter(other)}).`
  }
  if (decided.decidedBy === 'affinity' && other.alike) {
    return 'just as good, but has not read the beginning of this prompt.'
  }
  if (decided.decidedBy === 'spill' && !other.alike) {
    return `more reliable, but has a queue (${requestsPerSlot(other)}).`
  }
  if (!other.alike) return slower(other, chosen)
  // Whom a request spilled to was drawn as well, but against whom is not on record.
  if (decided.decidedBy === 'spill') return 'as good as the chosen one, which the draw preferred.'
  if (other.worker !== decided.comparedWith) {
    return 'just as good, but not one of the two that were drawn.'
  }
  if (other.load > chosen.load) {
    return (
      `drawn too, but has more to do by estimate (${requestsPerSlot(other)}, not ` +
      `${fixed(chosen.load)}).`
    )
  }
  if (other.price > chosen.price) {
    return `drawn too, but dearer (${fixed(other.price)} µ$, not ${fixed(chosen.price)} µ$).`
  }
  return 'drawn too, and alike in load and price: the lot decided.'
}

function lessReliable(other: Ranking, best: Ranking): string {
  const record = isNewcomer(other)
    ? `nobody has seen it at work, so it counts as ${percent(other.reliability)}`
    : `${percent(atBest(other))} at most`
  return `less reliable (${record}; the best reaches ${percent(best.reliability)} at least).`
}

function slower(other: Ranking, chosen: Ranking): string {
  if (other.predictedTotalMs > chosen.predictedTotalMs) {
    return (
      `as reliable, but slower (${doneAfter(other)}, not ` +
      `${milliseconds(chosen.predictedTotalMs)}).`
    )
  }
  if (other.predictedTtftMs > chosen.predictedTtftMs) {
    const [late, soon] = [other, chosen].map((one) => milliseconds(one.predictedTtftMs))
    return `as reliable, but slower (first token after ${late}, not ${soon}).`
  }
  if (other.predictedFrom !== 'observed' || isNewcomer(other)) {
    return `as reliable, but nobody has seen it be as fast as it says (${doneAfter(other)}).`
  }
  return `as reliable, but slower with the repeats that its failures cost (${doneAfter(other)}).`
}

function doneAfter({ predictedTotalMs }: Ranking): string {
  return `done after ${milliseconds(predictedTotalMs)}`
}
