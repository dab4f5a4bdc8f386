import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { nodeIdOf } from '../../protocol/index.ts'
import { directoryLimits } from './limits.ts'
import { PeerAllowance } from './peer-allowance.ts'

const peers = Array.from({ length: 200 }, (_, place) => nodeIdOf(new Uint8Array(32).fill(place)))
const [flooder, ...others] = peers as [(typeof peers)[number], ...typeof peers]

describe('what each peer may send', () => {
  it('is a burst, and then no more', () => {
    const allowance = new PeerAllowance()
    let taken = 0
    while (taken <= directoryLimits.peerBurst && allowance.take(flooder, 0)) taken += 1
    assert.ok(taken <= directoryLimits.peerBurst)
    assert.equal(allowance.take(flooder, 0), false)
  })

  it('of the idle nothing is kept, and whoever floods is not forgotten for others', () => {
    const allowance = new PeerAllowance()
    let nowMs = 0
    while (allowance.take(flooder, nowMs));
    for (const other of others) {
      nowMs += 1
      assert.equal(allowance.take(other, nowMs), true)
    }
    assert.ok(allowance.size < others.length / 2, `${allowance.size} are kept`)
    // What it may send again by now, and no burst.
    let again = 0
    while (allowance.take(flooder, nowMs)) again += 1
    assert.ok(again <= (nowMs * directoryLimits.peerPerSecond) / 1_000 + 1, `${again} again`)
  })
})
