/** What a node streams back: batches of events, and the signed result last. */
import type { SignedEnvelope } from '../envelope.ts'
import * as layouts from '../generated/layouts.js'
import * as wire from '../generated/node.js'
import type { GenerationEvent } from '../generation.ts'
import { decodeMessage } from './decode.ts'
import { encodeMessage } from './encode.ts'
import { readEvents, writeEvents } from './generation-event.ts'
import { readSignedEnvelope, writeSignedEnvelope } from './signed-envelope.ts'

export type GenerateReply =
  | { readonly type: 'events'; readonly events: readonly GenerationEvent[] }
  /** Domain `result`, over the request and the `receiptHash` of the answer: `resultHash`. */
  | { readonly type: 'result'; readonly result: SignedEnvelope }

export function encodeGenerateReply(reply: GenerateReply): Uint8Array {
  return encodeMessage((to) => {
    const events = reply.type === 'events' ? writeEvents(to, reply.events) : 0
    const result = reply.type === 'result' ? writeSignedEnvelope(to, reply.result) : 0
    wire.GenerateReply.startGenerateReply(to)
    wire.GenerateReply.addEvents(to, events)
    wire.GenerateReply.addResult(to, result)
    return wire.GenerateReply.endGenerateReply(to)
  })
}

export function decodeGenerateReply(bytes: Uint8Array): GenerateReply {
  return decodeMessage(bytes, layouts.GenerateReply, (buffer) => {
    const table = wire.GenerateReply.getRootAsGenerateReply(buffer)
    const result = table.result()
    if (result !== null) return { type: 'result', result: readSignedEnvelope(result) }
    return { type: 'events', events: readEvents(table) }
  })
}
