import assert from 'node:assert/strict'
import { it } from 'node:test'
import { WordReader, WordWriter } from './words.ts'

it('what is read is what was written, in its order, however much it is', () => {
  const [writer, reader] = [new WordWriter(), new WordReader()]
  const numbers = Array.from({ length: 10_000 }, (_, place) => place / 3)
  const long = new Uint8Array(20_000).fill(7)
  for (let turn = 0; turn < 2; turn += 1) {
    writer.list(numbers, (number) => writer.number(number))
    writer.bytes(long)
    writer.text('Zürich')
    writer.number(Number.POSITIVE_INFINITY)
    writer.plain({ kind: 'rare', of: [1, undefined] })
    reader.load(writer.take())
    assert.deepEqual(
      reader.list(() => reader.number()),
      numbers,
    )
    assert.deepEqual(reader.bytes(), long)
    assert.equal(reader.text(), 'Zürich')
    assert.equal(reader.number(), Number.POSITIVE_INFINITY)
    assert.equal(reader.isAtEnd, false)
    assert.deepEqual(reader.plain(), { kind: 'rare', of: [1, undefined] })
    assert.equal(reader.isAtEnd, true)
  }
})

it('a text and what is always the same bytes go once', () => {
  const [writer, reader] = [new WordWriter(), new WordReader()]
  const constant = Uint8Array.of(1, 2, 3)
  const write = () => {
    writer.text('a name')
    writer.constant(constant)
  }
  write()
  const first = writer.take()
  assert.equal(first.bytes.length, 'a name'.length + constant.length)
  reader.load(first)
  assert.equal(reader.text(), 'a name')
  const copy = reader.constant()
  assert.deepEqual(copy, constant)
  write()
  const second = writer.take()
  assert.equal(second.bytes.length, 0)
  reader.load(second)
  assert.equal(reader.text(), 'a name')
  assert.equal(reader.constant(), copy)
})

it('bytes that were read keep nothing else in memory, and are written over by nothing', () => {
  const [writer, reader] = [new WordWriter(), new WordReader()]
  writer.bytes(Uint8Array.of(1, 2, 3))
  writer.bytes(new Uint8Array(800))
  reader.load(writer.take())
  const read = reader.bytes()
  writer.bytes(Uint8Array.of(9, 9, 9))
  reader.load(writer.take())
  assert.deepEqual(read, Uint8Array.of(1, 2, 3))
  assert.equal(read.buffer.byteLength, 3)
})
