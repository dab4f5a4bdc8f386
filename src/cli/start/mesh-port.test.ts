import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { keepMeshPort, keptMeshPort } from './mesh-port.ts'

test('a kept port is taken again where it is free, else any', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'isochrone-port-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const file = join(folder, 'mesh-port')
  assert.equal(await keptMeshPort(file), 0)
  const other = createServer()
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
  const { port } = other.address() as AddressInfo
  keepMeshPort(file, `127.0.0.1:${port}`)
  assert.equal(await keptMeshPort(file), 0)
  await new Promise((resolve) => other.close(resolve))
  assert.equal(await keptMeshPort(file), port)
})

test('what is no port is as if there were none', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'isochrone-port-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const file = join(folder, 'mesh-port')
  for (const text of ['', '0', '-1', '70000', '12x', '080']) {
    writeFileSync(file, text)
    assert.equal(await keptMeshPort(file), 0, text)
  }
})
