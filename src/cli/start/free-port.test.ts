import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { test } from 'node:test'
import type { Random } from '../../base/index.ts'
import { seededRandom } from '../../base/index.ts'
import { checkPortIsFree, findFreePorts } from './free-port.ts'

test('ports are found that differ, are free, and are lent to no outgoing one', async (t) => {
  const ports = await findFreePorts('127.0.0.1', 12, seededRandom(1))
  assert.equal(new Set(ports).size, 12)
  for (const port of ports) {
    assert.ok(port >= 20_000 && port < 32_768)
    const server = createServer().listen(port, '127.0.0.1')
    t.after(() => void server.close())
    await once(server, 'listening')
  }
  // The same drawn again: now all are taken.
  const others = await findFreePorts('127.0.0.1', 3, seededRandom(1))
  assert.deepEqual(
    others.filter((port) => ports.includes(port)),
    [],
  )
})

test('a port that is taken is told with the option that chooses another one', async (t) => {
  const server = createServer().listen(0, '127.0.0.1')
  t.after(() => void server.close())
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const message =
    `port ${port} of 127.0.0.1 is taken by another program; stop it, or choose another port ` +
    'with --port N (0 takes a free one)'
  await assert.rejects(checkPortIsFree('127.0.0.1', port), { code: 'address_in_use', message })
})

test('where none is free, it ends with what is wrong', async (t) => {
  const [port = 0] = await findFreePorts('127.0.0.1', 1, seededRandom(2))
  const server = createServer().listen(port, '127.0.0.1')
  t.after(() => void server.close())
  await once(server, 'listening')
  const taken = (server.address() as AddressInfo).port
  const always: Random = { ...seededRandom(1), below: () => taken - 20_000 }
  await assert.rejects(findFreePorts('127.0.0.1', 1, always), { code: 'address_in_use' })
})
