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
  write(): boolean {
    return false
  }
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
  return { clock, raw, reasons, state, turn }
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
