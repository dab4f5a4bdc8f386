/** What a client is told when nobody was chosen. */
import { type ErrorCode, errorCodes } from '../../protocol/index.ts'
import type { Decision, Rejection } from '../decision.ts'
import { gateCountsInWords, milliseconds, plural } from './reason.ts'
import { whyNone } from './refusal-words.ts'

export interface Refusal {
  readonly code: ErrorCode
  /** For a person; names the gates. */
  readonly message: string
  /** The field of the request that a client can change; null: none by itself. */
  readonly param: string | null
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
    return { code: 'all_nodes_busy', message, param: null, retryAfterMs, waitingHelps: true }
  }
  const code = codeOf(decision)
  const waitingHelps =
    decision.candidates === 0 || passingGates.some((gate) => (decision.gateCounts[gate] ?? 0) > 0)
  return { code, message, param: paramOf(decision, code), retryAfterMs: null, waitingHelps }
}

/** What these reject today they may let pass in a moment. */
const passingGates = [
  ...['connected', 'alive', 'draining', 'tried'],
  ...['breaker', 'back-off', 'latency-at-load', 'slots'],
]

/** One line: what kept everybody out. */
export function summarizeRejections(decision: Decision): string {
  const { candidates, model, outcome } = decision
  if (candidates === 0) return `No node is connected to this gateway, so none can serve ${model}.`
  if (outcome === 'chosen') {
    const rejected = candidates - decision.eligible
    const counts = gateCountsInWords(decision.gateCounts)
    return `${rejected} of ${plural(candidates, 'candidate')} were rejected (${counts}).`
  }
  if (outcome === 'busy') {
    const again =
      decision.retryAfterMs === null ? '' : `, try again in ${milliseconds(decision.retryAfterMs)}`
    const counts = gateCountsInWords(decision.gateCounts)
    return `Every node that can serve this request is busy${again} (${counts}).`
  }
  const code = codeOf(decision)
  if (code === 'model_not_found') {
    return `No node offers the model ${model}. GET /v1/models lists what is offered.`
  }
  if (code === 'context_length_exceeded') return tooLong(decision)
  return whyNone(decision)
}

/**
 * The most telling code: a model that nobody has and a prompt that fits nowhere are the client's
 * to mend.
 */
function codeOf({ candidates, gateCounts }: Decision): ErrorCode {
  const count = (gate: string) => gateCounts[gate] ?? 0
  if (candidates > 0 && count('model') === candidates) return 'model_not_found'
  const unsuited = count('model') + count('connected') + count('alive') + count('context')
  if (count('context') > 0 && unsuited === candidates) return 'context_length_exceeded'
  return 'no_eligible_node'
}

function paramOf(decision: Decision, code: ErrorCode): string | null {
  if (code === 'model_not_found') return 'model'
  if (code !== 'context_length_exceeded') return null
  return promptFits(decision) ? 'max_tokens' : promptField(decision)
}

/** The prompt alone, with one token of an answer, would fit somewhere. */
function promptFits({ request, rejections }: Decision): boolean {
  return request.promptTokens + 1 <= largestContext(rejections)
}

function promptField({ request }: Decision): string {
  if (request.features.includes('embedding')) return 'input'
  return request.features.includes('completion') ? 'prompt' : 'messages'
}

function largestContext(rejections: readonly Rejection[]): number {
  const tooSmall = rejections.filter(({ gate }) => gate === 'context')
  return Math.max(0, ...tooSmall.map(({ actual }) => Number.parseInt(actual, 10) || 0))
}

function tooLong(decision: Decision): string {
  const { request, rejections, model } = decision
  const { features, maxTokens } = request
  const least = features.includes('embedding') ? '' : ', and the answer 1 at least'
  const asked = maxTokens === null ? least : ` and ${maxTokens} are asked for`
  const most = largestContext(rejections)
  const mend = promptFits(decision)
    ? `Lower max_tokens to about ${most - request.promptTokens}.`
    : 'Shorten the prompt.'
  return (
    `The prompt has about ${plural(request.promptTokens, 'token')}${asked}; ` +
    `the context of ${model} holds ${most} at most. ${mend}`
  )
}

/** The meaning of a code as a clause within a sentence. */
export function meaningOf(code: ErrorCode): string {
  return errorCodes[code].meaning.replace(/\.$/, '')
}
