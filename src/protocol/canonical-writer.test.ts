import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { CanonicalWriter } from './canonical-writer.ts'

test('fields can be read back, however many and long they are', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 3_000 }), { maxLength: 6 }), (fields) => {
      const writer = new CanonicalWriter()
      for (const field of fields) writer.bytes(field)
      const bytes = Buffer.from(writer.done())
      let at = 0
      for (const field of fields) {
        const length = bytes.readUInt32BE(at)
        assert.deepEqual(Buffer.from(field), bytes.subarray(at + 4, at + 4 + length))
        at += 4 + length
      }
      assert.equal(at, bytes.length)
    }),
  )
})

test('texts and numbers', () => {
  const bytes = new CanonicalWriter()
    .text('é', 'utf8')
    .text('00ff', 'hex')
    .text('', 'hex')
    .uint8(7)
    .uint32(0xfffefdfc)
    .uint64(2 ** 53 - 1)
    .done()
  assert.equal(
    Buffer.from(bytes).toString('hex'),
    '00000002c3a9' +
      '0000000200ff' +
      '00000000' +
      '0000000107' +
      '00000004fffefdfc' +
      '00000008001fffffffffffff',
  )
})

test('what was written stays when the next is written', () => {
  const first = new CanonicalWriter().text('first', 'latin1').done()
  const before = Uint8Array.from(first)
  new CanonicalWriter().text('second', 'latin1').done()
  assert.deepEqual(first, before)
})
