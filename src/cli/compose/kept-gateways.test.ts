import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type NodeId, nodeIdOf } from '../../protocol/index.ts'
import { keptGateways } from './kept-gateways.ts'

const idOf = (i: number): NodeId => nodeIdOf(new Uint8Array(32).fill(i))
const nobody = { get: () => undefined }

test('a gateway that is named is also looked for where it was last, and no other is', () => {
  const contacts = [
    { id: idOf(1), role: 'gateway' as const, addresses: ['new:1', 'old:1'] },
    { id: idOf(2), role: 'gateway' as const, addresses: ['new:2'] },
    { id: idOf(3), role: 'gateway' as const, addresses: ['stranger:3'] },
  ]
  const told = [
    { id: idOf(1), address: 'old:1' },
    { id: undefined, address: 'old:2' },
  ]
  const known = { get: (address: string) => (address === 'old:2' ? idOf(2) : undefined) }
  assert.deepEqual(keptGateways(contacts, told, known), [
    { id: idOf(1), address: 'new:1' },
    { id: idOf(2), address: 'new:2' },
  ])
  assert.deepEqual(keptGateways(contacts, [{ id: undefined, address: 'old:9' }], nobody), [])
})

test('a view full of addresses does not make a node dial them all', () => {
  const addresses = Array.from({ length: 50 }, (_, i) => `host-${i}:1`)
  const contacts = [{ id: idOf(1), addresses }]
  const told = [{ id: idOf(1), address: 'a:1' }]
  assert.equal(keptGateways(contacts, told, nobody).length, 16)
})
