/** A client that reads slowly slows its worker; one that reads nothing is given up. */
import assert from 'node:assert/strict'
import { connect, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { ManualClock } from '../base/index.ts'
import { modelOf, type Script, ScriptedEngine, startGateway, testKey } from './gateway.fixture.ts'

const batchText = 'x'.repeat(64 * 1024)
/** Far more than all buffers between a worker and a client hold: 256 MB. */
const batchesMax = 4096

function flood(count: { batches: number; ended: boolean }): Script {
  return async function* (_request, signal) {
    try {
      while (count.batches < batchesMax && !signal.aborted) {
        count.batches += 1
        yield [
          { type: 'delta', choice: 0, text: batchText, tokenIds: [1], logprobs: [], extra: null },
        ]
      }
      yield [{ type: 'finish', choice: 0, reason: 'stop' }]
    } finally {
      count.ended = true
    }
  }
}

/** A client that asks for a stream and reads nothing until told. */
function silentClient(url: string, stream = true): Socket {
  const { hostname, port } = new URL(url)
  const body = JSON.stringify({
    model: 'm',
    stream,
    messages: [{ role: 'user', content: 'x' }],
  })
  const head = [
    'POST /v1/chat/completions HTTP/1.1',
    'host: x',
    `authorization: Bearer ${testKey}`,
    'content-type: application/json',
    `content-length: ${body.length}`,
  ]
  const socket = connect(Number(port), hostname)
  socket.on('error', () => {})
  socket.pause()
  socket.write(`${head.join('\r\n')}\r\n\r\n${body}`)
  return socket
}

async function flooding(context: TestContext) {
  const clock = new ManualClock()
  const started = await startGateway({ clock, limits: { clientStallMs: 5000 } })
  context.after(() => started.gateway.close())
  const count = { batches: 0, ended: false }
  const engine = new ScriptedEngine([modelOf('m')], flood(count))
  started.gateway.addUpstream({ name: 'flood', engine })
  const socket = silentClient(started.url)
  context.after(() => socket.destroy())
  await stalled(count)
  return { ...started, clock, count, socket }
}

test('a worker waits while its client does not read, and goes on when it does', async (t) => {
  const { clock, count, socket, observations } = await flooding(t)
  assert.ok(count.batches < batchesMax / 4, `${count.batches} batches were taken unread`)
  clock.advance(1000)
  let end = ''
  socket.on('data', (data) => {
    end = (end + data.toString('latin1')).slice(-200)
  })
  socket.resume()
  await until(() => observations.all.length === 1)
  assert.equal(count.batches, batchesMax)
  assert.equal(observations.all[0]?.outcome.kind, 'completed')
  assert.equal(observations.all[0]?.tpotMs, null, 'a slow reader says nothing of the worker')
  await until(() => end.includes('[DONE]'))
})

test('a client that takes nothing for too long is given up, and its worker is free', async (t) => {
  const { count, clock, observations } = await flooding(t)
  clock.advance(5000)
  await until(() => observations.all.length === 1)
  assert.equal(observations.all[0]?.outcome.kind, 'abandoned')
  assert.ok(count.ended)
  assert.ok(count.batches < batchesMax / 4)
})

test('who leaves the rest of an ended answer unread loses the connection', async (t) => {
  const clock = new ManualClock()
  const started = await startGateway({ clock, limits: { clientStallMs: 5_000 } })
  t.after(() => started.gateway.close())
  const count = { batches: batchesMax - 256, ended: false }
  const engine = new ScriptedEngine([modelOf('m')], flood(count))
  started.gateway.addUpstream({ name: 'flood', engine })
  const socket = silentClient(started.url, false)
  let seenBytes = 0
  socket.on('data', (data) => {
    seenBytes += data.length
  })
  socket.pause()
  await until(() => started.observations.all.length === 1)
  assert.equal(started.observations.all[0]?.outcome.kind, 'completed')
  // 16 MB at 4 kB a second take 70 minutes.
  clock.advance(80 * 60_000)
  const closed = new Promise((resolve) => socket.once('close', resolve))
  socket.resume()
  await closed
  assert.ok(seenBytes > 0 && seenBytes < 256 * batchText.length, `${seenBytes} bytes`)
})

/** Until no batch was taken for many turns of the loop. */
async function stalled(count: { batches: number }): Promise<void> {
  for (let quiet = 0, seen = -1; quiet < 300; quiet += 1) {
    if (count.batches !== seen || seen <= 0) quiet = 0
    seen = count.batches
    await new Promise((resolve) => setImmediate(resolve))
  }
}

async function until(condition: () => boolean): Promise<void> {
  for (let turn = 0; turn < 1_000_000; turn += 1) {
    if (condition()) return
    await new Promise((resolve) => setImmediate(resolve))
  }
  assert.fail('the condition was not met')
}
