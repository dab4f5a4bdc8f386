/** In plain words, what decided between the chosen candidate and the others. */
import type { WorkerId } from '../../protocol/index.ts'
import type { DecidingFactor, DecisionOutcome, Ranking } from '../decision.ts'
import type { RouteRequest } from '../request.ts'

/** What words need of a decision, or of the first choice in one. */
export interface Decided {
  readonly candidates: number
  readonly eligible: number
  readonly indistinguishable: number
  readonly alike: number
  readonly chosen: WorkerId | null
  readonly comparedWith: WorkerId | null
  readonly decidedBy: DecidingFactor | null
  readonly rankings: readonly Ranking[]
  readonly request?: Pick<RouteRequest, 'warm'>
}

type DecidedOrNot = Decided & {
  readonly outcome: DecisionOutcome
  readonly gateCounts: Readonly<Record<string, number>>
}

/** Records whose bounds are farther apart than this are too short to tell workers apart by. */
const shortRecordSpread = 0.05
/** Names in one sentence; the list below it has more. */
const namesMax = 8

export function reasonOf(decision: DecidedOrNot): string {
  if (decision.chosen === null) return whyNobody(decision)
  const { chosen, other } = comparedIn(decision)
  if (decision.decidedBy === null || decision.decidedBy === 'only') {
    return decision.candidates === 1
      ? 'It was the only candidate, and passed every gate.'
      : `It was the only one of ${decision.candidates} candidates that passed every gate.`
  }
  if (chosen === undefined || other === undefined) return 'The other candidate is not on record.'
  return whyThis(decision, chosen, other)
}

export function comparedIn(decision: Decided) {
  const find = (id: WorkerId | null) => decision.rankings.find(({ worker }) => worker === id)
  return { chosen: find(decision.chosen), other: find(decision.comparedWith) }
}

function whyThis(decision: Decided, chosen: Ranking, other: Ranking): string {
  const name = workerName(other.worker)
  switch (decision.decidedBy) {
    case 'reliability':
      return (
        `It is the more reliable: at least ${percent(chosen.reliability)} of such requests come ` +
        `back right and in time, and of ${name} at most ${percent(atBest(other))}.`
      )
    case 'time':
      return (
        `It is as reliable as ${name} as far as can be told, and is predicted to ` +
        `${soonerInWords(chosen, other, ' rather than ')}.`
      )
    case 'load':
      return (
        `${drawnAmong(decision)} It was drawn together with ${name} and has less to do, as this ` +
        `gateway estimates: ${requestsPerSlot(chosen)} rather than ${fixed(other.load)}.`
      )
    case 'price':
      return (
        `${drawnAmong(decision)} It was drawn together with ${name}, which has as much to do, ` +
        `and is cheaper: ${fixed(chosen.price)} µ$ rather than ${fixed(other.price)} µ$ for ` +
        'this request.'
      )
    case 'chance':
      return `It was drawn by lot. ${drawnAmong(decision)}`
    case 'affinity':
      return (
        `It read the beginning of this prompt lately${warmTokens(decision)}, and may have it in ` +
        `its cache. It is as reliable as ${name}, not much slower, and has hardly ` +
        `more to do (${requestsPerSlot(chosen)}).`
      )
    case 'exploration':
      return (
        `Its record is short (${observations(chosen)}), and a small ` +
        `share of requests goes to such workers to learn of them. Otherwise ${name}, or another ` +
        'of the best, would have been chosen.'
      )
    case 'probe':
      return (
        'It failed several times in a row not long ago, or is on probation, and single requests ' +
        `show whether it is well again. Otherwise ${name}, or another of the best, would have ` +
        'been chosen.'
      )
    case 'spill':
      return (
        'Every more reliable worker has a queue; it has a free slot and is predicted to ' +
        `${soonerInWords(chosen, other, `, ${name} only in `)}.`
      )
    default:
      return `What set it before ${name} is not on record.`
  }
}

function warmTokens({ request, chosen }: Decided): string {
  const warm = request?.warm?.find(({ worker }) => worker === chosen)
  return warm === undefined ? '' : `, about ${warm.promptTokens} tokens of it`
}

/** Whole answers that differ by more than this were not what was compared. */
const wholeAlikeMax = 1.3
/** Differences in time below this are none. */
const equalMs = 50

/** For example `be done in 2 s rather than 3 s`; by the first token where only that is sooner. */
export function soonerInWords(chosen: Ranking, other: Ranking, than: string): string {
  const isWhole = chosen.predictedTotalMs <= other.predictedTotalMs
  const [what, soon, late] = isWhole
    ? ['be done', chosen.predictedTotalMs, other.predictedTotalMs]
    : ['give its first token', chosen.predictedTtftMs, other.predictedTtftMs]
  return `${what} in ${milliseconds(soon)}${than}${milliseconds(late)}`
}

