/**
 * What was tried after the decision: pure functions that give a new decision with the attempts in
 * it.
 */
import type { Attempt, Decision } from './decision.ts'
import { withAttempts } from './decision-record.ts'

/** `cause` follows from the attempts before where it is not given. */
export type AttemptStart = Pick<Attempt, 'worker' | 'startedAtMs'> & Partial<Attempt>

export type AttemptEnd = Partial<Attempt> & Pick<Attempt, 'endedAtMs' | 'outcome'>

export function withAttempt(decision: Decision, start: AttemptStart): Decision {
  const attempt: Attempt = {
    endedAtMs: null,
    ttftMs: null,
    outcome: 'running',
    code: null,
    cause: decision.attempts.length === 0 ? 'picked' : 'retry',
    ...start,
  }
  return withAttempts(decision, [...decision.attempts, attempt])
}

/** As one was decided, with what was tried after the other. */
export function withAttemptsOf(decision: Decision, { attempts }: Decision): Decision {
  return withAttempts(decision, attempts)
}

/** The last attempt goes on with the answer, after a pause. */
export function withPause(decision: Decision, pauseMs: number): Decision {
  const last = decision.attempts.at(-1)
  if (last?.splice === undefined) return decision
  const spliced = { ...last, splice: { ...last.splice, pauseMs } }
  return withAttempts(decision, [...decision.attempts.slice(0, -1), spliced])
}

/**
 * Ends an attempt, or notes its first token while it runs.
 * @param at which one; absent: the last
 */
export function endAttempt(
  decision: Decision,
  end: AttemptEnd,
  at = decision.attempts.length - 1,
): Decision {
  const ended = decision.attempts[at]
  if (ended === undefined) return decision
  return withAttempts(decision, decision.attempts.with(at, { ...ended, ...end }))
}
