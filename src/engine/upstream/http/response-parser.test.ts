/** Responses in every form and cut anywhere; and what is no response. */
import assert from 'node:assert/strict'
import { request } from 'node:http'
import { type AddressInfo, createServer } from 'node:net'
import { after, before, test } from 'node:test'
import fc from 'fast-check'
import { ResponseFault } from './response-fault.ts'
import { type ResponseHead, ResponseParser, responseLimits } from './response-parser.ts'

interface Read {
  readonly heads: readonly ResponseHead[]
  readonly body: string
  readonly ended: number
  readonly persistent: boolean
}

/** What a parser makes of bytes that come in these pieces, and then the end of the connection. */
function read(pieces: readonly Buffer[], isEnded = true): Read {
  const heads: ResponseHead[] = []
  let body = ''
  let ended = 0
  let last = false
  const parser = new ResponseParser({
    onHead: (head) => heads.push(head),
    onData(bytes, isLast) {
      assert.ok(!last, 'nothing follows the last part')
      body += bytes.toString('latin1')
      last = isLast
    },
    onEnd() {
      ended += 1
      last = false
    },
  })
  parser.begin()
  for (const piece of pieces) parser.push(piece)
  assert.ok(!last, 'the end follows the last part at once')
  const { persistent } = parser
  if (isEnded) parser.finish()
  return { heads, body, ended, persistent }
}

function faultOf(text: string): string {
  try {
    const { ended } = read([Buffer.from(text, 'latin1')])
    return `none, ended ${ended} times`
  } catch (error) {
    assert.ok(error instanceof ResponseFault)
    return error.message
  }
}

const body = fc.string({ unit: 'binary-ascii', maxLength: 300 })
const framing = fc.oneof(
  fc.constant({ kind: 'length' as const }),
  fc.constant({ kind: 'close' as const }),
  fc.record({
    kind: fc.constant('chunked' as const),
    sizes: fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 6 }),
    extension: fc.constantFrom('', ';a=b', ';a="b"'),
    trailers: fc.constantFrom('', 'x-took: 5\r\n', 'a: b\r\nc:\r\n'),
  }),
)
const response = fc.record({
  status: fc.constantFrom(200, 404, 429, 500),
  type: fc.constantFrom('application/json', 'text/event-stream; charset=utf-8'),
  interim: fc.constantFrom('', 'HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n'),
  body,
  framing,
})
type Response = typeof response extends fc.Arbitrary<infer T> ? T : never

function textOf(one: Response): string {
  const first = `${one.interim}HTTP/1.1 ${one.status} So\r\nDate: today\r\n`
  const head = `${first}Content-Type:${one.type} \r\n`
  if (one.framing.kind === 'close') return `${head}\r\n${one.body}`
  if (one.framing.kind === 'length') {
    return `${head}content-length: ${one.body.length}\r\n\r\n${one.body}`
  }
  const { sizes, extension, trailers } = one.framing
  let chunks = ''
  let at = 0
  for (let count = 0; at < one.body.length; count += 1) {
    const part = one.body.slice(at, at + (sizes[count % sizes.length] ?? 1))
    chunks += `${part.length.toString(16)}${extension}\r\n${part}\r\n`
    at += part.length
  }
  return `${head}Transfer-Encoding: Chunked\r\n\r\n${chunks}0${extension}\r\n${trailers}\r\n`
}

/** Pieces of a text, cut at these places. */
function cut(text: string, places: readonly number[]): readonly Buffer[] {
  const bytes = Buffer.from(text, 'latin1')
  const at = [...new Set(places.map((place) => place % (bytes.length + 1)))].sort((a, b) => a - b)
  return [0, ...at].map((from, index) => bytes.subarray(from, at[index] ?? bytes.length))
}

test('a response is read alike, however it is framed and wherever it is cut', () => {
  const places = fc.array(fc.nat(), { maxLength: 12 })
  fc.assert(
    fc.property(response, places, (one, where) => {
      const result = read(cut(textOf(one), where))
      const { status, type } = one
      assert.deepEqual(result.heads, [{ status, contentType: type, retryAfter: undefined }])
      assert.equal(result.body, one.body)
      assert.equal(result.ended, 1)
      assert.equal(result.persistent, one.framing.kind !== 'close')
    }),
    { numRuns: 500 },
  )
})

test('a response that lacks its end is a fault, unless the connection ends it', () => {
  fc.assert(
    fc.property(response, fc.double({ min: 0, max: 1, noNaN: true }), (one, share) => {
      const text = textOf(one)
      const part = text.slice(0, Math.floor(share * (text.length - 1)))
      const headEnd = text.lastIndexOf('\r\n\r\n', one.interim.length + 120) + 4
      if (one.framing.kind === 'close' && part.length >= headEnd) return
      assert.match(faultOf(part), /ended before/)
    }),
    { numRuns: 300 },
  )
})

