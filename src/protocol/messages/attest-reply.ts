/** A node's answer when it is asked to attest: the statement's very bytes, and its signature. */
import type { SignedEnvelope } from '../envelope.ts'
import * as layouts from '../generated/layouts.js'
import * as wire from '../generated/node.js'
import { decodeMessage } from './decode.ts'
import { encodeMessage } from './encode.ts'
import { messageLimits } from './limits.ts'
import { readSignedEnvelope, writeSignedEnvelope } from './signed-envelope.ts'
import { malformed } from './verify-buffer.ts'

export interface AttestReply {
  /** `encodeAttestation`; after decoding, a copy: it is kept. */
  readonly statement: Uint8Array
  /** Domain `result`, over the request and the `attestationHash`: `resultHash`. */
  readonly result: SignedEnvelope
}

export function encodeAttestReply(reply: AttestReply): Uint8Array {
  return encodeMessage((to) => {
    const statement = to.createByteVector(reply.statement)
    const result = writeSignedEnvelope(to, reply.result)
    wire.AttestReply.startAttestReply(to)
    wire.AttestReply.addStatement(to, statement)
    wire.AttestReply.addResult(to, result)
    return wire.AttestReply.endAttestReply(to)
  })
}

export function decodeAttestReply(bytes: Uint8Array): AttestReply {
  return decodeMessage(bytes, layouts.AttestReply, (buffer) => {
    const table = wire.AttestReply.getRootAsAttestReply(buffer)
    const statement = table.statementArray()
    if (statement === null) throw malformed('there is no statement')
    if (statement.length > messageLimits.attestationBytesMax) {
      throw malformed(`a statement of ${statement.length} bytes`)
    }
    return { statement: statement.slice(), result: readSignedEnvelope(table.result()) }
  })
}
