/** Why none of the nodes that offer a model can serve a request, in a sentence for its client. */
import type { Decision, Rejection } from '../decision.ts'
import { inList, workerName } from './reason.ts'

/** One who failed at them shows how far off it is. */
const exampleGates = ['price', 'latency', 'memory', 'throughput', 'tier-price', 'hardware', 'build']
/** Enough to choose from in one line. */
const alternativesMax = 5

export function whyNone(decision: Decision): string {
  const { gateCounts, model } = decision
  const reasons = Object.entries(gateCounts)
    .filter(([gate, count]) => gate !== 'model' && count > 0)
    .sort((a, b) => b[1] - a[1])
  const [first] = reasons
  if (first !== undefined && reasons.length === 1) {
    const [gate] = first
    return `No node that offers ${model} ${none(decision, gate)}.${instead(decision, gate)}`
  }
  const clauses = reasons.map(([gate, count]) => `${count} ${some(decision, gate, count === 1)}`)
  return `No node that offers ${model} can serve this request: ${clauses.join('; ')}.`
}

/** Continues “No node …”. */
function none(decision: Decision, gate: string): string {
  const { request } = decision
  switch (gate) {
    case 'connected':
      return 'is connected now'
    case 'alive':
      return 'is alive, as the mesh sees it'
    case 'standing':
      return `is in good standing (${atGate(decision, gate)[0]?.actual ?? 'see the decision'})`
    case 'features':
      return `has ${missing(decision)}`
    case 'region':
      return `is in the region ${request.region}`
    case 'exclude':
      return 'is left, since the request excludes them all'
    case 'price':
      return `costs at most ${request.maxPrice} µ$ per million tokens`
    case 'draining':
      return 'takes new work, since all of them are draining'
    case 'tried':
      return 'is left, since all of them failed at this request'
    case 'continuation':
      return 'can go on where the answer broke off'
    case 'tier':
      return 'may serve it: this gateway’s policy has it in no tier'
    case 'hardware':
      return `has ${requiredBy(decision, gate)}`
    case 'build':
      return `runs it as its tier demands (${requiredBy(decision, gate)})`
    case 'memory':
      return `has ${requiredBy(decision, gate)}`
    case 'throughput':
      return `is as fast as its tier demands (${requiredBy(decision, gate)})`
    case 'tier-price':
      return `costs what its tier allows (${requiredBy(decision, gate)})`
    case 'latency':
      return `is fast enough (${requiredBy(decision, gate)})`
    default:
      return `passes the gate “${gate}” (${requiredBy(decision, gate)})`
  }
}

/** Continues “3 …”, or “1 …” where it is a single one. */
function some(decision: Decision, gate: string, single: boolean): string {
  const { request } = decision
  const are = single ? 'is' : 'are'
  switch (gate) {
    case 'connected':
      return `${are} not connected now`
    case 'alive':
      return `${are} dead, as the mesh sees it`
    case 'standing':
      return `${are} barred (${atGate(decision, gate)[0]?.actual ?? 'see the decision'})`
    case 'features':
      return `${single ? 'does' : 'do'} not have ${missing(decision)}`
    case 'context':
      return `${single ? 'has' : 'have'} too small a context`
    case 'region':
      return `${are} not in the region ${request.region}`
    case 'exclude':
      return `${are} excluded by the request`
    case 'price':
      return `${single ? 'costs' : 'cost'} more than ${request.maxPrice} µ$ per million tokens`
    case 'draining':
      return `${are} draining`
    case 'tried':
      return 'failed at this request'
    case 'continuation':
      return 'cannot go on where the answer broke off'
    case 'tier':
      return `${are} not allowed to serve it, since it is in no tier of the policy`
    case 'hardware':
      return `${single ? 'has' : 'have'} other hardware than its tier allows`
    case 'build':
      return `${single ? 'runs' : 'run'} it otherwise than its tier demands`
    case 'memory':
      return `${single ? 'has' : 'have'} too little memory`
    case 'throughput':
      return `${are} slower than its tier demands`
    case 'tier-price':
      return `${single ? 'costs' : 'cost'} more than its tier allows`
    case 'latency':
      return `${are} too slow (${requiredBy(decision, gate)})`
    default:
      return `${single ? 'does' : 'do'} not pass the gate “${gate}”`
  }
}

/** What nobody has of what is asked for; all of it where each has a part. */
function missing(decision: Decision): string {
  const { features } = decision.request
  const offered = new Set(atGate(decision, 'features').flatMap(({ actual }) => actual.split(', ')))
  const lacking = features.filter((feature) => !offered.has(feature))
  return lacking.length > 0 ? featuresNamed(lacking) : `all of ${featuresNamed(features)}`
}

function featuresNamed(features: readonly string[]): string {
  const names = inList(features.map((feature) => feature.replaceAll('_', ' ')))
  return `the feature${features.length === 1 ? '' : 's'} ${names}`
}

/** What there is, so that the client can ask for that. */
function instead(decision: Decision, gate: string): string {
  const counts = new Map<string, number>()
  for (const { actual } of atGate(decision, gate)) {
    counts.set(actual, (counts.get(actual) ?? 0) + 1)
  }
  const found = [...counts].sort((a, b) => b[1] - a[1]).map(([actual]) => actual)
  const shown = found.slice(0, alternativesMax)
  if (shown.length === 0) return ''
  if (gate === 'region') {
    return ` There are nodes in: ${shown.map((one) => one.replace(/^region /, '')).join(', ')}.`
  }
  if (gate === 'features') return ` What they have: ${shown.join('; or ')}.`
  if (!exampleGates.includes(gate)) return ''
  const known = atGate(decision, gate)
  const example = gate === 'latency' ? nearest(decision, known) : known[0]
  if (example === undefined) return ''
  const isWhole = known.length === (decision.gateCounts[gate] ?? 0)
  const what = gate === 'latency' && isWhole ? 'The nearest to it is' : 'For example'
  return ` ${what} ${workerName(example.worker)}: ${example.actual}.`
}

/** Who is the least above what is asked for: by that a client corrects its request. */
function nearest({ request }: Decision, known: readonly Rejection[]): Rejection | undefined {
  const { ttftMs, tpotMs } = request.objective
  let best: Rejection | undefined
  let least = Number.POSITIVE_INFINITY
  for (const one of known) {
    const [, first, further] = timesInWords.exec(one.actual) ?? []
    const excess = Math.max(share(first, ttftMs), share(further, tpotMs))
    if (excess >= least) continue
    best = one
    least = excess
  }
  return best ?? known[0]
}

/** As the gate says them. */
const timesInWords = /first token after (\d+) ms .*?([\d.]+) ms per further token/

function share(ms: string | undefined, mostMs: number | null): number {
  return mostMs === null ? 0 : Number(ms) / Math.max(mostMs, 1e-9)
}

function requiredBy(decision: Decision, gate: string): string {
  return atGate(decision, gate)[0]?.required ?? 'see the decision'
}

function atGate({ rejections }: Decision, gate: string): readonly Rejection[] {
  return rejections.filter((rejection) => rejection.gate === gate)
}
