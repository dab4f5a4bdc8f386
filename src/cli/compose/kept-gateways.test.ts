import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Contact } from '../../mesh/index.ts'
import { type NodeId, nodeIdOf } from '../../protocol/index.ts'
import { keptGateways } from './kept-gateways.ts'

const idOf = (i: number): NodeId => nodeIdOf(new Uint8Array(32).fill(i))
const gateway = (i: number): Contact => {
  return { id: idOf(i), role: 'gateway', addresses: [`10.0.0.${i}:7401`], card: undefined }
}

test('gateways of the last view are joined besides those that are named, each once', () => {
  const contacts: Contact[] = [
    gateway(1),
    gateway(2),
    gateway(3),
    { ...gateway(4), role: 'node' },
    { ...gateway(5), addresses: [] },
  ]
  const told = [
    { id: idOf(1), address: 'elsewhere:1' },
    { id: undefined, address: '10.0.0.2:7401' },
  ]
  assert.deepEqual(keptGateways(contacts, told), [{ id: idOf(3), address: '10.0.0.3:7401' }])
})

test('no more are joined than a node has use for', () => {
  const many = Array.from({ length: 20 }, (_, i) => gateway(i))
  assert.equal(keptGateways(many, []).length, 4)
})
