/** Chooses the rendering of an answer: chat or legacy completion, stream or whole. */
import { createHash } from 'node:crypto'
import type { OfferedModel } from '../../protocol/index.ts'
import { createChatAnswer, createChatStream } from './chat-rendering.ts'
import { createCompletionAnswer, createCompletionStream } from './completion-rendering.ts'
import type { AskedGeneration } from './parse-generation.ts'
import type { AnswerHead, AnswerRenderer, StreamRenderer } from './rendering.ts'

/** How many answers are asked for: n for each prompt. */
export function choicesOf({ request, further }: AskedGeneration): number {
  return request.choices * (1 + further.length)
}

/** @param nowMs ms since 1970 */
export function answerHead(asked: AskedGeneration, nowMs: number): AnswerHead {
  const { request, includeUsage } = asked
  const prefix = request.kind === 'chat' ? 'chatcmpl' : 'cmpl'
  return {
    id: `${prefix}-${request.requestId.replace(/^req_/, '')}`,
    created: Math.floor(nowMs / 1000),
    model: request.model,
    choices: choicesOf(asked),
    includeUsage,
  }
}

export function streamRenderer(
  asked: AskedGeneration,
  head: AnswerHead,
  offer: OfferedModel,
): StreamRenderer {
  const fingerprint = fingerprintOf(offer)
  return asked.request.kind === 'chat'
    ? createChatStream(head, fingerprint)
    : createCompletionStream(head, fingerprint)
}

export function answerRenderer(asked: AskedGeneration, head: AnswerHead): AnswerRenderer {
  return asked.request.kind === 'chat' ? createChatAnswer(head) : createCompletionAnswer(head)
}

const fingerprints = new WeakMap<OfferedModel, string>()

/** Names weights, quantisation and runtime: the same fingerprint and seed, the same text. */
export function fingerprintOf(offer: OfferedModel): string {
  const known = fingerprints.get(offer)
  if (known !== undefined) return known
  const what = [offer.digest ?? offer.name, offer.quantisation, offer.runtime].join('\n')
  const fingerprint = `fp_${createHash('sha256').update(what).digest('hex').slice(0, 10)}`
  fingerprints.set(offer, fingerprint)
  return fingerprint
}
