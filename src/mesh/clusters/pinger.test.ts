import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRandom } from '../../base/index.ts'
import type { NodeId } from '../../protocol/index.ts'
import { clusterLimits, clusterTimes } from './limits.ts'
import { Pinger } from './pinger.ts'
import { Trips } from './trips.ts'

const peer = 'peer' as NodeId

function setUp() {
  const trips = new Trips(15)
  const nonces: number[] = []
  const done: boolean[] = []
  const pinger = new Pinger(
    { random: seededRandom(1), trips, boundMs: 15 },
    { send: (_, nonce) => nonces.push(nonce), done: (_, isHeard) => done.push(isHeard) },
  )
  return { trips, nonces, done, pinger }
}

test('only the echo of the probe counts, once, and from the probed', () => {
  const { trips, nonces, done, pinger } = setUp()
  assert.ok(pinger.measure(peer, 100))
  const nonce = nonces[0] ?? 0
  assert.equal(pinger.hear(peer, nonce + 1, 101), undefined)
  assert.equal(pinger.hear('other' as NodeId, nonce, 101), undefined)
  assert.equal(trips.get(peer), undefined)
  assert.deepEqual(pinger.hear(peer, nonce, 110), { ms: 10, isNews: true })
  assert.equal(pinger.hear(peer, nonce, 110), undefined)
  assert.equal(trips.get(peer)?.ms, 10)
  assert.deepEqual(done, [true])
})

test('a little above the bound is tried again, far above is not', () => {
  const { nonces, done, pinger, trips } = setUp()
  pinger.measure(peer, 0)
  pinger.hear(peer, nonces[0] ?? 0, 17)
  pinger.hear(peer, nonces[1] ?? 0, 17 + 12)
  assert.equal(trips.get(peer)?.isFar, false)
  assert.deepEqual(done, [true])
  pinger.measure('far' as NodeId, 0)
  pinger.hear('far' as NodeId, nonces[2] ?? 0, 90)
  assert.deepEqual(done, [true, true])
  assert.equal(nonces.length, 3)
})

test('one that was near and is not this time is tried again at once', () => {
  const { nonces, done, pinger, trips } = setUp()
  for (let i = 0; i < clusterLimits.samplesKept; i += 1) trips.record(peer, 10, i)
  pinger.measure(peer, 100)
  for (const nowMs of [140, 180]) {
    assert.equal(pinger.hear(peer, nonces.at(-1) ?? 0, nowMs)?.isNews, false)
    assert.deepEqual(done, [])
  }
  assert.equal(pinger.hear(peer, nonces.at(-1) ?? 0, 220)?.isNews, true)
  assert.equal(trips.get(peer)?.isFar, true)
  assert.deepEqual(done, [true])
  assert.equal(nonces.length, clusterLimits.probeTries)
})

test('a lost probe is sent again with another nonce, and given up after some', () => {
  const { nonces, done, pinger } = setUp()
  pinger.measure(peer, 0)
  const { probeTimeoutMs } = clusterTimes
  for (let tries = 1; tries <= clusterLimits.probeTries; tries += 1) {
    assert.equal(pinger.nextDueMs, tries * probeTimeoutMs)
    pinger.tick(tries * probeTimeoutMs)
  }
  assert.equal(new Set(nonces).size, clusterLimits.probeTries)
  assert.deepEqual(done, [false])
  assert.equal(pinger.hear(peer, nonces[0] ?? 0, 9_999), undefined)
})

test('an echo that lay there while this process was stalled measures nothing', () => {
  const { done, nonces, pinger, trips } = setUp()
  pinger.measure(peer, 0)
  pinger.noteOwnStall()
  assert.equal(pinger.hear(peer, nonces[0] ?? 0, 900), undefined)
  assert.equal(trips.get(peer), undefined)
  assert.equal(nonces.length, 2) // sent again at once
  assert.deepEqual(pinger.hear(peer, nonces[1] ?? 0, 907), { ms: 7, isNews: true })
  assert.equal(trips.get(peer)?.ms, 7)
  assert.deepEqual(done, [true])
})

test('only so many probes are under way', () => {
  const { pinger } = setUp()
  for (let i = 0; i < clusterLimits.probesMax; i += 1) {
    assert.ok(pinger.measure(`p${i}` as NodeId, 0))
  }
  assert.ok(!pinger.measure('one more' as NodeId, 0))
})
