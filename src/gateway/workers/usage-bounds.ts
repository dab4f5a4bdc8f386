/**
 * How many tokens a node may say that it read and wrote.
 *
 * A gateway has no tokenizer of its own, but a token stands for a byte at least, in every
 * vocabulary that falls back to bytes or characters. So what the request held and what was
 * delivered bound the counts from above; a prompt of token ids has a known count. What a node wrote
 * and did not deliver (hidden reasoning) is not counted: nobody could tell it from an invention. A
 * count over its bound becomes the bound, marked as estimated.
 */
import type {
  EmbeddingRequest,
  GenerationDelta,
  GenerationRequest,
  GenerationUsage,
} from '../../protocol/index.ts'

export const usageLimits = {
  /** What a chat template adds by itself: a system prompt, how tools are to be called. */
  templateTokensMax: 4_096,
  /** Marks of beginning and end around an input. */
  markTokensMax: 16,
  /** An image by its address: large ones take a few thousand tokens in today's models. */
  imageTokensMax: 16_384,
  /** Written and not delivered, per choice: end marks, marks of a template, a cut-off character. */
  unseenTokensMax: 64,
} as const

/** @param bodyBytes of the request as it was sent: no text takes fewer bytes in JSON */
export function promptTokensMax(request: GenerationRequest, bodyBytes: number): number {
  const { templateTokensMax, markTokensMax, imageTokensMax } = usageLimits
  if (request.kind === 'completion') {
    const tokens = typeof request.prompt === 'string' ? bodyBytes : request.prompt.length
    return tokens + markTokensMax
  }
  let images = 0
  for (const { content } of request.messages) {
    if (Array.isArray(content)) images += content.filter((part) => part['type'] !== 'text').length
  }
  return bodyBytes + templateTokensMax + images * imageTokensMax
}

export function embeddingTokensMax({ input }: EmbeddingRequest): number {
  const tokens = (item: string | readonly number[]) =>
    typeof item === 'string' ? Buffer.byteLength(item) : item.length
  return input.reduce((sum, item) => sum + tokens(item) + usageLimits.markTokensMax, 0)
}

/** What was delivered of a generation, as it grows. */
export class UsageBounds {
  readonly #request: GenerationRequest
  readonly #bodyBytes: number
  #deliveredBytes = 0

  constructor(request: GenerationRequest, bodyBytes: number) {
    this.#request = request
    this.#bodyBytes = bodyBytes
  }

  delivered({ text, extra }: GenerationDelta): void {
    this.#deliveredBytes += Buffer.byteLength(text)
    if (extra !== null) this.#deliveredBytes += Buffer.byteLength(JSON.stringify(extra))
  }

  /** The same event where its counts can be. */
  bounded(usage: GenerationUsage): GenerationUsage {
    const promptTokens = Math.min(
      usage.promptTokens,
      promptTokensMax(this.#request, this.#bodyBytes),
    )
    const completionTokens = Math.min(usage.completionTokens, this.#completionTokensMax())
    const cachedTokens = Math.min(usage.cachedTokens, promptTokens)
    const isSame =
      promptTokens === usage.promptTokens &&
      completionTokens === usage.completionTokens &&
      cachedTokens === usage.cachedTokens
    return isSame
      ? usage
      : { type: 'usage', promptTokens, completionTokens, cachedTokens, estimated: true }
  }

  #completionTokensMax(): number {
    const { choices, maxTokens, stop } = this.#request
    // A stop string is written, and not delivered.
    const stopBytes = stop.reduce((longest, text) => Math.max(longest, Buffer.byteLength(text)), 0)
    const unseen = choices * (usageLimits.unseenTokensMax + stopBytes)
    return Math.min(this.#deliveredBytes + unseen, choices * (maxTokens ?? Number.MAX_SAFE_INTEGER))
  }
}
