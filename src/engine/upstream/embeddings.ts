/** Embeddings from an upstream server. */
import { endianness } from 'node:os'
import {
  type EmbeddingRequest,
  type EmbeddingResult,
  IsochroneError,
  type JsonValue,
} from '../../protocol/index.ts'
import { arrayField, isObject, numberField } from './json-value.ts'
import { callJson, type Server } from './server.ts'

/**
 * 2048 inputs of 4096 numbers, each up to 12 characters, are 100 MB; the usual answer has 20 kB.
 */
const answerBytesMax = 128 * 1024 * 1024
const answerTimeoutMs = 120_000

/** Errors: as `Engine.embed`. */
export async function embedUpstream(
  server: Server,
  request: EmbeddingRequest,
  signal: AbortSignal,
): Promise<EmbeddingResult> {
  const answer = await callJson(server, {
    method: 'POST',
    path: '/embeddings',
    body: JSON.stringify({
      model: request.model,
      input: request.input,
      encoding_format: 'float',
      ...(request.dimensions === null ? {} : { dimensions: request.dimensions }),
    }),
    bytesMax: answerBytesMax,
    timeoutMs: answerTimeoutMs,
    signal,
  })
  const data = isObject(answer) ? arrayField(answer, 'data') : []
  const vectors = new Array<Float32Array | undefined>(request.input.length).fill(undefined)
  data.forEach((entry, position) => {
    if (!isObject(entry)) return
    const index = typeof entry['index'] === 'number' ? entry['index'] : position
    if (index in vectors) vectors[index] = vectorOf(entry['embedding']) ?? undefined
  })
  const complete = vectors.filter((vector) => vector !== undefined)
  if (complete.length !== request.input.length) {
    throw new IsochroneError(
      'upstream_failed',
      `${server.title} returned ${complete.length} usable vectors for ` +
        `${request.input.length} inputs.`,
    )
  }
  const usage = isObject(answer) ? answer['usage'] : null
  return {
    vectors: complete,
    promptTokens: isObject(usage) ? numberField(usage, 'prompt_tokens') : 0,
  }
}

/** Numbers, or base64 of little-endian float32, which some servers send whatever is asked for. */
function vectorOf(value: JsonValue | undefined): Float32Array | null {
  if (typeof value === 'string') {
    const bytes = Buffer.from(value, 'base64')
    if (bytes.length === 0 || bytes.length % 4 !== 0 || endianness() !== 'LE') return null
    return new Float32Array(new Uint8Array(bytes).buffer)
  }
  if (!Array.isArray(value) || value.length === 0) return null
  const vector = Float32Array.from(value, (number: unknown) =>
    typeof number === 'number' ? number : Number.NaN,
  )
  return vector.every((number) => Number.isFinite(number)) ? vector : null
}
