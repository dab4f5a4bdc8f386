import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { seededRandom } from '../base/index.ts'
import { Wakes } from './wakes.ts'

const hosts = 50

describe('when hosts are to be woken', () => {
  it('is the earliest of the times that hosts asked for last, however often they move', () => {
    const random = seededRandom(7)
    const wakes = new Wakes(hosts)
    const asked = new Array<number>(hosts).fill(Number.POSITIVE_INFINITY)
    for (let move = 0; move < 20_000; move += 1) {
      const host = random.below(hosts)
      const atMs = random.below(4) === 0 ? Number.POSITIVE_INFINITY : random.below(30)
      wakes.set(host, atMs)
      asked[host] = atMs
      const earliestMs = Math.min(...asked)
      assert.equal(wakes.nextAtMs, earliestMs)
      assert.equal(wakes.next, earliestMs === Infinity ? -1 : asked.indexOf(earliestMs))
    }
  })

  it('gives hosts of one instant in their order', () => {
    const wakes = new Wakes(hosts)
    for (let host = hosts - 1; host >= 0; host -= 1) wakes.set(host, 5)
    const woken: number[] = []
    for (; wakes.next >= 0; wakes.set(wakes.next, Number.POSITIVE_INFINITY)) woken.push(wakes.next)
    assert.deepEqual(
      woken,
      Array.from({ length: hosts }, (_, host) => host),
    )
  })
})
