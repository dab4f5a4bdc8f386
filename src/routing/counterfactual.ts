/** What would have changed a decision, as far as its record can tell. */
import type { Decision, Ranking } from './decision.ts'
import { gates } from './gates/gates.ts'
import { fixed, milliseconds, percent, workerName } from './reason.ts'

/** These check what the request itself asks for: the client can ask for less. */
const askedByTheRequest = ['features', 'context', 'region', 'exclude', 'price', 'latency']
const temporary = new Set(gates.filter((gate) => gate.temporary).map(({ name }) => name))

export function whatWouldChange(decision: Decision): readonly string[] {
  const lines: string[] = []
  const chosen = decision.rankings.find(({ worker }) => worker === decision.chosen)
  const other = decision.rankings.find(({ worker }) => worker === decision.comparedWith)
  if (chosen !== undefined && other !== undefined) lines.push(otherwise(decision, chosen, other))
  for (const gate of askedByTheRequest) {
    const count = decision.gateCounts[gate] ?? 0
    const required = decision.rejections.find((rejection) => rejection.gate === gate)?.required
    if (count === 0 || required === undefined) continue
    lines.push(
      `Without the demand for ${required}, ${count} more would have passed the gate "${gate}".`,
    )
  }
  for (const { worker, gate, actual } of decision.rejections) {
    if (!temporary.has(gate)) continue
    lines.push(`${workerName(worker)} could do it, but not now (${actual}).`)
    if (lines.length >= linesMax) break
  }
  return lines
}

const linesMax = 10

function otherwise(decision: Decision, chosen: Ranking, other: Ranking): string {
  const name = workerName(other.worker)
  const atBest = other.completionUpperBound * other.timely
  switch (decision.decidedBy) {
    case 'reliability':
      return (
        `${name} could have been chosen if its record allowed for ` +
        `${percent(chosen.reliability)}; with 90 % certainty it reaches at most ${percent(atBest)}.`
      )
    case 'time':
      return (
        `${name} would have taken turns with it if it were predicted to be done in about ` +
        `${milliseconds(chosen.predictedTotalMs)}, not ${milliseconds(other.predictedTotalMs)}.`
      )
    case 'load':
      return `${name} would have been chosen with under ${fixed(chosen.load)} requests per slot.`
    case 'price':
      return `${name} would have been chosen for less than ${fixed(chosen.price)} µ$.`
    case 'chance':
      return `Another draw might have chosen ${name}.`
    case 'exploration':
      return (
        `${name}, or another of the best, would have been chosen had this not been a turn ` +
        'to explore.'
      )
    case 'spill':
      return `${name} would have been chosen with a free slot.`
    default:
      return `Nothing about ${name} is on record.`
  }
}
