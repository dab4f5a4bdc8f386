import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ManualClock } from '../base/index.ts'
import { LinkEstimator } from './link-estimator.ts'
import { Prober } from './prober.ts'
import { transportLimits } from './transport.ts'

describe('the link estimate', () => {
  it('is RFC 6298’s for the first samples', () => {
    const estimator = new LinkEstimator()
    assert.deepEqual(estimator.quality(), {
      roundTripMs: undefined,
      roundTripMinMs: undefined,
      jitterMs: undefined,
      loss: undefined,
      samples: 0,
    })
    estimator.answered(100)
    estimator.answered(140)
    const { roundTripMs, jitterMs, roundTripMinMs, loss, samples } = estimator.quality()
    assert.deepEqual([roundTripMs, jitterMs, roundTripMinMs], [105, 47.5, 100])
    assert.deepEqual([loss, samples], [0, 2])
  })

  it('counts answers more than 200 ms late, and none at all, as lost', () => {
    const estimator = new LinkEstimator()
    for (const roundTripMs of [50, 60, 249, 251]) estimator.answered(roundTripMs)
    assert.equal(estimator.quality().loss, 1 / 4)
    for (let i = 0; i < 4; i += 1) estimator.unanswered()
    assert.equal(estimator.quality().loss, 5 / 8)
  })

  it('forgets an old path', () => {
    const estimator = new LinkEstimator()
    estimator.answered(10)
    for (let i = 0; i < 64; i += 1) estimator.answered(300)
    assert.equal(estimator.quality().roundTripMinMs, 300)
    assert.equal(estimator.quality().loss, 0)
  })
})

describe('the prober', () => {
  it('loses a peer whose channel is silent, although another one answers', () => {
    const clock = new ManualClock()
    const lost: string[] = []
    const answer = (onAnswer: (ms: number) => void) => void clock.after(5, () => onAnswer(5))
    const prober = new Prober({
      clock,
      channels: [answer, () => {}],
      onLost: (why) => lost.push(why),
    })
    prober.start()
    clock.advance(transportLimits.probeTimeoutMs - 1)
    assert.equal(lost.length, 0)
    clock.advance(transportLimits.probeIntervalMs)
    assert.equal(lost.length, 1)
    assert.equal(prober.quality().roundTripMinMs, 5)
    clock.advance(60_000)
    assert.equal(lost.length, 1)
  })
})
