/**
 * How many tokens a prompt has, roughly: gateways have no tokenizer, limits and routing need an
 * order of size.
 */
import type { ChatMessage, EmbeddingRequest, GenerationRequest } from '../../protocol/index.ts'

/**
 * English text in common vocabularies; more for code and other scripts, which only makes limits
 * milder.
 */
const charactersPerToken = 4
/** A role, its markers and a line end. */
const tokensPerMessage = 4
/** OpenAI's price of a low-detail image. */
const tokensPerPart = 85

export function estimateTokens(request: GenerationRequest): number {
  if (request.kind === 'completion') return promptTokens(request.prompt)
  let tokens = 0
  for (const message of request.messages) tokens += tokensPerMessage + contentTokens(message)
  return tokens
}

export function estimateInputTokens(input: EmbeddingRequest['input']): number {
  return input.reduce((sum, item) => sum + promptTokens(item), 0)
}

function promptTokens(prompt: string | readonly number[]): number {
  return typeof prompt === 'string' ? textTokens(prompt) : prompt.length
}

function contentTokens(message: ChatMessage): number {
  const { content } = message
  if (content === null) return 0
  if (typeof content === 'string') return textTokens(content)
  return content.reduce((sum, part) => {
    const text = part['text']
    return sum + (typeof text === 'string' ? textTokens(text) : tokensPerPart)
  }, 0)
}

function textTokens(text: string): number {
  return Math.ceil(text.length / charactersPerToken)
}
