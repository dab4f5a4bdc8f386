/**
 * A decision as an answer to a person: why this node, why it was qualified, why not the others,
 * what each rejected one lacked, what would have changed it, and what happened then.
 */
import type { AnswerLength } from '../../evidence/index.ts'
import { isUpstreamId } from '../../protocol/index.ts'
import type { RoundTripSource } from '../candidate.ts'
import type { Attempt, Decision, MoveReason, Ranking, Rejection } from '../decision.ts'
import { whatWouldChange } from './counterfactual.ts'
import { bestInNumbers } from './numbers.ts'
import {
  type Decided,
  fixed,
  isNewcomer,
  milliseconds,
  observations,
  percent,
  plural,
  requestsPerSlot,
  timelyAtLeast,
  workerName,
} from './reason.ts'
import { meaningOf, summarizeRejections } from './refusal.ts'
import { othersInWords } from './why-not.ts'
import { columnsDefault, wrap } from './wrap.ts'

/** Enough to see what a gate rejects; the decision itself has them all. */
const factsPerGateMax = 5
/** A length that differs from another by no more is about the same. */
const lengthAlikeMax = 1.5
/** Workers with the same fact that are all named; of more, as many as examples. */
const namesPerFactMax = 3

export interface RenderOptions {
  /** That a line may have. */
  readonly columns?: number
  /** It was only asked for: nothing was sent. */
  readonly isPreview?: boolean
  /** A last paragraph. */
  readonly footer?: string
}

export function renderDecision(decision: Decision, options: RenderOptions = {}): string {
  const { columns = columnsDefault, footer = '', isPreview = false } = options
  const paragraphs = [
    heading(decision, isPreview),
    answer(decision),
    qualification(decision),
    othersOf(decision, 'Why not the others?'),
    bestInNumbers(decision, columns),
    rejected(decision),
    list('What would have changed this', whatWouldChange(decision)),
    asFirstDecided(decision),
    list(
      'What happened then',
      decision.attempts.map((_, i) => attemptInWords(decision, i)),
    ),
    footer,
  ]
  const text = paragraphs.filter((paragraph) => paragraph !== '').join('\n\n')
  return `${wrap(text, columns)}\n`
}

function heading(decision: Decision, isPreview: boolean): string {
  const time = new Date(decision.atMs).toISOString()
  const tier = decision.tier === null ? '' : ` (tier ${decision.tier})`
  const view = decision.rounds.at(-1)?.view ?? null
  const seen =
    view === null ? '' : `, by what was known of the nodes then (${view.frame}.${view.change})`
  const names = isPreview
    ? ['A preview: nothing was sent, and nothing of it is kept.']
    : [`Decision ${decision.id}`, `Request  ${decision.requestId}`]
  return [
    ...names,
    `${decision.model}${tier}, ${demandInWords(decision)}, at ${time} under policy ` +
      `${decision.policyVersion}${seen}`,
  ].join('\n')
}

function demandInWords({ request }: Decision): string {
  const parts = [`about ${plural(request.promptTokens, 'token')} of prompt`]
  if (request.maxTokens !== null) {
    parts.push(`at most ${plural(request.maxTokens, 'token')} of answer`)
  }
  if (request.objective.ttftMs !== null)
    parts.push(`first token within ${request.objective.ttftMs} ms`)
  if (request.objective.tpotMs !== null)
    parts.push(`${request.objective.tpotMs} ms per further token`)
  if (request.region !== null) parts.push(`only in region ${request.region}`)
  if (request.maxPrice !== null) parts.push(`at most ${request.maxPrice} µ$ per million tokens`)
  return parts.join(', ')
}

function answer(decision: Decision): string {
  if (decision.chosen === null) {
    return [...waited(decision), `Nobody was chosen. ${summarizeRejections(decision)}`].join(' ')
  }
  const name = workerName(decision.chosen)
  const again = [...waited(decision), ...inPlaceOf(decision)]
  return list(`Why ${name}?`, [...again, decision.reason, `Its full id is ${decision.chosen}.`])
}

/** Who had it before, where it was decided again. */
function inPlaceOf({ attempts, chosen, first }: Decision): readonly string[] {
  if (first === null) return []
  // Whoever waited was decided on twice before anybody was asked.
  const others = attempts.filter(({ worker }) => first.chosen !== null || worker !== chosen)
  const failed = others.find(({ outcome }) => outcome === 'failed')
  if (failed !== undefined) {
    return [`It was chosen after ${workerName(failed.worker)} had failed; see below.`]
  }
  const before = others.find(({ outcome }) => outcome === 'cancelled')
  return before === undefined ? [] : [`It took over from ${workerName(before.worker)}; see below.`]
}

/** Nobody had room at first. */
function hasWaited({ first }: Decision): boolean {
  return first !== null && first.chosen === null
}

