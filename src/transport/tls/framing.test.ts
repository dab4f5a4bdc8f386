import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { hasCode, IsochroneError } from '../../protocol/index.ts'
import { transportLimits } from '../transport.ts'
import { frameMessage, MessageParser, prefixBytes } from './framing.ts'

const roomy = () => ({ bytes: 0, bytesMax: transportLimits.assemblyBytesMax })

/** Cuts bytes into pieces at the given places. */
function cut(bytes: Uint8Array, places: readonly number[]): Uint8Array[] {
  const sorted = [0, ...places.map((place) => place % (bytes.length + 1)), bytes.length]
  sorted.sort((a, b) => a - b)
  return sorted.slice(1).map((end, i) => bytes.subarray(sorted[i], end))
}

function parse(pieces: readonly Uint8Array[], budget = roomy()): Uint8Array[] {
  const parser = new MessageParser(budget)
  const messages: Uint8Array[] = []
  for (const piece of pieces) parser.feed(piece, (message) => messages.push(message))
  assert.equal(parser.unfinished, false)
  return messages
}

describe('gRPC framing', () => {
  it('gives back the messages however the bytes are cut', () => {
    const messages = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 8 })
    const places = fc.array(fc.nat(), { maxLength: 12 })
    fc.assert(
      fc.property(messages, places, (sent, where) => {
        const budget = roomy()
        const received = parse(cut(Buffer.concat(sent.map(frameMessage)), where), budget)
        assert.deepEqual(
          received.map((message) => [...message]),
          sent.map((message) => [...message]),
        )
        for (const { buffer, byteOffset, length } of received) {
          assert.equal(byteOffset % 8, 0)
          assert.equal(buffer.byteLength, length, 'a message holds no memory but its own')
        }
        assert.equal(budget.bytes, 0)
      }),
    )
  })

  it('takes garbage without another error than a known one', () => {
    const pieces = fc.array(fc.uint8Array({ maxLength: 64 }), { maxLength: 8 })
    fc.assert(
      fc.property(pieces, (garbage) => {
        const parser = new MessageParser(roomy())
        try {
          for (const piece of garbage) parser.feed(piece, () => {})
        } catch (error) {
          assert.ok(error instanceof IsochroneError)
        }
      }),
    )
  })

  it('refuses a length over the limit from its prefix alone', () => {
    const prefix = Buffer.from([0, 0, 0, 0, 0])
    prefix.writeUInt32BE(transportLimits.messageBytesMax + 1, 1)
    assert.throws(
      () => parse([prefix]),
      (error) => hasCode(error, 'message_too_large'),
    )
  })

  it('refuses a compressed message as unimplemented, and other flags as malformed', () => {
    assert.throws(
      () => parse([Buffer.from([1, 0, 0, 0, 0])]),
      (error) => hasCode(error, 'method_not_found'),
    )
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 255 }), (flag) => {
        assert.throws(
          () => parse([Buffer.from([flag, 0, 0, 0, 0])]),
          (error) => hasCode(error, 'malformed_message'),
        )
      }),
    )
  })

  it('keeps no piece of an unfinished message, and counts the memory that it keeps', () => {
    const sent = frameMessage(new Uint8Array(100_000).fill(3))
    const budget = roomy()
    const parser = new MessageParser(budget)
    const piece = new Uint8Array(1)
    let received: Uint8Array | undefined
    for (const [at, byte] of sent.entries()) {
      piece[0] = byte // the same memory again: who kept it has another message now
      parser.feed(piece, (message) => {
        received = message
      })
      const has = Math.max(0, at + 1 - prefixBytes)
      if (has < 100_000) assert.ok(budget.bytes >= has && budget.bytes <= Math.max(1024, 4 * has))
    }
    assert.deepEqual(received, Buffer.alloc(100_000, 3))
    assert.equal(budget.bytes, 0)
  })

  it('bounds what unfinished messages of a connection may take', () => {
    const budget = { bytes: 0, bytesMax: 100 }
    const start = frameMessage(new Uint8Array(90)).subarray(0, 65)
    const [first, second] = [new MessageParser(budget), new MessageParser(budget)]
    first.feed(start, () => assert.fail('the message is not whole'))
    assert.throws(
      () => second.feed(start, () => {}),
      (error) => hasCode(error, 'message_too_large'),
    )
    first.release()
    assert.equal(budget.bytes, 0)
  })

  it('bounds what unfinished messages of all connections take, but leaves each a little', () => {
    const total = { bytes: 0, bytesMax: 4_000, sureBytes: 1_024 }
    const parserOfAConnection = () => new MessageParser({ ...roomy(), total })
    const start = (bytes: number) => frameMessage(new Uint8Array(2 * bytes)).subarray(0, bytes + 5)
    const [greedy, modest] = [parserOfAConnection(), parserOfAConnection()]
    greedy.feed(start(3_500), () => assert.fail('the message is not whole'))
    modest.feed(start(900), () => assert.fail('the message is not whole'))
    assert.throws(
      () => parserOfAConnection().feed(start(1_025), () => {}),
      (error) => hasCode(error, 'message_too_large'),
    )
    greedy.release()
    parserOfAConnection().feed(start(1_025), () => {})
    modest.release()
    assert.ok(total.bytes > 0 && total.bytes < 4_000)
  })
})
