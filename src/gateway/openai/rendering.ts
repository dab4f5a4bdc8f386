/**
 * What all renderings of an answer share.
 *
 * Everything in a chunk but its text is the same for the whole stream: it is serialised once, and a
 * whole batch of events becomes one string.
 */
import type { GenerationEvent, GenerationUsage } from '../../protocol/index.ts'

export interface AnswerHead {
  /** `chatcmpl-…` or `cmpl-…` */
  readonly id: string
  /** Seconds since 1970. */
  readonly created: number
  readonly model: string
  readonly choices: number
  readonly includeUsage: boolean
}

export interface StreamRenderer {
  open(): string
  batch(events: readonly GenerationEvent[]): string
  close(): string
  usage(): GenerationUsage | undefined
}

export interface AnswerRenderer {
  batch(events: readonly GenerationEvent[]): void
  /** @param fingerprint see `fingerprintOf` */
  render(fingerprint: string): string
  usage(): GenerationUsage | undefined
}

/** The last usage event of an answer, and how clients see it. */
export class UsageNote {
  value: GenerationUsage | undefined

  add(usage: GenerationUsage): void {
    this.value = usage
  }

  /** JSON, with a comma before it; empty where the worker counted nothing. */
  field(): string {
    return this.value === undefined ? '' : `,"usage":${usageText(this.value)}`
  }
}

/** JSON, as OpenAI counts; the counts are whole numbers, whoever said them. */
function usageText({ promptTokens, completionTokens, cachedTokens }: GenerationUsage): string {
  const total = promptTokens + completionTokens
  const counts = `"prompt_tokens":${promptTokens},"completion_tokens":${completionTokens}`
  const details = `"prompt_tokens_details":{"cached_tokens":${cachedTokens}}`
  return `{${counts},"total_tokens":${total},${details}}`
}

/** From `data: ` to the opening bracket of `choices`. */
export function chunkStart(head: AnswerHead, object: string, fingerprint: string): string {
  const fields = {
    id: head.id,
    object,
    created: head.created,
    model: head.model,
    system_fingerprint: fingerprint,
  }
  return `data: ${JSON.stringify(fields).slice(0, -1)},"choices":[`
}

export function streamEnd(start: string, head: AnswerHead, note: UsageNote): string {
  if (!head.includeUsage || note.value === undefined) return 'data: [DONE]\n\n'
  return `${start}]${note.field()}}\n\ndata: [DONE]\n\n`
}
