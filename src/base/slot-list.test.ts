import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { SlotList } from './slot-list.ts'

test('holds what was added and not yet removed, whatever the order', () => {
  fc.assert(
    fc.property(fc.array(fc.nat({ max: 20 })), (steps) => {
      const list = new SlotList<{ readonly name: number }>()
      const present: { readonly slot: number; readonly item: { readonly name: number } }[] = []
      for (const [name, step] of steps.entries()) {
        const gone = step % 3 === 0 ? present.splice(step % present.length, 1)[0] : undefined
        if (gone !== undefined) list.remove(gone.slot)
        else {
          const item = { name }
          present.push({ slot: list.add(item), item })
        }
        assert.equal(list.size, present.length)
        assert.deepEqual(new Set(list), new Set(present.map(({ item }) => item)))
      }
    }),
  )
})

test('a slot that is free is given again, and freeing it twice changes nothing', () => {
  const list = new SlotList<string>()
  const first = list.add('a')
  list.remove(first)
  list.remove(first)
  assert.equal(list.size, 0)
  assert.equal(list.add('b'), first)
  assert.notEqual(list.add('c'), first)
  assert.deepEqual([...list].sort(), ['b', 'c'])
})
