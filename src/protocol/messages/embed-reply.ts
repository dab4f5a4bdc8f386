/** Embeddings on the wire: float32 that is read where it lies. */
import { createHash } from 'node:crypto'
import { assert } from '../../base/index.ts'
import type { SignedEnvelope } from '../envelope.ts'
import * as layouts from '../generated/layouts.js'
import * as wire from '../generated/node.js'
import type { EmbeddingResult } from '../generation.ts'
import { checkLength, decodeMessage } from './decode.ts'
import { encodeMessage, uint32 } from './encode.ts'
import { messageLimits } from './limits.ts'
import { readSignedEnvelope, writeSignedEnvelope } from './signed-envelope.ts'
import { malformed } from './verify-buffer.ts'

export interface EmbedReply extends EmbeddingResult {
  /** Domain `result`, over the request and the `receiptHash` of the rest: `resultHash`. */
  readonly result: SignedEnvelope
}

/** After decoding, the vectors are views of the message. All rows have the same length. */
export function encodeEmbedReply(reply: EmbedReply): Uint8Array {
  return encodeMessage((to) => {
    const vectors = to.createByteVector(concatenated(reply.vectors))
    const result = writeSignedEnvelope(to, reply.result)
    wire.EmbedReply.startEmbedReply(to)
    wire.EmbedReply.addVectors(to, vectors)
    wire.EmbedReply.addRows(to, reply.vectors.length)
    wire.EmbedReply.addPromptTokens(to, uint32(reply.promptTokens, 'promptTokens'))
    wire.EmbedReply.addResult(to, result)
    return wire.EmbedReply.endEmbedReply(to)
  })
}

export function decodeEmbedReply(bytes: Uint8Array): EmbedReply {
  return decodeMessage(bytes, layouts.EmbedReply, (buffer) => {
    const table = wire.EmbedReply.getRootAsEmbedReply(buffer)
    return {
      vectors: readVectors(table),
      promptTokens: table.promptTokens(),
      result: readSignedEnvelope(table.result()),
    }
  })
}

/** Of an embedding, what its receipt names: 32 bytes. */
export function embeddingHash({ vectors, promptTokens }: EmbeddingResult): Uint8Array {
  const head = Buffer.alloc(12)
  head.writeUInt32BE(vectors.length, 0)
  head.writeUInt32BE(vectors[0]?.length ?? 0, 4)
  head.writeUInt32BE(promptTokens, 8)
  const hash = createHash('sha256').update('isochrone.v1.embedding\0').update(head)
  for (const vector of vectors) hash.update(bytesOf(vector))
  return new Uint8Array(hash.digest())
}

function concatenated(vectors: readonly Float32Array[]): Uint8Array {
  const dimensions = vectors[0]?.length ?? 0
  const all = new Float32Array(vectors.length * dimensions)
  vectors.forEach((vector, row) => {
    assert(vector.length === dimensions, 'all vectors of an embedding have the same length')
    all.set(vector, row * dimensions)
  })
  return bytesOf(all)
}

function readVectors(table: wire.EmbedReply): Float32Array[] {
  const view = table.vectorsArray() ?? new Uint8Array(0)
  const rows = table.rows()
  checkLength(rows, 'reply.rows', messageLimits.embeddingRowsMax)
  const dimensions = rows === 0 ? 0 : view.length / floatBytes / rows
  if (!Number.isInteger(dimensions) || (rows === 0 && view.length > 0)) {
    throw malformed(`${view.length} bytes are not ${rows} vectors`)
  }
  // In place where the writer kept the alignment.
  const bytes = view.byteOffset % floatBytes === 0 ? view : view.slice()
  const all = new Float32Array(bytes.buffer, bytes.byteOffset, rows * dimensions)
  if (!all.every(Number.isFinite)) throw malformed('a vector holds what is not a number')
  return Array.from({ length: rows }, (_, row) =>
    all.subarray(row * dimensions, (row + 1) * dimensions),
  )
}

const floatBytes = Float32Array.BYTES_PER_ELEMENT

function bytesOf(vector: Float32Array): Uint8Array {
  return new Uint8Array(vector.buffer, vector.byteOffset, vector.byteLength)
}
