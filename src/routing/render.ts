/**
 * A decision as an answer to a person: why this node, why it was qualified, what each rejected one
 * lacked, why not the next best, what would have changed it, and what happened then.
 */

import { whatWouldChange } from './counterfactual.ts'
import type { Attempt, Decision, Ranking, Rejection } from './decision.ts'
import { fixed, milliseconds, percent, workerName } from './reason.ts'
import { meaningOf, summarizeRejections } from './refusal.ts'

/** Enough to see what a gate rejects; the decision itself has them all. */
const rejectionsPerGateMax = 10

export function renderDecision(decision: Decision): string {
  const paragraphs = [
    heading(decision),
    answer(decision),
    qualification(decision),
    nextBest(decision),
    rejected(decision),
    list('What would have changed this', whatWouldChange(decision)),
    list('What happened then', decision.attempts.map(attemptInWords)),
  ]
  return `${paragraphs.filter((paragraph) => paragraph !== '').join('\n\n')}\n`
}

function heading(decision: Decision): string {
  const time = new Date(decision.atMs).toISOString()
  return (
    `Decision ${decision.id}, for request ${decision.requestId}\n` +
    `${decision.model}, ${demandInWords(decision)}, at ${time} ` +
    `under policy ${decision.policyVersion}`
  )
}

function demandInWords({ request }: Decision): string {
  const parts = [`about ${request.promptTokens} tokens of prompt`]
  if (request.maxTokens !== null) parts.push(`at most ${request.maxTokens} tokens of answer`)
  if (request.objective.ttftMs !== null)
    parts.push(`first token within ${request.objective.ttftMs} ms`)
  if (request.objective.tpotMs !== null)
    parts.push(`${request.objective.tpotMs} ms per further token`)
  if (request.region !== null) parts.push(`only in region ${request.region}`)
  if (request.maxPrice !== null) parts.push(`at most ${request.maxPrice} µ$ per million tokens`)
  return parts.join(', ')
}

function answer(decision: Decision): string {
  if (decision.chosen === null) return `Nobody was chosen. ${summarizeRejections(decision)}`
  const name = workerName(decision.chosen)
  return `Why ${name}?\n  ${decision.reason}\n  Its full id is ${decision.chosen}.`
}

function qualification(decision: Decision): string {
  const chosen = decision.rankings.find(({ worker }) => worker === decision.chosen)
  if (chosen === undefined) return ''
  const passed = Object.keys(decision.gateCounts).join(', ')
  const lines = [
    `It passed every gate that this request asks for: ${passed}.`,
    ...recordInWords(chosen),
  ]
  return list('Why was it qualified?', lines)
}

function recordInWords(ranking: Ranking): readonly string[] {
  const link = ranking.roundTripMs === null ? 'not measured' : milliseconds(ranking.roundTripMs)
  const basis = {
    observed: 'from work seen',
    claimed: 'by its own statement, since nobody has seen it at work',
    assumed: 'assumed, since nothing is known of its speed',
  }[ranking.predictedFrom]
  return [
    `Completion: ${percent(ranking.completionMean)} expected, with 90 % certainty between ` +
      `${percent(ranking.completionLowerBound)} and ${percent(ranking.completionUpperBound)}, ` +
      `from ${fixed(ranking.completionSamples)} observations that still count.`,
    `In time: ${percent(ranking.timely)}; with completion, at least ` +
      `${percent(ranking.reliability)} reliable.`,
    `Predicted ${basis}: first token after ${milliseconds(ranking.predictedTtftMs)} ` +
      `(${milliseconds(ranking.predictedQueueMs)} of it in the queue), done after ` +
      `${milliseconds(ranking.predictedTotalMs)}.`,
    `Load ${fixed(ranking.load)} requests per slot, round trip ${link}, ` +
      `price ${fixed(ranking.price)} µ$ for this request.`,
  ]
}

function nextBest(decision: Decision): string {
  const chosen = decision.rankings.find(({ worker }) => worker === decision.chosen)
  if (chosen === undefined) return ''
  const others = decision.rankings.filter(({ worker }) => worker !== decision.chosen)
  const lines = others.map(
    (other) => `${other.rank}. ${workerName(other.worker)}: ${whyNot(other, chosen)}`,
  )
  const kept = decision.rankings.length
  if (decision.eligible > kept) lines.push(`… and ${decision.eligible - kept} more eligible ones.`)
  return list('Why not the next best?', lines)
}

function whyNot(other: Ranking, chosen: Ranking): string {
  const record =
    `at least ${percent(other.reliability)} reliable, ` +
    `done after ${milliseconds(other.predictedTotalMs)}, load ${fixed(other.load)}, ` +
    `${fixed(other.price)} µ$`
  if (!other.indistinguishable) return `measurably less reliable than the best (${record}).`
  if (!chosen.indistinguishable) return `would be chosen otherwise (${record}).`
  if (other.predictedTotalMs > chosen.predictedTotalMs) return `as reliable, slower (${record}).`
  if (other.load > chosen.load) return `as reliable, has more to do (${record}).`
  if (other.price > chosen.price) return `as reliable, dearer (${record}).`
  return `as good; such workers take turns by load and lot (${record}).`
}

function rejected(decision: Decision): string {
  const count = decision.candidates - decision.eligible
  if (count === 0) return ''
  const byGate = Map.groupBy(decision.rejections, ({ gate }) => gate)
  const lines = [...byGate].flatMap(([gate, rejections]) =>
    gateInWords(gate, rejections, decision.gateCounts[gate] ?? rejections.length),
  )
  return list(`What did the ${count} rejected of ${decision.candidates} candidates lack?`, lines)
}

function gateInWords(gate: string, rejections: readonly Rejection[], count: number): string[] {
  const shown = rejections.slice(0, rejectionsPerGateMax)
  const lines = [`${gate} (${count}): required ${rejections[0]?.required}`]
  for (const { worker, actual } of shown) lines.push(`  ${workerName(worker)}: ${actual}`)
  if (count > shown.length) lines.push(`  … and ${count - shown.length} more`)
  return lines
}

function attemptInWords(attempt: Attempt, index: number): string {
  const why = attempt.cause === 'retry' ? 'in place of the one before' : 'as decided'
  return `${index + 1}. ${workerName(attempt.worker)}, ${why}: ${endInWords(attempt)}.`
}

function endInWords(attempt: Attempt): string {
  const { startedAtMs, endedAtMs, ttftMs, outcome, code } = attempt
  if (outcome === 'running') return 'still running'
  const took = endedAtMs === null ? '' : ` after ${milliseconds(endedAtMs - startedAtMs)}`
  const first =
    ttftMs === null ? ', without a first token' : `, first token after ${milliseconds(ttftMs)}`
  const why = code === null ? '' : ` (${code}: ${meaningOf(code)})`
  return `${outcome}${took}${first}${why}`
}

function list(title: string, lines: readonly string[]): string {
  return lines.length === 0 ? '' : `${title}\n${lines.map((line) => `  ${line}`).join('\n')}`
}
