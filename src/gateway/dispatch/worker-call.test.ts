/** One call at one worker: when an answer is complete, and whose time was used up. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ManualClock, sleep } from '../../base/index.ts'
import {
  type GenerationEvent,
  type GenerationRequest,
  hasCode,
  usageLimits,
} from '../../protocol/index.ts'
import type { CallLimits, Worker } from '../workers/worker.ts'
import { Departure } from './departure.ts'
import { WorkerCall, type WorkerCallOptions } from './worker-call.ts'

const delta: GenerationEvent = {
  type: 'delta',
  choice: 0,
  text: 'a',
  tokenIds: [1],
  logprobs: [],
  extra: null,
}
const two = { choices: 2 } as GenerationRequest
const finish = (choice: number): GenerationEvent => ({ type: 'finish', choice, reason: 'stop' })

const deadlineAtMs = 100_000

interface Changes extends Partial<WorkerCallOptions> {
  /** Before each batch. */
  readonly waitMs?: number
}

/** Also one that stood still for a while, as its whole process did. */
class HaltingClock extends ManualClock {
  #skippedMs = 0

  skip(ms: number): void {
    this.#skippedMs += ms
  }

  override monotonic(): number {
    return super.monotonic() + this.#skippedMs
  }
}

function callOf(
  batches: readonly (readonly GenerationEvent[])[],
  { waitMs = 0, ...changes }: Changes = {},
) {
  const clock = new HaltingClock()
  let given: CallLimits | undefined
  const worker = {
    describe: () => ({ overdue: false, load: { draining: false } }),
    async *generate(_request: unknown, limits: CallLimits) {
      given = limits
      const { signal } = limits
      for (const batch of batches) {
        if (waitMs > 0) await sleep(clock, waitMs)
        yield batch
      }
      const ends = batches.flat().filter(({ type }) => type === 'finish')
      if (ends.length >= options.request.choices) return
      await new Promise((resolve) => signal.addEventListener('abort', resolve))
    },
  } as unknown as Worker
  const options: WorkerCallOptions = {
    request: { choices: 1 } as GenerationRequest,
    worker,
    inOnePiece: false,
    firstTokenMs: 100_000,
    silenceMs: 100_000,
    stallMs: 100_000,
    goesOn: false,
    takenOver: 0,
    deadlineAtMs: 10_000,
    departure: new Departure(),
    further: [],
    onFirst: () => {},
    canMove: () => true,
    isSuspected: () => false,
    tpotMs: null,
    ...changes,
  }
  return { clock, call: new WorkerCall({ ...options }, clock), limits: () => given }
}

test('a choice that ends twice does not stand for another one', async () => {
  const twice = callOf([[delta, finish(0)], [finish(0)]], { request: two }).call
  await twice.next()
  await twice.next()
  await assert.rejects(twice.next(), (error) => hasCode(error, 'node_failed'))
  const each = callOf([[delta, finish(0)], [finish(1)]], { request: two }).call
  await each.next()
  await each.next()
  assert.equal(await each.next(), undefined)
})

test('ids without a text are no more tokens than can be in what came', async () => {
  const ids = Array.from({ length: 100_000 }, (_, id) => id)
  const stuffed = { ...delta, text: 'four', tokenIds: ids }
  const spoken = { ...delta, text: '', extra: { reasoning_content: 'x' }, tokenIds: [1, 2] }
  for (const [batch, most] of [
    [[stuffed], 4 + usageLimits.unseenTokensMax],
    [[spoken], 2],
    [Array(1_000).fill({ ...delta, text: '', tokenIds: [] }), usageLimits.unseenTokensMax],
  ] as const) {
    const { call } = callOf([batch])
    await call.next()
    assert.equal(call.figures().deltaTokens, most)
    call.stop(new Error('the client left'))
  }
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

test('a gateway that stood still itself does not take its worker for stalled', async () => {
  const { clock, call } = callOf([[delta]], { goesOn: true, stallMs: 3_000, deadlineAtMs })
  await call.next()
  const waiting = call.next()
  clock.skip(9_000)
  clock.advance(2_000)
  await Promise.resolve()
  call.stop(new Error('not moved yet'))
  await assert.rejects(waiting, /not moved yet/)
  const other = callOf([[delta]], { goesOn: true, stallMs: 3_000, deadlineAtMs })
  await other.call.next()
  const stalled = other.call.next()
  other.clock.advance(5_000)
  await assert.rejects(stalled, /stood still for 3000 ms/)
})

test('a worker that is slow by its own pace has not stalled', async () => {
  const { clock, call } = callOf([[delta], [delta]], {
    goesOn: true,
    stallMs: 1_000,
    waitMs: 500,
    deadlineAtMs,
  })
  for (let i = 0; i < 2; i += 1) {
    const next = call.next()
    await clock.advanceAsync(500)
    await next
  }
  const third = call.next()
  await clock.advanceAsync(4_000)
  call.stop(new Error('not moved yet'))
  await assert.rejects(third, /not moved yet/)
})

test('the tokens that were there are no pace of the worker that goes on', async () => {
  const usage = { type: 'usage', promptTokens: 1, completionTokens: 12, cachedTokens: 0 } as const
  const { clock, call } = callOf([[delta], [delta, finish(0), usage]], {
    takenOver: 10,
    waitMs: 50,
  })
  const first = call.next()
  await clock.advanceAsync(50)
  await first
  const rest = call.next()
  await clock.advanceAsync(50)
  await rest
  assert.equal(call.figures().tpotMs, 50)
})

test('an answer that has not begun is waited for, however long another is complete', async () => {
  const options = { goesOn: true, stallMs: 3_000, deadlineAtMs, request: two }
  const { clock, call } = callOf([[delta, finish(0)]], options)
  await call.next()
  const waiting = call.next()
  await clock.advanceAsync(9_000)
  call.stop(new Error('not moved yet'))
  await assert.rejects(waiting, /not moved yet/)
  const begun = [[delta, finish(0)], [{ ...delta, choice: 1 }]]
  const other = callOf(begun, options)
  await other.call.next()
  await other.call.next()
  const stalled = assert.rejects(other.call.next(), /stood still for 3000 ms/)
  await other.clock.advanceAsync(5_000)
  await stalled
})

test('a worker can learn how long its answer was held up', async () => {
  const { call, clock, limits } = callOf([[delta], [delta, finish(0)]])
  await call.next()
  assert.equal(limits()?.readerMs?.(), 0)
  clock.advance(3_000)
  await call.next()
  assert.equal(limits()?.readerMs?.(), 3_000)
})
