/** What would have changed a decision, as far as its record can tell. */
import type { Decision, Ranking } from '../decision.ts'
import { gates } from '../gates/gates.ts'
import { defaultPolicy } from '../policy.ts'
import { repeatsOf } from '../seen-speed.ts'
import {
  atBest,
  comparedIn,
  fixed,
  inList,
  milliseconds,
  percent,
  soonerInWords,
  workerName,
} from './reason.ts'

/** These check what the request itself asks for: the client can ask for less. */
const askedByTheRequest = ['features', 'context', 'region', 'exclude', 'price', 'latency']
/** These check what the operator's policy asks for the model: the operator can ask for less. */
const askedByThePolicy = ['hardware', 'build', 'memory', 'throughput', 'tier-price']
const temporary = new Set(gates.filter((gate) => gate.temporary).map(({ name }) => name))
/** Names in one sentence. */
const namesMax = 8

export function whatWouldChange(decision: Decision): readonly string[] {
  const lines: string[] = []
  const { chosen, other } = comparedIn(decision)
  if (chosen !== undefined && other !== undefined) lines.push(otherwise(decision, chosen, other))
  lines.push(
    ...withoutDemand(
      decision,
      askedByTheRequest,
      (required) => `Without the demand for ${required}`,
    ),
    ...withoutDemand(
      decision,
      askedByThePolicy,
      (required) => `Had the policy not asked for ${required}`,
    ),
  )
  const later = decision.rejections.filter(({ gate }) => temporary.has(gate))
  for (const { worker, actual } of later.slice(0, laterMax)) {
    lines.push(`${workerName(worker)} could do it, but not now (${actual}).`)
  }
  if (later.length > laterMax) {
    lines.push(`${later.length - laterMax} more could do it, but not now.`)
  }
  return lines
}

function withoutDemand(
  { eligible, gateCounts, rejections }: Decision,
  asked: readonly string[],
  inWords: (required: string) => string,
): readonly string[] {
  return asked.flatMap((gate) => {
    const count = gateCounts[gate] ?? 0
    const required = rejections.find((rejection) => rejection.gate === gate)?.required
    if (count === 0 || required === undefined) return []
    const more = eligible > 0 ? ' more' : ''
    return [`${inWords(demanded(required))}, ${count}${more} would have passed the gate "${gate}".`]
  })
}

/** As a noun; what a gate required stands alone elsewhere. */
function demanded(required: string): string {
  return required.replace(/^first token/, 'a first token')
}

/** Examples are enough: the gate that turned them away says the rest. */
const laterMax = 3

function otherwise(decision: Decision, chosen: Ranking, other: Ranking): string {
  const name = workerName(other.worker)
  switch (decision.decidedBy) {
    case 'reliability':
      return (
        `${name} could have been chosen if its record allowed for ` +
        `${percent(chosen.reliability)}; with 90 % certainty it reaches at most ` +
        `${percent(atBest(other))}.`
      )
    case 'time':
      return (
        `${name} would have taken turns with it if it were predicted to ` +
        `${soonEnough(decision, chosen, other) ?? soonerInWords(chosen, other, ' or so, not ')}.`
      )
    case 'load':
      return anotherDraw(decision, withLessToDo(chosen, other))
    case 'price':
      return anotherDraw(
        decision,
        `${name} would have been chosen for less than ${fixed(chosen.price)} µ$.`,
      )
    case 'chance':
      return anotherDraw(decision)
    case 'affinity':
      return (
        `${name}, or another of the best, would have been chosen for a prompt that begins ` +
        'otherwise.'
      )
    case 'exploration':
      return (
        `${name}, or another of the best, would have been chosen had this not been a turn ` +
        'to explore.'
      )
    case 'probe':
      return (
        `${name}, or another of the best, would have been chosen had this not been a turn to ` +
        'try a worker that failed, or is on probation.'
      )
    case 'spill':
      return `${name} would have been chosen with a free slot.`
    default:
      return `Nothing about ${name} is on record.`
  }
}

/**
 * Up to which time others take turns with the chosen one, the fastest of its group; undefined: that
 * depends on what is not on record. A decision names its policy and does not hold it, so that of
 * another policy than the default is not known. Of workers that nobody has seen at work the time of
 * those that somebody has counts, which changes nothing as long as the other's repeats are few.
 */
function soonEnough(decision: Decision, chosen: Ranking, other: Ranking): string | undefined {
  if (decision.policyVersion !== defaultPolicy.version) return undefined
  const { sameSpeedFactor, sameSpeedMs, soonShare } = defaultPolicy
  const [repeats, otherRepeats] = [chosen, other].map((one) => repeatsOf(one.completionMean))
  if (repeats === undefined || otherRepeats === undefined) return undefined
  if (otherRepeats > repeats * sameSpeedFactor) return undefined
  const { ttftMs } = decision.request.objective
  const isWhole = ttftMs === null
  const [soonMs, lateMs] = [chosen, other].map((one) =>
    isWhole ? one.predictedTotalMs : one.predictedTtftMs,
  ) as [number, number]
  const rightMs = soonMs * repeats
  const alikeMs = Math.max(rightMs * sameSpeedFactor, rightMs + sameSpeedMs)
  const mostMs = Math.max(alikeMs, soonShare * (ttftMs ?? 0)) / otherRepeats
  const what = isWhole ? 'be done' : 'give its first token'
  return `${what} in at most ${milliseconds(roundedDown(mostMs))}, not ${milliseconds(lateMs)}`
}

/** As far as it is shown. */
function roundedDown(ms: number): number {
  return ms >= 10_000 ? Math.floor(ms / 100) * 100 : Math.floor(ms)
}

/** Nobody has less to do than nothing: where load is alike, price decides, and then the lot. */
function withLessToDo(chosen: Ranking, other: Ranking): string {
  const name = workerName(other.worker)
  if (chosen.load > 0) {
    return `${name} would have been chosen with under ${fixed(chosen.load)} requests per slot.`
  }
  const idle = `With nothing at all to do, ${name}`
  if (other.price < chosen.price) {
    return `${idle} would have been chosen: it is cheaper (${fixed(other.price)} µ$).`
  }
  return other.price === chosen.price
    ? `${idle} would have been as likely to be chosen.`
    : `${idle} would have been chosen for less than ${fixed(chosen.price)} µ$.`
}

/** @param also what else would have led to the one that was drawn together with the chosen one */
function anotherDraw(decision: Decision, also = ''): string {
  const turns = decision.rankings.filter(({ alike }) => alike)
  const others = turns.filter((one) => one.worker !== decision.chosen && canWin(one, turns))
  const names = others.slice(0, namesMax).map(({ worker }) => workerName(worker))
  const further = decision.alike - turns.length + others.length - names.length
  if (further > 0) names.push(`one of ${further} more`)
  if (names.length === 0) return also
  return `Another draw might have chosen ${inList(names, 'or')}.${also === '' ? '' : ` ${also}`}`
}

/** Of two drawn the one with less to do is taken: who has most to do is never that one. */
function canWin(one: Ranking, turns: readonly Ranking[]): boolean {
  return turns.some(
    (other) =>
      other !== one &&
      (one.load < other.load || (one.load === other.load && one.price <= other.price)),
  )
}
