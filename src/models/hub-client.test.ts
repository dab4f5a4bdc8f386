/** Where a hub may lead, and what is shown there. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { hasCode } from '../protocol/index.ts'
import { hubGet } from './hub-client.ts'

const hub = new URL('https://hub.example')
const file = new URL('https://hub.example/acme/small/resolve/main/config.json')

/** Answers every request with the next redirect, then with the file. */
function redirecting(context: TestContext, ...targets: readonly string[]) {
  const asked: { readonly url: string; readonly token: string | null }[] = []
  context.mock.method(globalThis, 'fetch', async (url: URL, init: RequestInit) => {
    const token = new Headers(init.headers).get('authorization')
    const target = targets[asked.length]
    asked.push({ url: url.href, token })
    return target === undefined
      ? new Response('the file')
      : new Response(null, { status: 302, headers: { location: target } })
  })
  return asked
}

test('a hub does not lead from https to http, or to what is no web address', async (t) => {
  for (const target of ['http://hub.example/file', 'http://cdn.example/', 'file:///etc/passwd']) {
    await t.test(target, async (context) => {
      const asked = redirecting(context, target)
      await assert.rejects(hubGet(file, { hub, token: 'secret' }), (error) =>
        hasCode(error, 'model_download_failed'),
      )
      assert.equal(asked.length, 1)
    })
  }
})

test('the way from https to http is closed after other redirects too', async (t) => {
  const asked = redirecting(t, 'https://cdn.example/file', 'http://cdn.example/file')
  await assert.rejects(hubGet(file, { hub }), (error) => hasCode(error, 'model_download_failed'))
  assert.equal(asked.length, 2)
})

test('the token is shown to the hub itself, and not where it leads', async (t) => {
  const asked = redirecting(t, '/elsewhere', 'https://cdn.example/file')
  assert.equal((await hubGet(file, { hub, token: 'secret' })).status, 200)
  assert.deepEqual(
    asked.map(({ token }) => token),
    ['Bearer secret', 'Bearer secret', null],
  )
})