/** Until the first attempt, if there was one. */
function waited(decision: Decision): readonly string[] {
  const { atMs, attempts, first } = decision
  if (first === null || !hasWaited(decision)) return []
  const untilMs = Math.min(atMs, attempts[0]?.startedAtMs ?? atMs)
  return [
    `The request waited ${milliseconds(untilMs - first.atMs)}: all who can serve it were busy.`,
  ]
}

function qualification(decision: Decision): string {
  const chosen = decision.rankings.find(({ worker }) => worker === decision.chosen)
  if (chosen === undefined) return ''
  const passed = Object.keys(decision.gateCounts).join(', ')
  const lines = [
    `It passed every gate that this request asks for: ${passed}.`,
    completionInWords(chosen),
    'By what is sure so far, it stays until such a request is done in ' +
      `${percent(chosen.availability)} of cases at least, and keeps the rules in ` +
      `${percent(chosen.clean)} of cases at least; the shorter its record, the lower both.`,
    ...timeInWords(decision, chosen),
    `${capital(requestsPerSlot(chosen))} (a slot has one request at a time), ` +
      `${linkInWords(chosen)}, ` +
      `price ${fixed(chosen.price)} µ$ for this request.`,
  ]
  return list('Why was it qualified?', lines)
}

function completionInWords(ranking: Ranking): string {
  const least = percent(ranking.completionLowerBound)
  const most = percent(ranking.completionUpperBound)
  if (isNewcomer(ranking)) {
    return (
      `Nobody has seen it at work yet; its success is counted as ${least} at least and ${most} ` +
      'at most, until there is more to go by.'
    )
  }
  return (
    `Of requests sent there, ${percent(ranking.completionMean)} are expected to come back whole: ` +
    `with 90 % certainty between ${least} and ${most} (${observations(ranking)}, older ones faded).`
  )
}

function timeInWords(decision: Decision, ranking: Ranking): readonly string[] {
  const queue =
    ranking.predictedQueueMs === 0
      ? 'nothing of it in a queue'
      : `${milliseconds(ranking.predictedQueueMs)} of it in the queue`
  const pace = ranking.paceSeen === true ? ' (its pace per token was seen)' : ''
  const predicted =
    `${basisInWords(ranking)}: first token after ${milliseconds(ranking.predictedTtftMs)} ` +
    `(${queue}), done after ${milliseconds(ranking.predictedTotalMs)}${pace}, ` +
    `${lengthInWords(decision)}.`
  const { ttftMs, tpotMs } = decision.request.objective
  if (ttftMs === null && tpotMs === null) return [predicted]
  return [
    predicted,
    `By the prediction it is within the objective in ${percent(ranking.timely)} of cases, by ` +
      `what is sure in ${percent(timelyAtLeast(ranking))} at least. Whole, by the rules and in ` +
      `time: ${percent(ranking.reliability)} at least.`,
  ]
}

/** What the time to its first token rests on. */
function basisInWords(ranking: Ranking): string {
  const unseen = isNewcomer(ranking)
    ? 'nobody has seen it at work'
    : 'no first token of it was seen'
  switch (ranking.predictedFrom) {
    case 'observed':
      return 'Predicted from work seen'
    case 'claimed':
      return `Predicted from the speed that it states, since ${unseen}`
    default:
      return `Assumed, since it states no speed and ${unseen}`
  }
}

/** What the predicted time to the last token rests on. */
function lengthInWords(decision: Decision): string {
  const { predictedTokens, request } = decision
  const { features, maxTokens, usualAnswer } = request
  const tokens = plural(predictedTokens, 'token')
  if (features.includes('embedding')) return 'with no answer to write'
  if (maxTokens !== null && maxTokens <= predictedTokens) {
    return `for an answer of ${tokens}, all that the request allows`
  }
  if (usualAnswer !== undefined) {
    return `for an answer of about ${tokens}${usualInWords(usualAnswer, decision)}`
  }
  const why = maxTokens === null ? 'the request sets no limit' : 'few answers reach their limit'
  return `for an answer of ${tokens}, an assumption, since ${why}`
}

/** Expected is a length between what was seen and what is assumed, as long as few were seen. */
function usualInWords({ samples, tokens }: AnswerLength, decision: Decision): string {
  const { completionTokens, predictedTokens, request } = decision
  const ratio = predictedTokens / tokens
  if (ratio <= lengthAlikeMax && ratio >= 1 / lengthAlikeMax) return ', as this model’s lately'
  const seen = plural(Math.max(1, Math.round(samples)), 'answer')
  // A limit below the assumption hides it.
  const assumed = `${completionTokens}${completionTokens === request.maxTokens ? ' or more' : ''}`
  return `: ${assumed} are assumed, and some ${seen} of this model lately had about ${tokens}`
}

function linkInWords({ worker, roundTripMs, roundTripSource }: Ranking): string {
  if (isUpstreamId(worker)) return 'the way to its server is part of its times'
  if (roundTripMs === null) return 'round trip not measured'
  return `round trip ${milliseconds(roundTripMs)} (${sourceInWords[roundTripSource]})`
}

