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
/** Its body: `encodeAttestationAsk`. */
export type AttestCall = SignedCall

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

export function encodeAttestCall(call: AttestCall): Uint8Array {
  return encodeMessage((to) => {
    const envelope = writeSignedEnvelope(to, call.envelope)
    const body = to.createByteVector(call.body)
    wire.AttestCall.startAttestCall(to)
    wire.AttestCall.addEnvelope(to, envelope)
    wire.AttestCall.addBody(to, body)
    return wire.AttestCall.endAttestCall(to)
  })
}

export function decodeAttestCall(bytes: Uint8Array): AttestCall {
  return decodeMessage(bytes, layouts.AttestCall, (buffer) =>
    readCall(wire.AttestCall.getRootAsAttestCall(buffer)),
  )
}

function readCall(table: wire.GenerateCall | wire.EmbedCall | wire.AttestCall): SignedCall {
  const envelope = readSignedEnvelope(table.envelope())
  const body = table.bodyArray()
  if (body === null) throw malformed('a call without a body')
  return { envelope, body }
}
