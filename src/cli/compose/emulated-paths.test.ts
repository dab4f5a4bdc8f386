import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'
import { type TestContext, test } from 'node:test'
import { emulatedPaths } from './emulated-paths.ts'

test('a path has its own delay, another address that of elsewhere', async (t) => {
  const [near, far] = [await listening(t), await listening(t)]
  const socketTo = async (port: number) => {
    const socket = connect(port, '127.0.0.1')
    t.after(() => socket.destroy())
    await once(socket, 'connect')
    return socket
  }
  const [toNear, toFar] = [await socketTo(near), await socketTo(far)]
  const noneTo = (port: number) => [`127.0.0.1:${port}=0`]
  // A socket that is not delayed is passed on as it is.
  assert.equal(emulatedPaths(34, noneTo(near))?.(toNear), toNear)
  assert.notEqual(emulatedPaths(34, noneTo(near))?.(toFar), toFar)
  const onlyFar = emulatedPaths(0, [`127.0.0.1:${far}=88.5`])
  assert.equal(onlyFar?.(toNear), toNear)
  assert.notEqual(onlyFar?.(toFar), toFar)
})

test('without delays nothing stands between a socket and its user', () => {
  assert.equal(emulatedPaths(0, []), undefined)
})

test('what is no path is refused, with an example', () => {
  for (const path of ['', '127.0.0.1:1', 'localhost:1=2', '127.0.0.1:1=-2', '[::1]:1=10001']) {
    assert.throws(() => emulatedPaths(0, [path]), {
      code: 'invalid_configuration',
      message: /127\.0\.0\.1:9000=34/,
    })
  }
  assert.ok(emulatedPaths(0, ['[::1]:9000=1']))
})

async function listening(t: TestContext): Promise<number> {
  const server = createServer()
  t.after(() => void server.close())
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}