const ok = 'HTTP/1.1 200 OK\r\n'
const chunked = `${ok}transfer-encoding: chunked\r\n\r\n`
const unclear = /how long its response is/
const faults: readonly [what: string, text: string, fault: RegExp][] = [
  ['another protocol', 'SSH-2.0-x\r\n\r\n', /does not speak HTTP/],
  ['HTTP/2', 'HTTP/2 200\r\n\r\n', /does not speak HTTP/],
  ['a status of two digits', 'HTTP/1.1 20 OK\r\n\r\n', /does not speak HTTP/],
  ['a status below all others', 'HTTP/1.1 099 OK\r\n\r\n', /does not speak HTTP/],
  ['a status line with a NUL', 'HTTP/1.1 200 O\0K\r\n\r\n', /does not speak HTTP/],
  ['a status line with a DEL', 'HTTP/1.1 200 O\x7fK\r\n\r\n', /does not speak HTTP/],
  ['a DEL', `${ok}a: \x7f\r\n\r\n`, /no field/],
  ['a switch of protocols', 'HTTP/1.1 101 Go\r\n\r\n', /status 101/],
  ['hints without end', 'HTTP/1.1 103 X\r\n\r\n'.repeat(17), /status 103/],
  ['two lengths', `${ok}content-length: 1\r\nContent-Length: 1\r\n\r\nx`, unclear],
  ['a list of lengths', `${ok}content-length: 1, 1\r\n\r\nx`, unclear],
  ['a negative length', `${ok}content-length: -1\r\n\r\n`, unclear],
  ['a length beyond all numbers', `${ok}content-length: ${'9'.repeat(16)}\r\n\r\n`, unclear],
  ['no digits', `${ok}content-length:\r\n\r\n`, unclear],
  ['a space that is none', `${ok}content-length:\xa01\r\n\r\nx`, unclear],
  ['length and chunks', `${ok}content-length: 1\r\ntransfer-encoding: chunked\r\n\r\n`, unclear],
  ['twice chunked', `${ok}transfer-encoding: chunked\r\ntransfer-encoding: x\r\n\r\n`, unclear],
  ['a coding that is not known', `${ok}transfer-encoding: gzip, chunked\r\n\r\n`, unclear],
  ['chunks in HTTP/1.0', 'HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n', unclear],
  ['a compressed body', `${ok}content-encoding: gzip\r\ncontent-length: 1\r\n\r\nx`, /compressed/],
  ['a line that goes on', `${ok}a: b\r\n c\r\n\r\n`, /no field/],
  ['a space before the colon', `${ok}a : b\r\n\r\n`, /no field/],
  ['a field without a name', `${ok}: b\r\n\r\n`, /no field/],
  ['a lone line feed', `${ok}a: b\nc: d\r\n\r\n`, /no field/],
  ['a lone carriage return', `${ok}a: b\rc: d\r\n\r\n`, /no field/],
  ['a NUL', `${ok}a: \0\r\n\r\n`, /no field/],
  ['a chunk without size', `${chunked}\r\n\r\n`, /valid chunks/],
  ['a size that is no number', `${chunked}xyz\r\n`, /valid chunks/],
  ['a size that is too large', `${chunked}${'f'.repeat(11)}\r\n`, /valid chunks/],
  ['a chunk longer than it says', `${chunked}1\r\nxx\r\n0\r\n\r\n`, /valid chunks/],
  ['a lone line feed after a size', `${chunked}1\nx\r\n0\r\n\r\n`, /valid chunks/],
  ['an extension without end', `${chunked}1;${'x'.repeat(1024)}`, /valid chunks/],
  ['trailers without end', `${chunked}0\r\n${'a: b\r\n'.repeat(20_000)}`, /valid chunks/],
  ['a head without end', `${ok}${'a: b\r\n'.repeat(20_000)}`, /head has more than 65536 bytes/],
  ['more than the response', `${ok}content-length: 1\r\n\r\nxy`, /more than its response/],
  ['a body where none can be', 'HTTP/1.1 204 No\r\n\r\nx', /more than its response/],
]

for (const [what, text, fault] of faults) {
  test(`refused: ${what}`, () => assert.match(faultOf(text), fault))
}

