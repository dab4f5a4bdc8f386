/** An embedding result in OpenAI's shape, as numbers or as base64 of little-endian float32. */
import type { EmbeddingResult } from '../../protocol/index.ts'

export function renderEmbeddings(
  result: EmbeddingResult,
  model: string,
  encoding: 'float' | 'base64',
): string {
  return JSON.stringify({
    object: 'list',
    data: result.vectors.map((vector, index) => ({
      object: 'embedding',
      index,
      embedding: encoding === 'float' ? Array.from(vector) : base64Of(vector),
    })),
    model,
    usage: { prompt_tokens: result.promptTokens, total_tokens: result.promptTokens },
  })
}

function base64Of(vector: Float32Array): string {
  return Buffer.from(vector.buffer, vector.byteOffset, vector.byteLength).toString('base64')
}
