import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { silentLog } from '../../base/index.ts'
import type { Contact } from '../../mesh/index.ts'
import { createIdentity } from '../../protocol/index.ts'
import { openMeshView } from './mesh-view-file.ts'

test('a kept view comes back, and only its owner may read it', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'isochrone-view-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const view = openMeshView(folder, silentLog)
  assert.deepEqual(view.load(), [])
  const contacts: Contact[] = [
    {
      id: createIdentity().id,
      role: 'node',
      addresses: ['10.0.0.1:7401', '[::1]:7402'],
      card: Uint8Array.of(0, 1, 254, 255),
    },
    { id: createIdentity().id, role: 'gateway', addresses: [], card: undefined },
  ]
  await view.save(contacts)
  assert.deepEqual(view.load(), contacts)
  assert.equal(statSync(join(folder, 'mesh-view.json')).mode & 0o777, 0o600)
})

test('what an earlier version kept is still good', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'isochrone-view-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const member = { id: createIdentity().id, addresses: ['10.0.0.1:7401'] }
  writeFileSync(join(folder, 'mesh-view.json'), JSON.stringify({ members: [member] }))
  const expected = [{ ...member, role: 'node', card: undefined }]
  assert.deepEqual(openMeshView(folder, silentLog).load(), expected)
})

test('a damaged view is none', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'isochrone-view-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const { id } = createIdentity()
  const damaged = [
    '{"members": [',
    '[]',
    '{"members": [{"id": "x", "addresses": []}]}',
    `{"members": [{"id": "${id}", "addresses": [7]}]}`,
    `{"members": [{"id": "${id}"}]}`,
    `{"members": [{"id": "${id}", "addresses": [], "card": 7}]}`,
    `{"members": [{"id": "${id}", "addresses": [], "role": "king"}]}`,
    `{"members": [{"id": "${id}", "addresses": [], "card": "${'A'.repeat(4_097)}"}]}`,
    JSON.stringify({ members: new Array(257).fill({ id, addresses: [] }) }),
  ]
  for (const text of damaged) {
    writeFileSync(join(folder, 'mesh-view.json'), text)
    assert.deepEqual(openMeshView(folder, silentLog).load(), [])
  }
})
