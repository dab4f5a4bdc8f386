/**
 * A decision made again, by the code that makes them, from what was kept of it: the candidates, the
 * request, the policy, the time, and the random numbers that were drawn.
 */
import type { Random } from '../../base/index.ts'
import type { WorkerId } from '../../protocol/index.ts'
import { chooseAgain, decide } from '../decide.ts'
import type { Attempt, Decision, Round } from '../decision.ts'
import { withAttempts } from '../decision-record.ts'
import { versionOf } from '../policy.ts'
import { DrawsAgain } from './draws.ts'
import type { ViewReference } from './view-log.ts'
import type { View } from './view-reader.ts'

export interface Difference {
  /** Where in the record, as a JSON pointer (RFC 6901). */
  readonly where: string
  readonly kept: unknown
  readonly again: unknown
}

export interface Replay {
  readonly agrees: boolean
  /** The first few. */
  readonly differences: readonly Difference[]
  /** The first few that only say the same in other words, as another version may. */
  readonly wording: readonly Difference[]
  /** What the decision was made on, and made again on. */
  readonly candidates: number
  readonly rounds: number
  readonly policyVersion: string
  /** The version of the program that made it. */
  readonly software: string
}

/** Enough to see what kind of difference it is. */
const differencesMax = 20

/**
 * undefined: the decision rests on no view, so it cannot be made again.
 * @param viewOf what a reference stands for; may throw
 */
export function replayDecision(
  decision: Decision,
  viewOf: (reference: ViewReference) => View,
): Replay | undefined {
  const views = decision.rounds.map(({ view }) => (view === null ? undefined : viewOf(view)))
  const chosen: (WorkerId | null)[] = []
  let again: Decision | undefined
  let fitted = true
  for (const [at, round] of decision.rounds.entries()) {
    const view = views[at]
    if (view === undefined) return undefined
    const random = new DrawsAgain(round.draws)
    again = roundAgain({ decision, before: again, round, view, random })
    chosen.push(again.chosen)
    fitted &&= random.hasFitted
  }
  const [view] = views
  if (again === undefined || view === undefined) return undefined
  const differences: Difference[] = []
  const wording: Difference[] = []
  compare(plain(decision), plain(withAttempts(again, decision.attempts)), {
    ...{ at: '', differences, wording },
    words: (decision.first?.chosen ?? null) === null ? words : wordsOfBoth,
  })
  if (!fitted && differences.length < differencesMax) {
    const draws = decision.rounds.map((round) => round.draws)
    differences.push({ where: '/rounds', kept: draws, again: 'other draws' })
  }
  const found = [...unnamed(views), ...neverTried(decision), ...neverChosen(decision, chosen)]
  differences.push(...found.slice(0, differencesMax - differences.length))
  return {
    agrees: differences.length === 0,
    differences,
    wording,
    candidates: view.candidates.length,
    rounds: decision.rounds.length,
    policyVersion: view.context.policy.version,
    software: view.context.software,
  }
}

interface RoundInput {
  readonly decision: Decision
  /** What the rounds before came to; undefined: it is the first. */
  readonly before: Decision | undefined
  readonly round: Round
  readonly view: View
  readonly random: Random
}

function roundAgain({ decision, before, round, view, random }: RoundInput): Decision {
  const { candidates, context } = view
  const present = { candidates, policy: context.policy, random, now: round.atMs, view: round.view }
  if (before === undefined) {
    const { id: decisionId, keyId, request } = decision
    return decide({ ...present, decisionId, keyId, request })
  }
  const { continuation } = round
  return chooseAgain(withAttempts(before, round.tried.map(asFailed)), {
    ...present,
    ...(continuation === null ? {} : { continuation }),
  })
}

/** The version names the values: others under the same name are another policy. */
function* unnamed(views: readonly (View | undefined)[]): Iterable<Difference> {
  for (const [at, view] of views.entries()) {
    if (view === undefined) continue
    const { policy } = view.context
    const again = versionOf(policy)
    if (again === policy.version) continue
    yield { where: `/rounds/${at}/view/policy`, kept: policy.version, again }
  }
}

/** Who is passed over as one that was tried has an attempt on record. */
function* neverTried({ attempts, rounds }: Decision): Iterable<Difference> {
  const tried = new Set(attempts.map(({ worker }) => worker))
  for (const [at, round] of rounds.entries()) {
    for (const [i, worker] of round.tried.entries()) {
      if (tried.has(worker)) continue
      yield { where: `/rounds/${at}/tried/${i}`, kept: worker, again: 'no attempt' }
    }
  }
}

/**
 * Attempts are at those that were chosen, in that order. Who was asked beside another one is
 * on record as chosen only where the answer is its own.
 */
function* neverChosen(
  { attempts }: Decision,
  chosen: readonly (WorkerId | null)[],
): Iterable<Difference> {
  let next = 0
  for (const [at, { cause, worker }] of attempts.entries()) {
    if (cause === 'hedge') continue
    const found = chosen.indexOf(worker, next)
    if (found < 0) {
      yield { where: `/attempts/${at}/worker`, kept: worker, again: chosen[next] ?? 'nobody' }
    } else next = found + 1
  }
}

/** What became of its attempt since then is not to be seen by the decision. */
function asFailed(worker: WorkerId): Attempt {
  const times = { startedAtMs: 0, endedAtMs: null, ttftMs: null }
  return { worker, ...times, outcome: 'failed', code: null, cause: 'picked' }
}

function plain(decision: Decision): unknown {
  return JSON.parse(JSON.stringify(decision))
}

/**
 * What follows from other fields that are compared: the reason from those of the choice, and what a
 * gate required from its name, the request and the policy. What a candidate had instead is nowhere
 * else in the record.
 */
const words = /^\/(?:reason|rejections\/\d+\/required)$/
/** Likewise of the first choice; where it was nobody, its reason has counts that it alone has. */
const wordsOfBoth = /^\/(?:(?:first\/)?reason|rejections\/\d+\/required)$/

/** What earlier versions did not keep, and what decides nothing. */
const addedLater = /^\/(?:first\/)?rankings\/\d+\/paceSeen$/

interface Comparison {
  readonly at: string
  readonly differences: Difference[]
  readonly wording: Difference[]
  /** Where there are only words. */
  readonly words: RegExp
}

function compare(kept: unknown, again: unknown, comparison: Comparison): void {
  const { at, differences, wording } = comparison
  if (Object.is(kept, again) || differences.length >= differencesMax) return
  if (!isObject(kept) || !isObject(again) || Array.isArray(kept) !== Array.isArray(again)) {
    const isLater = kept === undefined && addedLater.test(at)
    const found = isLater || comparison.words.test(at) ? wording : differences
    if (found.length < differencesMax) found.push({ where: at === '' ? '/' : at, kept, again })
    return
  }
  for (const name of new Set([...Object.keys(kept), ...Object.keys(again)])) {
    const token = name.replaceAll('~', '~0').replaceAll('/', '~1')
    compare(kept[name], again[name], { ...comparison, at: `${at}/${token}` })
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null
}
