/**
 * A decision made again, by the code that makes them, from what was kept of it: the candidates, the
 * request, the policy, the time, and the random numbers that were drawn.
 */
import type { Random } from '../../base/index.ts'
import type { WorkerId } from '../../protocol/index.ts'
import { chooseAgain, decide } from '../decide.ts'
import type { Attempt, Decision, Round } from '../decision.ts'
import { withAttempts } from '../decision-record.ts'
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
  let again: Decision | undefined
  let fitted = true
  for (const [at, round] of decision.rounds.entries()) {
    const view = views[at]
    if (view === undefined) return undefined
    const random = new DrawsAgain(round.draws)
    again = roundAgain({ decision, before: again, round, view, random })
    fitted &&= random.hasFitted
  }
  const [view] = views
  if (again === undefined || view === undefined) return undefined
  const differences: Difference[] = []
  compare(plain(decision), plain(withAttempts(again, decision.attempts)), { at: '', differences })
  if (!fitted && differences.length < differencesMax) {
    const draws = decision.rounds.map((round) => round.draws)
    differences.push({ where: '/rounds', kept: draws, again: 'other draws' })
  }
  return {
    agrees: differences.length === 0,
    differences,
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

/** What became of its attempt since then is not to be seen by the decision. */
function asFailed(worker: WorkerId): Attempt {
  const times = { startedAtMs: 0, endedAtMs: null, ttftMs: null }
  return { worker, ...times, outcome: 'failed', code: null, cause: 'picked' }
}

function plain(decision: Decision): unknown {
  return JSON.parse(JSON.stringify(decision))
}

interface Comparison {
  readonly at: string
  readonly differences: Difference[]
}

function compare(kept: unknown, again: unknown, { at, differences }: Comparison): void {
  if (Object.is(kept, again) || differences.length >= differencesMax) return
  if (!isObject(kept) || !isObject(again) || Array.isArray(kept) !== Array.isArray(again)) {
    differences.push({ where: at === '' ? '/' : at, kept, again })
    return
  }
  for (const name of new Set([...Object.keys(kept), ...Object.keys(again)])) {
    const token = name.replaceAll('~', '~0').replaceAll('/', '~1')
    compare(kept[name], again[name], { at: `${at}/${token}`, differences })
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null
}
