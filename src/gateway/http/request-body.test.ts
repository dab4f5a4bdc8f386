/** Bodies as they come: in any number of parts, each as small as its sender likes. */
import assert from 'node:assert/strict'
import { Socket } from 'node:net'
import { test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { IncomingRequest } from './incoming-request.ts'
import { readJson } from './request-body.ts'

const bytesMax = 1024 * 1024

/** A request whose body the test pushes part by part, as Node's parser does. */
function requestOf(): IncomingRequest {
  const request = new IncomingRequest(new Socket())
  const headers = { 'content-type': 'application/json', 'transfer-encoding': 'chunked' }
  return Object.assign(request, { headers })
}

function end(request: IncomingRequest): void {
  request.complete = true
  request.push(null)
}

function heapBytes(): number {
  setFlagsFromString('--expose-gc')
  runInNewContext('gc')()
  return process.memoryUsage().heapUsed
}

test('a body is what was sent, in whatever parts it comes', async () => {
  const bytes = Buffer.from(JSON.stringify({ text: 'żółw '.repeat(2000) }))
  for (const size of [1, 7, 13, bytes.length]) {
    const request = requestOf()
    const body = readJson(request, bytesMax)
    for (let at = 0; at < bytes.length; at += size) {
      request.push(bytes.subarray(at, at + size))
    }
    end(request)
    assert.deepEqual(await body, JSON.parse(bytes.toString()))
  }
})

test('a body of many small parts takes the memory of its bytes, not of its parts', async () => {
  const bytes = Buffer.from(`"${'a'.repeat(300_000)}"`)
  const request = requestOf()
  const before = heapBytes()
  const body = readJson(request, bytesMax)
  for (let at = 0; at < bytes.length; at += 1) request.push(bytes.subarray(at, at + 1))
  const grown = heapBytes() - before
  assert.ok(grown < 4 * 1024 * 1024, `${grown} bytes`)
  end(request)
  assert.equal(((await body) as string).length, 300_000)
})

test('a body that breaks off is the client’s leaving, at any point of it', async () => {
  for (const sent of ['', '{"text":', '{"text":"a"}']) {
    const request = requestOf()
    const body = readJson(request, bytesMax)
    if (sent !== '') request.push(Buffer.from(sent))
    request.destroy()
    await assert.rejects(body, { code: 'client_closed_request' })
  }
})

test('what comes behind too much of it is nobody’s, and waits in the stream', async () => {
  const request = requestOf()
  const body = readJson(request, 4)
  request.push(Buffer.from('"1234"'))
  await assert.rejects(body, { code: 'request_too_large' })
  request.push(Buffer.from('more'))
  assert.equal(request.read()?.toString(), 'more')
})

test('a body of an announced length is whole with its last byte; of none, at once', async () => {
  for (const text of ['', '{"a":1}']) {
    const request = requestOf()
    Object.assign(request.headers, { 'content-length': String(text.length) })
    const body = readJson(request, bytesMax)
    for (const letter of text) request.push(Buffer.from(letter))
    assert.deepEqual(await body, text === '' ? undefined : { a: 1 })
  }
})
