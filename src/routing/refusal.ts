/** What a client is told when nobody was chosen. */
import { type ErrorCode, errorCodes } from '../protocol/index.ts'
import type { Decision } from './decision.ts'
import { gateCountsInWords, milliseconds, workerName } from './reason.ts'

export interface Refusal {
  readonly code: ErrorCode
  /** For a person; names the gates. */
  readonly message: string
  /** With `all_nodes_busy`. */
  readonly retryAfterMs: number | null
  /** Somebody may be able to serve it soon without any change of the request. */
  readonly waitingHelps: boolean
}

/** null: somebody was chosen. */
export function refusalOf(decision: Decision): Refusal | null {
  if (decision.outcome === 'chosen') return null
  const message = summarizeRejections(decision)
  if (decision.outcome === 'busy') {
    const { retryAfterMs } = decision
    return { code: 'all_nodes_busy', message, retryAfterMs, waitingHelps: true }
  }
  const waitingHelps =
    decision.candidates === 0 || passingGates.some((gate) => (decision.gateCounts[gate] ?? 0) > 0)
  return { code: codeOf(decision), message, retryAfterMs: null, waitingHelps }
}

/** What these reject today they may let pass in a moment. */
const passingGates = ['connected', 'draining', 'tried', 'latency-at-load', 'slots']

/** One line: what kept everybody out, with an example for the gate that rejected most. */
export function summarizeRejections(decision: Decision): string {
  const counts = gateCountsInWords(decision.gateCounts)
  const { candidates, model, outcome, gateCounts, rejections } = decision
  if (candidates === 0) return `No node is connected to this gateway, so none can serve ${model}.`
  if (outcome === 'chosen') {
    const rejected = candidates - decision.eligible
    return `${rejected} of ${candidates} candidates were rejected (${counts}).`
  }
  if (outcome === 'busy') {
    const again =
      decision.retryAfterMs === null ? '' : `, try again in ${milliseconds(decision.retryAfterMs)}`
    return `Every node that can serve this request is busy${again} (${counts}).`
  }
  const code = codeOf(decision)
  if (code === 'model_not_found') {
    return `No node offers the model ${model}. GET /v1/models lists what is offered.`
  }
  const tooLong = rejections.find(({ gate }) => gate === 'context')
  if (code === 'context_length_exceeded' && tooLong !== undefined) {
    return (
      `The prompt and the tokens asked for need ${tooLong.required}; ${model} offers ` +
      `${tooLong.actual}. Shorten the prompt or lower max_tokens.`
    )
  }
  const most = Object.entries(gateCounts).sort((a, b) => b[1] - a[1])[0]?.[0]
  const example = rejections.find(({ gate }) => gate === most)
  const words =
    example === undefined
      ? ''
      : ` For example ${workerName(example.worker)}: required ${example.required}, ` +
        `but ${example.actual}.`
  return (
    `None of ${candidates} candidates can serve this request for ${model}: rejected by ` +
    `${counts}.${words}`
  )
}

/**
 * The most telling code: a model that nobody has and a prompt that fits nowhere are the client's
 * to mend.
 */
function codeOf({ candidates, gateCounts }: Decision): ErrorCode {
  const count = (gate: string) => gateCounts[gate] ?? 0
  if (candidates > 0 && count('model') === candidates) return 'model_not_found'
  const unsuited = count('model') + count('connected') + count('context')
  if (count('context') > 0 && unsuited === candidates) return 'context_length_exceeded'
  return 'no_eligible_node'
}

/** The meaning of a code as a clause within a sentence. */
export function meaningOf(code: ErrorCode): string {
  return errorCodes[code].meaning.replace(/\.$/, '')
}