test('whatever comes, a parser reads it or refuses it, and keeps no more than a head', () => {
  const piece = fc.oneof(
    fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
    fc
      .constantFrom(ok, chunked, '\r\n\r\n', '0\r\n', 'a: b\r\n', '5\r\nhello')
      .map((text) => Buffer.from(text)),
  )
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
      try {
        assert.ok(read(pieces).ended <= 1)
      } catch (error) {
        assert.ok(error instanceof ResponseFault)
      }
    }),
    { numRuns: 1000 },
  )
})

test('a connection carries another request only where nothing speaks against it', () => {
  const persistent = (text: string) => read([Buffer.from(text)], false).persistent
  assert.equal(persistent(`${ok}content-length: 0\r\n\r\n`), true)
  assert.equal(persistent(`${ok}content-length: 0\r\nconnection: keep-alive, Close\r\n\r\n`), false)
  const lines = 'connection: close\r\nconnection: x\r\n'
  assert.equal(persistent(`${ok}content-length: 0\r\n${lines}\r\n`), false)
  assert.equal(persistent('HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n'), false)
  assert.equal(persistent(`${ok}content-length: 2\r\n\r\nx`), false)
  assert.equal(persistent(`${ok}\r\nx`), false)
})

/** Says what it is told to, byte for byte, and then ends. */
let said: Buffer = Buffer.alloc(0)
const server = createServer((socket) => {
  socket.on('error', () => {})
  socket.once('data', () => socket.end(said))
})
before(() => new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve)))
after(() => server.close())

/** What Node's own client makes of it; undefined: it refuses it. */
function readByNode(bytes: Buffer): Promise<{ status: number; body: string } | undefined> {
  said = bytes
  const { port } = server.address() as AddressInfo
  return new Promise((resolve) => {
    const ask = request({ host: '127.0.0.1', port, agent: false }, (answer) => {
      let text = ''
      answer.setEncoding('latin1')
      answer.on('data', (part) => {
        text += part
      })
      answer.on('error', () => resolve(undefined))
      answer.on('end', () => resolve({ status: answer.statusCode ?? 0, body: text }))
    })
    ask.on('error', () => resolve(undefined))
    ask.end()
  })
}

test('what is read here, Node’s own client reads alike, or refuses', async () => {
  let alike = 0
  const mutation = fc.record({
    at: fc.nat(),
    remove: fc.integer({ min: 0, max: 3 }),
    insert: fc.oneof(
      fc.constant(''),
      fc.constantFrom('\r\n', '\n', '\r', ' ', '0', ':', ';', 'x', '\0', '\t', ',', '\x80'),
      fc.constantFrom('content-length: 3\r\n', 'transfer-encoding: identity\r\n', '1\r\nx\r\n'),
    ),
  })
  const mutations = fc.array(mutation, { maxLength: 2 })
  await fc.assert(
    fc.asyncProperty(response, mutations, async (one, changes) => {
      let text = textOf(one)
      for (const { at, remove, insert } of changes) {
        const from = at % (text.length + 1)
        text = text.slice(0, from) + insert + text.slice(from + remove)
      }
      const bytes = Buffer.from(text, 'latin1')
      let ours: Read | undefined
      try {
        ours = read([bytes])
      } catch {
        return
      }
      const status = ours.heads[0]?.status ?? 0
      const theirs = await readByNode(bytes)
      if (theirs === undefined) return
      assert.deepEqual(theirs, { status, body: ours.body })
      alike += 1
    }),
    { numRuns: 1500 },
  )
  assert.ok(alike > 300, `${alike} of 1500 were read by both`)
})

test('limits are what they say', () => {
  const fill = (length: number) => `${ok}a: ${'x'.repeat(length)}\r\ncontent-length: 0\r\n\r\n`
  const overhead = fill(0).length - 4
  const largest = responseLimits.headBytesMax - overhead
  assert.equal(read([Buffer.from(fill(largest))]).ended, 1)
  assert.match(faultOf(fill(largest + 1)), /head has more/)
})

test('how long a connection is kept is what this response says', () => {
  const secondsIn = (field: string) => {
    const parser = new ResponseParser({ onHead() {}, onData() {}, onEnd() {} })
    parser.begin()
    parser.push(Buffer.from(`${ok}${field}content-length: 0\r\n\r\n`))
    return parser.keepAliveSeconds
  }
  for (const [field, seconds] of [
    ['keep-alive: timeout=10\r\n', 10],
    ['Keep-Alive: max=5, timeout=20\r\n', 20],
    ['keep-alive: timeout=10\r\n', 10],
    ['', undefined],
    ['keep-alive: timeouts=10\r\n', undefined],
  ] as const) {
    assert.equal(secondsIn(field), seconds, field)
  }
})
