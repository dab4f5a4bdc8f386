import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { leafHash } from '../../protocol/index.ts'
import { GroupBuffer } from './group-buffer.ts'
import { type GroupBytes, type Row, readGroup } from './group-entries.ts'

type Item =
  | { readonly row: Row }
  | { readonly id: string; readonly keyId: string | null; readonly json: string }
  | { readonly frame: string; readonly at: number; readonly bytes: readonly number[] }

const text = fc.string({ unit: 'grapheme', maxLength: 3000 })
const item = fc.oneof(
  fc.array(fc.oneof(text, fc.integer(), fc.constant(null))).map((row): Item => ({ row })),
  fc
    .record({
      id: fc.stringMatching(/^[a-z2-7]{0,40}$/),
      keyId: fc.oneof(fc.constant(null), fc.stringMatching(/^key_[a-z0-9]{1,32}$/)),
      json: text,
    })
    .map(({ id, keyId, json }): Item => ({ id, keyId, json })),
  fc
    .record({
      frame: fc.stringMatching(/^[a-z0-9-]{1,20}$/),
      at: fc.nat({ max: 2 ** 40 }),
      bytes: fc.array(fc.nat({ max: 255 }), { maxLength: 300 }),
    })
    .map(({ frame, at, bytes }): Item => ({ frame, at, bytes })),
)

function add(buffer: GroupBuffer, one: Item): void {
  if ('row' in one) buffer.addObservation(one.row)
  else if ('id' in one) buffer.addDecision(one, one.json)
  else buffer.addView(one.frame, one.at, Uint8Array.from(one.bytes))
}

function read(bytes: GroupBytes): Item[] {
  const items: Item[] = []
  readGroup(bytes, {
    observation: (row) => items.push({ row }),
    sighting: (row) => items.push({ row }),
    incidentStep: (row) => items.push({ row }),
    ledgerEntry: (row) => items.push({ row }),
    decision: (names, json) => items.push({ ...names, json: json.toString('utf8') }),
    view: (frame, at, bytes) => items.push({ frame, at, bytes: [...bytes] }),
  })
  return items
}

test('what was added comes back in order, without what was dropped, also behind another', () => {
  const lists = fc.tuple(fc.array(item), fc.array(item), fc.nat({ max: 5 }))
  fc.assert(
    fc.property(lists, ([first, second, dropped]) => {
      const buffer = new GroupBuffer()
      for (const one of first) add(buffer, one)
      for (let i = 0; i < dropped; i += 1) buffer.dropOldest()
      const later = new GroupBuffer()
      for (const one of second) add(later, one)
      buffer.append(later)
      const expected = [...first.slice(dropped), ...second]
      assert.deepEqual(read(buffer.bytes), expected)
      assert.equal(buffer.count, expected.length)
      const leaves = expected.flatMap((one) =>
        'id' in one ? [...leafHash(Buffer.from(one.json))] : [],
      )
      assert.deepEqual([...buffer.leaves()], leaves)
      buffer.clear()
      assert.deepEqual(read(buffer.bytes), [])
    }),
    { numRuns: 60 },
  )
})

test('a buffer that outgrows its memory leaves what was handed out as it was', () => {
  const buffer = new GroupBuffer()
  buffer.addDecision({ id: 'a', keyId: null }, 'first')
  const before = buffer.bytes
  buffer.addDecision({ id: 'b', keyId: 'key_1' }, 'x'.repeat(5_000_000))
  assert.notEqual(buffer.bytes.shared, before.shared)
  assert.deepEqual(read(before), [{ id: 'a', keyId: null, json: 'first' }])
  assert.equal(read(buffer.bytes).length, 2)
  buffer.clear()
  assert.ok(buffer.bytes.shared.byteLength < 1_000_000)
})

test('what is dropped leaves its room to what comes after', () => {
  const buffer = new GroupBuffer()
  const json = 'x'.repeat(1_000)
  for (let i = 0; i < 20_000; i += 1) {
    if (buffer.count === 100) buffer.dropOldest()
    buffer.addDecision({ id: `d${i}`, keyId: 'key_1' }, json)
  }
  assert.ok(buffer.bytes.shared.byteLength < 1_000_000)
  assert.equal(read(buffer.bytes).length, 100)
})

test('steps of incidents are dropped last, and what is left keeps its order', () => {
  const buffer = new GroupBuffer()
  const rows = [['s1'], ['o1'], ['s2'], ['o2'], ['s3']] as const
  for (const row of rows) {
    if (row[0].startsWith('s')) buffer.addIncidentStep(row)
    else buffer.addObservation(row)
  }
  const left: string[][] = []
  while (buffer.count > 0) {
    left.push(read(buffer.bytes).map((one) => ('row' in one ? String(one.row[0]) : '')))
    buffer.dropOldest()
  }
  assert.deepEqual(left, [
    ['s1', 'o1', 's2', 'o2', 's3'],
    ['s1', 's2', 'o2', 's3'],
    ['s1', 's2', 's3'],
    ['s2', 's3'],
    ['s3'],
  ])
  assert.deepEqual(read(buffer.bytes), [])
})
