import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { AssertionFailure } from './assert.ts'
import { BoundedQueue } from './bounded-queue.ts'

const turn = () => new Promise<void>((resolve) => setImmediate(resolve))

test('everything comes out once, in order, and never over the limit', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 5 }),
      fc.array(fc.boolean(), { maxLength: 40 }),
      async (lengthMax, pauses) => {
        const queue = new BoundedQueue<number>(lengthMax)
        const produce = async () => {
          for (const [i, isPause] of pauses.entries()) {
            if (isPause) await turn()
            await queue.push(i)
            assert.ok(queue.length <= lengthMax)
          }
          queue.end()
        }
        const producing = produce()
        const seen: number[] = []
        for await (const batch of queue.batches()) {
          assert.ok(batch.length >= 1 && batch.length <= lengthMax)
          seen.push(...batch)
        }
        await producing
        assert.deepEqual(
          seen,
          pauses.map((_, i) => i),
        )
      },
    ),
  )
})

test('what has gathered is one batch', async () => {
  const queue = new BoundedQueue<string>(10)
  for (const item of 'abc') assert.equal(queue.tryPush(item), true)
  assert.deepEqual(await queue.takeBatch(), ['a', 'b', 'c'])
  assert.equal(queue.length, 0)
})

test('a full queue refuses tryPush and holds push until the consumer has taken', async () => {
  const queue = new BoundedQueue<number>(1)
  assert.equal(queue.tryPush(1), true)
  assert.equal(queue.tryPush(2), false)
  let isPushed = false
  const pushing = queue.push(2).then(() => {
    isPushed = true
  })
  await turn()
  assert.equal(isPushed, false)
  assert.deepEqual(await queue.takeBatch(), [1])
  await pushing
  assert.deepEqual(await queue.takeBatch(), [2])
})

test('several producers that wait are all served', async () => {
  const queue = new BoundedQueue<number>(1)
  const pushing = Promise.all([1, 2, 3, 4].map((item) => queue.push(item)))
  const seen: number[] = []
  while (seen.length < 4) seen.push(...((await queue.takeBatch()) ?? []))
  await pushing
  assert.deepEqual(seen, [1, 2, 3, 4])
})

test('after the end come what was there, the end, and nothing more', async () => {
  const queue = new BoundedQueue<number>(4)
  queue.tryPush(1)
  queue.end()
  queue.fail(new Error('after the end'))
  assert.equal(queue.tryPush(2), false)
  await queue.push(3)
  assert.deepEqual(await queue.takeBatch(), [1])
  assert.equal(await queue.takeBatch(), undefined)
  assert.equal(await queue.takeBatch(), undefined)
})

test('after a failure come what was there, then the error', async () => {
  const queue = new BoundedQueue<number>(4)
  const error = new Error('broken')
  queue.tryPush(1)
  queue.fail(error)
  assert.deepEqual(await queue.takeBatch(), [1])
  await assert.rejects(queue.takeBatch(), error)
})

test('a consumer that waits is woken by the end, and by a failure', async () => {
  const ending = new BoundedQueue<number>(1)
  const ended = ending.takeBatch()
  ending.end()
  assert.equal(await ended, undefined)
  const failing = new BoundedQueue<number>(1)
  const failed = failing.takeBatch()
  failing.fail(new Error('broken'))
  await assert.rejects(failed, /broken/)
})

test('a producer that waits is released when the queue closes', async () => {
  const queue = new BoundedQueue<number>(1)
  queue.tryPush(1)
  const pushing = queue.push(2)
  queue.end()
  await pushing
  assert.deepEqual(await queue.takeBatch(), [1])
  assert.equal(await queue.takeBatch(), undefined)
})

test('a consumer that leaves early releases the producers', async () => {
  const queue = new BoundedQueue<number>(1)
  const producing = (async () => {
    for (let i = 0; i < 10; i += 1) await queue.push(i)
  })()
  for await (const batch of queue.batches()) {
    assert.deepEqual(batch, [0])
    break
  }
  await producing
  assert.equal(queue.length, 0)
})

test('a queue without room and a second consumer are programmer errors', async () => {
  assert.throws(() => new BoundedQueue(0), AssertionFailure)
  const queue = new BoundedQueue<number>(1)
  const first = queue.takeBatch()
  await assert.rejects(queue.takeBatch(), AssertionFailure)
  queue.end()
  await first
})
