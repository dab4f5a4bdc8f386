/** A gateway's signed calls: an envelope and the body whose hash it signs. */

import type { SignedEnvelope } from '../envelope.ts'
import * as layouts from '../generated/layouts.js'
import * as wire from '../generated/node.js'
import { decodeMessage } from './decode.ts'
import { encodeMessage } from './encode.ts'
import { readSignedEnvelope, writeSignedEnvelope } from './signed-envelope.ts'
import { malformed } from './verify-buffer.ts'

export interface SignedCall {
  readonly envelope: SignedEnvelope
  /** After decoding, a view of the message. */
  readonly body: Uint8Array
}

/** Its body: `encodeGenerationRequest`. */
export type GenerateCall = SignedCall
/** Its body: `encodeEmbeddingRequest`. */
export type EmbedCall = SignedCall

export function encodeGenerateCall(call: GenerateCall): Uint8Array {
  return encodeMessage((to) => {
    const envelope = writeSignedEnvelope(to, call.envelope)
    const body = to.createByteVector(call.body)
    wire.GenerateCall.startGenerateCall(to)
    wire.GenerateCall.addEnvelope(to, envelope)
    wire.GenerateCall.addBody(to, body)
    return wire.GenerateCall.endGenerateCall(to)
  })
}

export function decodeGenerateCall(bytes: Uint8Array): GenerateCall {
  return decodeMessage(bytes, layouts.GenerateCall, (buffer) =>
    readCall(wire.GenerateCall.getRootAsGenerateCall(buffer)),
  )
}

export function encodeEmbedCall(call: EmbedCall): Uint8Array {
  return encodeMessage((to) => {
    const envelope = writeSignedEnvelope(to, call.envelope)
    const body = to.createByteVector(call.body)
    wire.EmbedCall.startEmbedCall(to)
    wire.EmbedCall.addEnvelope(to, envelope)
    wire.EmbedCall.addBody(to, body)
    return wire.EmbedCall.endEmbedCall(to)
  })
}

export function decodeEmbedCall(bytes: Uint8Array): EmbedCall {
  return decodeMessage(bytes, layouts.EmbedCall, (buffer) =>
    readCall(wire.EmbedCall.getRootAsEmbedCall(buffer)),
  )
}

function readCall(table: wire.GenerateCall | wire.EmbedCall): SignedCall {
  const envelope = readSignedEnvelope(table.envelope())
  const body = table.bodyArray()
  if (body === null) throw malformed('a call without a body')
  return { envelope, body }
}
