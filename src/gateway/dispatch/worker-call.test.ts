/** One call at one worker: when an answer is complete, and whose time was used up. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ManualClock } from '../../base/index.ts'
import { type GenerationEvent, type GenerationRequest, hasCode } from '../../protocol/index.ts'
import type { Worker } from '../workers/worker.ts'
import { Departure } from './departure.ts'
import { WorkerCall } from './worker-call.ts'

const delta: GenerationEvent = {
  type: 'delta',
  choice: 0,
  text: 'a',
  tokenIds: [1],
  logprobs: [],
  extra: null,
}
const finish = (choice: number): GenerationEvent => ({ type: 'finish', choice, reason: 'stop' })

function callOf(batches: readonly (readonly GenerationEvent[])[], choices = 1) {
  const clock = new ManualClock()
  const worker = {
    describe: () => ({ overdue: false }),
    async *generate(_request: unknown, { signal }: { signal: AbortSignal }) {
      yield* batches
      if (batches.flat().some(({ type }) => type === 'finish')) return
      await new Promise((resolve) => signal.addEventListener('abort', resolve))
    },
  } as unknown as Worker
  const options = {
    request: { choices } as GenerationRequest,
    worker,
    inOnePiece: false,
    firstTokenMs: 100_000,
    silenceMs: 100_000,
    deadlineAtMs: 10_000,
    departure: new Departure(),
    further: [],
    canMove: () => true,
  }
  return { clock, call: new WorkerCall(options, clock) }
}

test('a choice that ends twice does not stand for another one', async () => {
  const twice = callOf([[delta, finish(0)], [finish(0)]], 2).call
  await twice.next()
  await twice.next()
  await assert.rejects(twice.next(), (error) => hasCode(error, 'node_failed'))
  const each = callOf([[delta, finish(0)], [finish(1)]], 2).call
  await each.next()
  await each.next()
  assert.equal(await each.next(), undefined)
})

test('time that the reader used up is not the worker’s', async () => {
  const slowReader = callOf([[delta], [delta]])
  await slowReader.call.next()
  slowReader.clock.advance(10_000)
  const late = slowReader.call.next()
  await assert.rejects(late, (error) => hasCode(error, 'client_closed_request'))
  const slowWorker = callOf([[delta]])
  await slowWorker.call.next()
  const waiting = slowWorker.call.next()
  slowWorker.clock.advance(10_000)
  await assert.rejects(waiting, (error) => hasCode(error, 'deadline_exceeded'))
  slowWorker.call.stop(undefined)
})
