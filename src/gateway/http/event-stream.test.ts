/** A writer waits for its client, and never for one that is gone. */
import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import type { ServerResponse } from 'node:http'
import { test } from 'node:test'
import { ManualClock } from '../../base/index.ts'
import { hasCode, type IsochroneError } from '../../protocol/index.ts'
import { EventStream } from './event-stream.ts'

class FullResponse extends EventEmitter {
  destroyed = false
  socket: object | null = {}
  writableLength = 4_000
  write(): boolean {
    return false
  }
  end(): void {}
  destroy(): void {
    this.destroyed = true
  }
}

function waitingWriter() {
  const clock = new ManualClock()
  const raw = new FullResponse()
  const reasons: IsochroneError[] = []
  const stream = new EventStream(
    raw as unknown as ServerResponse,
    (reason) => void reasons.push(reason),
    { clock, clientStallMs: 1_000 },
  )
  const state = { isWaiting: true }
  const waiting = stream.write('data: 1\n\n')
  assert.ok(waiting !== undefined)
  void waiting.then(() => {
    state.isWaiting = false
  })
  const turn = () => new Promise((resolve) => setImmediate(resolve))
  return { clock, raw, reasons, state, stream, turn }
}

for (const event of ['drain', 'close']) {
  test(`a writer goes on at the client’s ${event}, and its time limit ends with it`, async () => {
    const { clock, raw, reasons, state, turn } = waitingWriter()
    await turn()
    assert.equal(state.isWaiting, true)
    raw.emit(event)
    await turn()
    assert.equal(state.isWaiting, false)
    clock.advance(10_000)
    assert.deepEqual(reasons, [])
    assert.equal(raw.listenerCount('drain') + raw.listenerCount('close'), 0)
  })
}

test('a client that takes nothing for too long is shown out', async () => {
  const { clock, raw, reasons, state, turn } = waitingWriter()
  clock.advance(1_000)
  await turn()
  assert.equal(state.isWaiting, false)
  assert.equal(raw.destroyed, true)
  assert.ok(hasCode(reasons[0], 'client_closed_request'))
})

test('a client that leaves the rest of an ended answer is shown out', () => {
  const { clock, raw, reasons, stream } = waitingWriter()
  raw.emit('drain')
  stream.end('data: [DONE]\n\n')
  // 4,000 bytes at 4 a millisecond.
  clock.advance(1_999)
  assert.deepEqual(reasons, [])
  clock.advance(1)
  assert.equal(raw.destroyed, true)
  assert.ok(hasCode(reasons[0], 'client_closed_request'))
})

test('an answer that was taken has no limit left', () => {
  const { clock, raw, reasons, stream } = waitingWriter()
  raw.emit('drain')
  stream.end('data: [DONE]\n\n')
  raw.emit('close')
  clock.advance(10_000)
  assert.deepEqual(reasons, [])
  assert.equal(raw.destroyed, false)
})

test('an answer behind another one has its limit from when its turn comes', () => {
  const { clock, raw, stream } = waitingWriter()
  raw.emit('drain')
  raw.socket = null
  stream.end('data: [DONE]\n\n')
  clock.advance(100_000)
  assert.equal(raw.destroyed, false)
  raw.emit('socket')
  clock.advance(2_000)
  assert.equal(raw.destroyed, true)
})