/** Who took turns, and why they do. */
function drawnAmong(decision: Decided): string {
  const turns = decision.rankings.filter(({ alike }) => alike)
  const names = turns.slice(0, namesMax).map(({ worker }) => workerName(worker))
  const further = decision.alike - names.length
  if (further > 0) names.push(`${further} more`)
  return `${decision.alike} workers take turns: ${inList(names)}. ${whyAlike(turns)}`
}

function whyAlike(turns: readonly Ranking[]): string {
  const totals = turns.map((one) => one.predictedTotalMs)
  const firsts = turns.map((one) => one.predictedTtftMs)
  // They are alike in what the request asked for: the first token, or the whole answer.
  const isWhole = Math.max(...totals) / Math.min(...totals) <= wholeAlikeMax
  const times = isWhole ? totals : firsts
  const [soonest, latest] = [Math.min(...times), Math.max(...times)].map(milliseconds)
  const of = isWhole ? '' : 'first token '
  const when = `${of}${soonest === latest ? `${soonest}` : `${soonest} to ${latest}`}`
  const [least = 0, most = 0] = [Math.min(...times), Math.max(...times)]
  const isEqual = most <= Math.max(least * wholeAlikeMax, least + equalMs)
  // Others take turns because each is sooner than the objective asks for.
  const how = isEqual ? 'about equally fast' : 'all soon enough'
  const fast = `and they are ${how} (predicted: ${when}).`
  if (turns.every(isNewcomer)) {
    return `Nobody has seen any of them at work yet, ${fast}`
  }
  const spreads = turns.map((one) => one.completionUpperBound - one.completionLowerBound)
  if (Math.max(...spreads) > shortRecordSpread) {
    const samples = turns.map((one) => one.completionSamples)
    const [few, many] = [Math.min(...samples), Math.max(...samples)].map(whole)
    const counts = few === many ? `${many}` : `${few} to ${many}`
    return (
      `Their records are too short to tell their reliability apart (${counts} ` +
      `${many === '1' || many === 'under 1' ? 'observation' : 'observations'} each), ${fast}`
    )
  }
  return `Their reliability cannot be told apart, ${fast}`
}

/** Nothing that still counts was seen of it. */
export function isNewcomer({ completionSamples }: Ranking): boolean {
  return completionSamples < 0.005
}

/** The most that its record allows for. */
export function atBest({ reliabilityAtBest }: Ranking): number {
  return reliabilityAtBest
}

/**
 * The probability that the objective is met, by what is sure: the factor of its reliability that
 * stands nowhere else on record.
 */
export function timelyAtLeast(ranking: Ranking): number {
  const { availability, clean, completionLowerBound, reliability, timely } = ranking
  const others = completionLowerBound * clean * availability
  return others > 0 ? Math.min(timely, reliability / others) : 0
}

function whyNobody({ candidates, gateCounts, outcome }: DecidedOrNot): string {
  if (candidates === 0) return 'There was no candidate: no worker has joined this gateway.'
  const counts = gateCountsInWords(gateCounts)
  if (outcome === 'busy') return `Everybody who can do this has no room now (${counts}).`
  if (candidates === 1) return `The only candidate did not pass every gate (${counts}).`
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

/** `a, b and c` */
export function inList(names: readonly string[], last = 'and'): string {
  if (names.length < 2) return names.join('')
  return `${names.slice(0, -1).join(', ')} ${last} ${names[names.length - 1]}`
}

/** `1 token`, `2 tokens` */
export function plural(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`
}

export function observations({ completionSamples }: Ranking): string {
  const count = whole(completionSamples)
  return `${count} ${count === '1' || count === 'under 1' ? 'observation' : 'observations'}`
}

export function requestsPerSlot({ load }: Ranking): string {
  return `${fixed(load)} ${load === 1 ? 'request' : 'requests'} per slot`
}

export function percent(share: number): string {
  return `${(share * 100).toFixed(1).replace(/\.0$/, '')} %`
}

export function milliseconds(ms: number): string {
  return ms >= 10_000 ? `${(ms / 1e3).toFixed(1)} s` : `${Math.round(ms)} ms`
}

/** Observations fade, so there are parts of one. */
function whole(count: number): string {
  return count > 0 && count < 0.95 ? 'under 1' : `${Math.round(count)}`
}

/** Two decimals, or three digits where that would show nothing. */
export function fixed(value: number): string {
  if (value === 0 || Math.abs(value) >= 0.1) return `${Math.round(value * 100) / 100}`
  return `${Number(value.toPrecision(3))}`
}
