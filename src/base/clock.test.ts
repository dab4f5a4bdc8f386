import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { AssertionFailure } from './assert.ts'
import { ManualClock, sleep, systemClock } from './clock.ts'

test('due actions run in order of time, then of creation', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(50), { maxLength: 30 }), fc.array(fc.nat(20)), (delays, steps) => {
      const clock = new ManualClock()
      const start = clock.now()
      const seen: { at: number; order: number }[] = []
      delays.forEach((delay, order) => {
        clock.after(delay, () => seen.push({ at: clock.now() - start, order }))
      })
      for (const step of steps) clock.advance(step)
      const end = steps.reduce((sum, step) => sum + step, 0)
      const expected = delays
        .map((at, order) => ({ at, order }))
        .filter(({ at }) => at <= end && steps.length > 0)
        .sort((a, b) => a.at - b.at || a.order - b.order)
      assert.deepEqual(seen, expected)
      assert.equal(clock.monotonic(), end)
    }),
  )
})

test('an action that is set up by another runs in the same advance if it is due', () => {
  const clock = new ManualClock()
  const seen: number[] = []
  clock.after(10, () => {
    seen.push(clock.monotonic())
    clock.after(5, () => seen.push(clock.monotonic()))
    clock.after(50, () => seen.push(clock.monotonic()))
  })
  clock.advance(20)
  assert.deepEqual(seen, [10, 15])
  clock.advance(40)
  assert.deepEqual(seen, [10, 15, 60])
})

test('a cancelled action never runs, also when it is cancelled by one due at the same time', () => {
  const clock = new ManualClock()
  const seen: string[] = []
  clock.after(5, () => {
    seen.push('first')
    second.cancel()
  })
  const second = clock.after(5, () => seen.push('second'))
  clock.after(4, () => seen.push('third')).cancel()
  clock.advance(10)
  assert.deepEqual(seen, ['first'])
})

test('time does not move back', () => {
  const clock = new ManualClock()
  assert.throws(() => clock.advance(-1), AssertionFailure)
  assert.throws(() => clock.after(Number.NaN, () => undefined), AssertionFailure)
})

test('promise callbacks run between the actions of advanceAsync', async () => {
  const clock = new ManualClock()
  const seen: number[] = []
  const loop = async () => {
    for (let i = 0; i < 3; i += 1) {
      await sleep(clock, 10)
      seen.push(clock.monotonic())
    }
  }
  const done = loop()
  await clock.advanceAsync(100)
  await done
  assert.deepEqual(seen, [10, 20, 30])
})

test('a sleep ends with the reason of an abort, and its timer is gone', async () => {
  const clock = new ManualClock()
  const abort = new AbortController()
  const sleeping = sleep(clock, 10, abort.signal)
  const reason = new Error('enough')
  abort.abort(reason)
  await assert.rejects(sleeping, reason)
  await assert.rejects(sleep(clock, 10, abort.signal), reason)
  clock.advance(20)
})

test('a sleep that is over takes no notice of a later abort', async () => {
  const clock = new ManualClock()
  const abort = new AbortController()
  const sleeping = sleep(clock, 10, abort.signal)
  clock.advance(10)
  abort.abort(new Error('too late'))
  await sleeping
})

test('the system clock waits for delays beyond the 32 bits of setTimeout', async () => {
  let fired = false
  const timer = systemClock.after(2 ** 40, () => {
    fired = true
  })
  // A timer that overflows fires after 1 ms, so before this one.
  await untilCalled((done) => systemClock.after(3, done))
  timer.cancel()
  assert.equal(fired, false)
})

test('the system clock runs an action, and not a cancelled one', async () => {
  const seen: string[] = []
  systemClock.after(0, () => seen.push('cancelled')).cancel()
  systemClock.after(0, () => seen.push('ran'))
  await untilCalled((done) => systemClock.after(1, done))
  assert.deepEqual(seen, ['ran'])
})

/** Keeps the process alive until then, which the clock's timers do not. */
async function untilCalled(start: (done: () => void) => void): Promise<void> {
  let isCalled = false
  start(() => {
    isCalled = true
  })
  while (!isCalled) await new Promise((resolve) => setImmediate(resolve))
}
