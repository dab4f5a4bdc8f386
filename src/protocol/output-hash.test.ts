import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import { AssertionFailure } from '../base/index.ts'
import type { GenerationDelta, GenerationEvent, TokenLogprob } from './generation.ts'
import { decodeGenerateReply, encodeGenerateReply } from './messages/generate-reply.ts'
import { OutputHash } from './output-hash.ts'
import { generationEvent } from './protocol.fixture.ts'

const events = fc.array(generationEvent, { maxLength: 6 })

function hashOf(...batches: (readonly GenerationEvent[])[]): string {
  const hash = new OutputHash()
  for (const batch of batches) hash.add(batch)
  return Buffer.from(hash.digest()).toString('hex')
}

function delta(fields: Partial<GenerationDelta>): GenerationDelta {
  const empty = { choice: 0, text: '', tokenIds: [], logprobs: [], extra: null }
  return { type: 'delta', ...empty, ...fields }
}

test('how events are gathered into batches does not matter', () => {
  fc.assert(
    fc.property(events, fc.array(fc.nat(6)), (all, cuts) => {
      const borders = [0, ...cuts.map((cut) => Math.min(cut, all.length)), all.length]
      borders.sort((a, b) => a - b)
      const batches = borders.map((border, i) => all.slice(borders[i - 1] ?? 0, border))
      assert.equal(hashOf(...batches), hashOf(all))
      assert.equal(hashOf(...all.map((event) => [event])), hashOf(all))
    }),
  )
})

test('both ends of the wire have the same hash', () => {
  fc.assert(
    fc.property(events, (sent) => {
      const received = decodeGenerateReply(encodeGenerateReply({ type: 'events', events: sent }))
      assert.ok(received.type === 'events')
      assert.equal(hashOf(received.events), hashOf(sent))
    }),
  )
})

test('so also for what the wire writes in one way only: −0, lone surrogates, key order', () => {
  const logprob: TokenLogprob = { token: '\ud800', logprob: -0, bytes: [] }
  const sent = [
    delta({ text: 'a\ud800b', logprobs: [{ ...logprob, top: [logprob] }] }),
    delta({ extra: { b: -0, 2: 'x', a: '\udfff', 1: null } }),
  ]
  const received = decodeGenerateReply(encodeGenerateReply({ type: 'events', events: sent }))
  assert.ok(received.type === 'events')
  assert.equal(hashOf(received.events), hashOf(sent))
})

test('different events have different hashes', () => {
  fc.assert(
    fc.property(events, events, (a, b) => {
      assert.equal(hashOf(a) === hashOf(b), JSON.stringify(a) === JSON.stringify(b))
    }),
  )
})

test('nothing moves from one field, or event, to the next unseen', () => {
  const pairs: (readonly [GenerationEvent[], GenerationEvent[]])[] = [
    [[delta({ text: 'ab' })], [delta({ text: 'a' }), delta({ text: 'b' })]],
    [[delta({ text: 'a', extra: {} })], [delta({ text: 'a{}' })]],
    [[delta({ tokenIds: [1] })], [delta({ choice: 1 })]],
    [[delta({ tokenIds: [1, 2] })], [delta({ tokenIds: [1] }), delta({ tokenIds: [2] })]],
    [[delta({})], []],
    [[{ type: 'finish', choice: 0, reason: 'stop' }], [delta({ text: 'stop' })]],
  ]
  for (const [a, b] of pairs) assert.notEqual(hashOf(a), hashOf(b))
})

test('long answers hash as they do in small pieces of memory', () => {
  const long = 'é'.repeat(20_000)
  const tokenIds = Array.from({ length: 10_000 }, (_, i) => i)
  const all = [delta({ text: long, tokenIds }), delta({ text: `${long}!` })]
  assert.equal(hashOf(all), hashOf([all[0] ?? delta({})], [all[1] ?? delta({})]))
  assert.notEqual(hashOf(all), hashOf([delta({ text: long, tokenIds }), delta({ text: long })]))
})

test('what fills the memory to its brim, or over it, hashes like all other', () => {
  const lengths = fc.array(fc.nat(3_000), { maxLength: 4 })
  fc.assert(
    fc.property(lengths, (all) => {
      const texts = all.map((length) => 'x'.repeat(length))
      const written = texts.map((text) =>
        Buffer.concat([uint32s(1, 0, text.length), Buffer.from(text), uint32s(0, 0, 0)]),
      )
      const hash = createHash('sha256').update('isochrone.v1.output\0')
      const expected = hash.update(Buffer.concat(written)).digest('hex')
      assert.equal(hashOf(texts.map((text) => delta({ text }))), expected)
    }),
  )
})

function uint32s(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(4 * values.length)
  for (const [i, value] of values.entries()) bytes.writeUInt32BE(value, 4 * i)
  return bytes
}

test('the hash of a known answer stays what it was', () => {
  const known = [
    delta({ text: 'Lima', tokenIds: [1, 2] }),
    { type: 'finish', choice: 0, reason: 'stop' } as const,
    { type: 'usage', promptTokens: 3, completionTokens: 2, cachedTokens: 0 } as const,
  ]
  assert.equal(hashOf(known), knownHash)
})

/** Computed by another program from the description in `output-hash.ts`. */
const knownHash = '8a59ae12dad950280bca5912b74297ddb99e5f96dc3f36b7a6ebad518e154747'

test('a digest is the end', () => {
  const hash = new OutputHash()
  hash.digest()
  assert.throws(() => hash.digest(), AssertionFailure)
  assert.throws(() => hash.add([]), AssertionFailure)
})