const sourceInWords: Readonly<Record<RoundTripSource, string>> = {
  measured: 'measured',
  predicted: 'predicted by coordinates',
  map: 'by the latency map',
  region: 'usual for its region',
  assumed: 'assumed',
}

function othersOf(decided: Decided, title: string): string {
  return decided.eligible < 2 ? '' : list(title, othersInWords(decided))
}

function rejected(decision: Decision): string {
  const count = decision.candidates - decision.eligible
  if (count === 0) return ''
  const byGate = Map.groupBy(decision.rejections, ({ gate }) => gate)
  const counts = Object.entries(decision.gateCounts).filter(([, one]) => one > 0)
  const lines = counts.flatMap(([gate, one]) => gateInWords(gate, byGate.get(gate) ?? [], one))
  const who =
    count === decision.candidates
      ? plural(count, 'candidate')
      : `${count} rejected of ${plural(decision.candidates, 'candidate')}`
  return list(`What did the ${who} lack?`, lines)
}

/** A line per fact that was found, with the workers that had it. */
function gateInWords(gate: string, rejections: readonly Rejection[], count: number): string[] {
  const [first] = rejections
  if (first === undefined) return [`${gate} (${count})`]
  const lines = [`${gate} (${count}): required ${first.required}`]
  const byFact = [...Map.groupBy(rejections, ({ actual }) => actual)]
  byFact.sort(([, a], [, b]) => b.length - a.length)
  let shown = 0
  for (const [actual, having] of byFact.slice(0, factsPerGateMax)) {
    lines.push(`  ${actual}: ${namesOf(having)}`)
    shown += having.length
  }
  if (count > shown) lines.push(`  … and ${count - shown} more`)
  return lines
}

function namesOf(rejections: readonly Rejection[]): string {
  const names = rejections.slice(0, namesPerFactMax).map(({ worker }) => workerName(worker))
  if (rejections.length <= namesPerFactMax) return names.join(', ')
  return `${rejections.length} workers, for example ${names.join(', ')}`
}

/** What was decided before an attempt failed. */
function asFirstDecided({ first }: Decision): string {
  if (first === null || first.chosen === null) return ''
  const head = list('As first decided', [`${workerName(first.chosen)} was chosen. ${first.reason}`])
  return first.eligible < 2 ? head : `${head}\n${othersInWords(first).map(indented).join('\n')}`
}

function attemptInWords(decision: Decision, index: number): string {
  const attempt = decision.attempts[index]
  if (attempt === undefined) return ''
  const why = whyTried(attempt, hasWaited(decision))
  return `${index + 1}. ${workerName(attempt.worker)}, ${why}: ${endInWords(attempt, decision)}.`
}

function whyTried(attempt: Attempt, hasWaited: boolean): string {
  const { cause, splice } = attempt
  switch (cause) {
    case 'picked':
      return hasWaited ? 'when there was room' : 'as first decided'
    case 'retry':
      return 'in place of the one before'
    case 'hedge':
      return 'beside the one before, whose first token was late'
    case 'migration':
      return `${spliceInWords(attempt)}; ${movedInWords[splice?.reason ?? 'draining']}`
    default:
      return spliceInWords(attempt)
  }
}

const movedInWords: Readonly<Record<MoveReason, string>> = {
  draining: 'moved, since the one before is about to stop',
  suspected: 'moved, since the one before is suspected of being dead',
  slow: 'moved, since the one before was slower than the objective',
}

/** The cause is the failure before it, which stands in the line above. */
function spliceInWords({ splice }: Attempt): string {
  const tokens = plural(splice?.tokens ?? 0, 'token')
  const pauseMs = splice?.pauseMs ?? null
  const pause = pauseMs === null ? '' : `, after a pause of ${milliseconds(pauseMs)}`
  return `going on behind the ${tokens} that were there${pause}`
}

function endInWords(attempt: Attempt, { request }: Decision): string {
  const { startedAtMs, endedAtMs, outcome, code } = attempt
  if (outcome === 'running') return 'still running'
  const took = endedAtMs === null ? '' : ` after ${milliseconds(endedAtMs - startedAtMs)}`
  const first = request.features.includes('embedding') ? '' : firstTokenInWords(attempt)
  const why = code === null ? '' : ` (${code}: ${meaningOf(code)})`
  return `${outcome}${took}${first}${why}`
}

/** Whole answers of upstreams, and those without a token, are not seen to begin. */
function firstTokenInWords({ ttftMs, outcome }: Attempt): string {
  if (ttftMs !== null) return `, first token after ${milliseconds(ttftMs)}`
  return outcome === 'completed' ? ', in one piece' : ', without a first token'
}

function list(title: string, lines: readonly string[]): string {
  return lines.length === 0 ? '' : `${title}\n${lines.map(indented).join('\n')}`
}

function indented(line: string): string {
  return `  ${line}`
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}
