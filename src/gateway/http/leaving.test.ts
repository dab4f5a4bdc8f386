/** Clients that leave or misbehave in the middle of an answer, and how they are counted. */
import assert from 'node:assert/strict'
import { Server as HttpServer } from 'node:http'
import { connect, Server, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { ManualClock } from '../../base/index.ts'
import {
  modelOf,
  type Script,
  ScriptedEngine,
  saying,
  startGateway,
  type TestGateway,
  testKey,
} from '../gateway.fixture.ts'
import { refusalTakenMs } from './server.ts'

const headers = { authorization: `Bearer ${testKey}`, 'content-type': 'application/json' }

/** Says one word and then nothing, until it is told to stop. */
const hanging: Script = async function* (_request, signal) {
  yield [{ type: 'delta', choice: 0, text: 'word', tokenIds: [1], logprobs: [], extra: null }]
  await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
}

async function start(context: TestContext): Promise<TestGateway> {
  // A clock that stands still: buckets of tokens do not refill.
  const gateway = await startGateway({ clock: new ManualClock() })
  context.after(() => gateway.gateway.close())
  gateway.gateway.addUpstream({ name: 'one', engine: new ScriptedEngine([modelOf('m')], hanging) })
  return gateway
}

/** A request for a stream, byte for byte. */
function streamRequest(): string {
  const body = JSON.stringify({
    model: 'm',
    stream: true,
    messages: [{ role: 'user', content: 'a'.repeat(400) }],
  })
  const lines = [
    'POST /v1/chat/completions HTTP/1.1',
    'host: x',
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
    `content-length: ${body.length}`,
  ]
  return `${lines.join('\r\n')}\r\n\r\n${body}`
}

/** A connection on which a stream has begun. */
async function midStream({ url }: TestGateway, text = streamRequest()) {
  const { hostname, port } = new URL(url)
  const seen = { text: '' }
  const socket = await new Promise<Socket>((resolve) => {
    const made: Socket = connect(Number(port), hostname, () => made.write(text))
    made.on('error', () => {})
    made.on('data', (data) => {
      seen.text += data.toString('latin1')
      if (seen.text.includes('word')) resolve(made)
    })
  })
  return { socket, seen }
}

async function metric({ url }: TestGateway, line: RegExp): Promise<string | undefined> {
  return line.exec(await (await fetch(`${url}/metrics`)).text())?.[0]
}

async function until(condition: () => Promise<boolean> | boolean): Promise<void> {
  for (let turn = 0; turn < 2000; turn += 1) {
    if (await condition()) return
    await new Promise((resolve) => setImmediate(resolve))
  }
  assert.fail('the condition was not met')
}

test('garbage on a connection with a running answer ends it, nothing is written in', async (t) => {
  const gateway = await start(t)
  const { socket, seen } = await midStream(gateway)
  const closed = new Promise((resolve) => socket.once('close', resolve))
  socket.write('GARBAGE\r\n\r\n')
  await closed
  assert.equal(seen.text.split('HTTP/1.1 ').length, 2, seen.text)
  await until(() => gateway.observations.all.length === 1)
  assert.equal(gateway.observations.all[0]?.outcome.kind, 'abandoned')
})

test('nothing is written into the answer to the second of two requests sent at once', async (t) => {
  const { gateway, url, ...more } = await startGateway({ clock: new ManualClock() })
  t.after(() => gateway.close())
  let release = () => {}
  const released = new Promise<void>((resolve) => {
    release = resolve
  })
  let calls = 0
  const script: Script = async function* (request, signal) {
    calls += 1
    if (calls > 1) {
      yield* hanging(request, signal)
      return
    }
    await released
    yield* saying(['first'])(request, signal)
  }
  gateway.addUpstream({ name: 'one', engine: new ScriptedEngine([modelOf('m')], script) })
  const begun = midStream({ gateway, url, ...more }, streamRequest() + streamRequest())
  await until(() => calls === 2)
  release()
  const { socket, seen } = await begun
  const closed = new Promise((resolve) => socket.once('close', resolve))
  socket.write('GARBAGE\r\n\r\n')
  await closed
  assert.equal(seen.text.split('HTTP/1.1 ').length, 3, seen.text)
  assert.doesNotMatch(seen.text, /400 Bad Request/)
})

test('who sends garbage and then keeps its connection open loses it', async (t) => {
  const clock = new ManualClock()
  const { gateway, url } = await startGateway({ clock })
  const { hostname, port } = new URL(url)
  const socket = connect({ host: hostname, port: Number(port), allowHalfOpen: true })
  t.after(() => socket.destroy())
  socket.on('error', () => {})
  socket.write('GARBAGE\r\n\r\n')
  await new Promise((resolve) => socket.resume().once('end', resolve))
  clock.advance(refusalTakenMs)
  // Ends when its last connection has.
  await gateway.close()
})

test('an answer that its client left is counted with its status and its tokens', async (t) => {
  const gateway = await start(t)
  const { socket, seen } = await midStream(gateway)
  const before = /x-ratelimit-remaining-tokens: ([0-9]+)/.exec(seen.text)?.[1]
  const counted = /isochrone_http_requests_total\{route="\/v1\/chat\/completions",status="200"\} 1/
  assert.equal(await metric(gateway, counted), undefined)
  socket.resetAndDestroy()
  await until(async () => (await metric(gateway, counted)) !== undefined)
  await until(() => gateway.observations.all.length === 1)
  const next = await midStream(gateway)
  const after = /x-ratelimit-remaining-tokens: ([0-9]+)/.exec(next.seen.text)?.[1]
  next.socket.resetAndDestroy()
  // 400 characters and a role are estimated at 104 tokens; one word came back.
  assert.equal(Number(before) - Number(after), 105)
})

test('invented names of models are one label, also while nobody has joined', async (t) => {
  const gateway = await startGateway()
  t.after(() => gateway.gateway.close())
  const body = JSON.stringify({ model: 'invented', messages: [{ role: 'user', content: 'hi' }] })
  await fetch(`${gateway.url}/v1/chat/completions`, { method: 'POST', headers, body })
  assert.equal(await metric(gateway, /invented/), undefined)
  assert.ok(await metric(gateway, /gen_ai_request_model="other"/))
})

test('no decisions are shown where none are asked for', async (t) => {
  const gateway = await start(t)
  const { socket } = await midStream(gateway)
  const asked = await fetch(`${gateway.url}/v1/decisions?limit=0`, { headers })
  assert.deepEqual(await asked.json(), { object: 'list', data: [] })
  socket.resetAndDestroy()
})

test('a gateway that stops tells each running stream so, as its last event', async (t) => {
  const gateway = await startGateway({ limits: { closeGraceMs: 1 } })
  gateway.gateway.addUpstream({ name: 'one', engine: new ScriptedEngine([modelOf('m')], hanging) })
  const { socket, seen } = await midStream(gateway)
  t.after(() => socket.destroy())
  const closed = new Promise((resolve) => socket.once('close', resolve))
  await gateway.gateway.close()
  await closed
  assert.match(seen.text, /data: \{"error":\{"message":"The gateway stops\."/)
  assert.match(seen.text, /"code":"node_draining"/)
  assert.doesNotMatch(seen.text, /\[DONE\]/)
})

test('what waiting cannot mend is not to be tried again', async (t) => {
  const gateway = await start(t)
  const ask = (more: object) =>
    fetch(`${gateway.url}/v1/chat/completions`, {
      method: 'POST',
      headers,
      body: JSON.stringify({ model: 'm', messages: [{ role: 'user', content: 'a' }], ...more }),
    })
  const elsewhere = await ask({ isochrone: { region: 'mars' } })
  assert.equal(elsewhere.status, 503)
  assert.equal(elsewhere.headers.get('x-should-retry'), 'false')
  assert.equal(elsewhere.headers.get('retry-after'), null)
})

test('without file descriptors left a gateway goes on, and its metrics can be read', async (t) => {
  const servers: unknown[] = []
  const listen = Server.prototype.listen as (...values: unknown[]) => Server
  t.mock.method(Server.prototype, 'listen', function (this: Server, ...values: unknown[]) {
    servers.push(this)
    return listen.apply(this, values)
  })
  const gateway = await start(t)
  const none = Object.assign(new Error('accept EMFILE'), { code: 'EMFILE' })
  assert.ok(servers.length > 0)
  for (const server of servers) if (server instanceof HttpServer) server.emit('error', none)
  t.mock.method(process.memoryUsage, 'rss', () => {
    throw none
  })
  assert.equal(
    await metric(gateway, /isochrone_requests_in_flight 0/),
    'isochrone_requests_in_flight 0',
  )
})
