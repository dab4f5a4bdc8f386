/** Bodies as they come: in any number of parts, each as small as its sender likes. */
import assert from 'node:assert/strict'
import type { IncomingMessage } from 'node:http'
import { PassThrough } from 'node:stream'
import { test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { readJson } from './request-body.ts'

const bytesMax = 1024 * 1024

/** A request whose body the test writes part by part. */
function requestOf(): { readonly stream: PassThrough; readonly request: IncomingMessage } {
  const stream = new PassThrough()
  const headers = { 'content-type': 'application/json', 'transfer-encoding': 'chunked' }
  Object.assign(stream, { headers, complete: true })
  return { stream, request: stream as unknown as IncomingMessage }
}

function heapBytes(): number {
  setFlagsFromString('--expose-gc')
  runInNewContext('gc')()
  return process.memoryUsage().heapUsed
}

test('a body is what was sent, in whatever parts it comes', async () => {
  const bytes = Buffer.from(JSON.stringify({ text: 'żółw '.repeat(2000) }))
  for (const size of [1, 7, 13, bytes.length]) {
    const { stream, request } = requestOf()
    const body = readJson(request, bytesMax)
    for (let at = 0; at < bytes.length; at += size) {
      stream.emit('data', bytes.subarray(at, at + size))
    }
    stream.end()
    assert.deepEqual(await body, JSON.parse(bytes.toString()))
  }
})

test('a body of many small parts takes the memory of its bytes, not of its parts', async () => {
  const bytes = Buffer.from(`"${'a'.repeat(300_000)}"`)
  const { stream, request } = requestOf()
  const before = heapBytes()
  const body = readJson(request, bytesMax)
  for (let at = 0; at < bytes.length; at += 1) stream.emit('data', bytes.subarray(at, at + 1))
  const grown = heapBytes() - before
  assert.ok(grown < 4 * 1024 * 1024, `${grown} bytes`)
  stream.end()
  assert.equal(((await body) as string).length, 300_000)
})
