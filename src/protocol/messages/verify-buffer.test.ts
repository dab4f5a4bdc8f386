import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Builder } from 'flatbuffers'
import { hasCode } from '../errors.ts'
import * as layouts from '../generated/layouts.js'
import * as wire from '../generated/node.js'
import { decodeGenerateReply, encodeGenerateReply } from './generate-reply.ts'
import { verifyBuffer } from './verify-buffer.ts'

function assertRefused(bytes: Uint8Array, why: RegExp): void {
  assert.throws(
    () => verifyBuffer(bytes, layouts.GenerateReply),
    (error) => {
      assert.ok(hasCode(error, 'malformed_message') && error instanceof Error)
      assert.match(error.message, why)
      return true
    },
  )
}

/**
 * A reply with one event and one token id. The root's offset is at 0; everything is found by its
 * offset, as a reader does.
 */
function sample() {
  const event = { type: 'delta' as const, choice: 3, text: 'Lima', tokenIds: [7] }
  const events = [{ ...event, logprobs: [], extra: null }]
  const bytes = encodeGenerateReply({ type: 'events', events }).slice()
  const view = new DataView(bytes.buffer)
  const root = view.getUint32(0, true)
  const vtable = root - view.getInt32(root, true)
  const eventsField = root + view.getUint16(vtable + 4, true)
  const eventsVector = eventsField + view.getUint32(eventsField, true)
  return { bytes, view, root, vtable, eventsField, eventsVector }
}

test('the sample is right before it is changed', () => {
  verifyBuffer(sample().bytes, layouts.GenerateReply)
})

test('nothing, and too little, is no message', () => {
  for (const length of [0, 1, 3]) assertRefused(new Uint8Array(length), /only/)
  for (const length of [4, 5, 8]) assertRefused(new Uint8Array(length), /outside/)
})

test('offsets that leave the message, wrap around or point at themselves are refused', () => {
  for (const offset of [0, 1, 3, 0x7fffffff, 0x80000000, 0xfffffff0, 0xffffffff]) {
    const root = sample()
    root.view.setUint32(0, offset, true)
    assertRefused(root.bytes, /outside/)
    const field = sample()
    field.view.setUint32(field.eventsField, offset, true)
    assertRefused(field.bytes, /outside/)
    const item = sample()
    item.view.setUint32(item.eventsVector + 4, offset, true)
    assertRefused(item.bytes, /outside/)
  }
})

test('a vtable that lies outside or has a wrong size is refused', () => {
  for (const offset of [0x7fffffff, -0x80000000, 100_000, -100_000]) {
    const { bytes, view, root } = sample()
    view.setInt32(root, offset, true)
    assertRefused(bytes, /vtable/)
  }
  for (const size of [0, 2, 3, 5, 0x7ffe, 0x8000, 0xffff]) {
    const { bytes, view, vtable } = sample()
    view.setUint16(vtable, size, true)
    assertRefused(bytes, /vtable/)
  }
  for (const size of [0, 3, 0x7fff, 0x8000, 0xffff]) {
    const { bytes, view, vtable } = sample()
    view.setUint16(vtable + 2, size, true)
    assertRefused(bytes, /wrong size/)
  }
})

test('a field outside of its table is refused', () => {
  for (const offset of [1, 3, 9, 0x7fff, 0x8000, 0xffff]) {
    const { bytes, view, vtable } = sample()
    view.setUint16(vtable + 4, offset, true)
    assertRefused(bytes, /outside its table/)
  }
})

test('vectors longer than the message are refused, also where 32 bits would overflow', () => {
  for (const length of [2, 1000, 0x40000000, 0x7fffffff, 0x80000000, 0xffffffff]) {
    const { bytes, view, eventsVector } = sample()
    view.setUint32(eventsVector, length, true)
    assertRefused(bytes, /outside|overlap/)
  }
})

test('a small message does not become a large one by sharing its parts', () => {
  // 2,000 events, all of them the same one with a text of 100 kB: 200 MB for who believes it.
  const to = new Builder(1024)
  const text = to.createString('x'.repeat(100_000))
  wire.GenerationEvent.startGenerationEvent(to)
  wire.GenerationEvent.addKind(to, wire.EventKind.delta)
  wire.GenerationEvent.addText(to, text)
  const event = wire.GenerationEvent.endGenerationEvent(to)
  const events = wire.GenerateReply.createEventsVector(to, new Array(2000).fill(event))
  wire.GenerateReply.startGenerateReply(to)
  wire.GenerateReply.addEvents(to, events)
  to.finish(wire.GenerateReply.endGenerateReply(to))
  const bytes = to.asUint8Array().slice()
  assertRefused(bytes, /overlap/)
  assert.throws(
    () => decodeGenerateReply(bytes),
    (error) => hasCode(error, 'malformed_message'),
  )
})

test('tables may share their vtable', () => {
  const event = { type: 'finish' as const, choice: 0, reason: 'stop' as const }
  const reply = { type: 'events' as const, events: [event, { ...event, choice: 1 }] }
  const bytes = encodeGenerateReply(reply)
  verifyBuffer(bytes, layouts.GenerateReply)
  assert.deepEqual(decodeGenerateReply(bytes), reply)
})
