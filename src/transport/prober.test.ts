/** When a peer is late, when it is lost, and when it is only this process that was held up. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ManualClock } from '../base/index.ts'
import { Prober } from './prober.ts'
import { transportLimits } from './transport.ts'

const { overdueMsFirst, overdueMsMin, probeIntervalMs, probeTimeoutMs } = transportLimits

/** A peer that answers at once, on all of its channels, until it halts. */
function setUp({ channels = 1, roundTripMs = 20 } = {}) {
  const clock = new ManualClock()
  const peer = { halted: new Set<number>(), unanswered: [] as (() => void)[] }
  const lost: string[] = []
  const prober = new Prober({
    clock,
    channels: Array.from({ length: channels }, (_, index) => (onAnswer) => {
      const answer = () => onAnswer(roundTripMs)
      if (peer.halted.has(index)) peer.unanswered.push(answer)
      else clock.after(roundTripMs, answer)
    }),
    onLost: (detail) => lost.push(detail),
  })
  const goOn = () => {
    peer.halted.clear()
    for (const answer of peer.unanswered.splice(0)) answer()
  }
  const isOverdue = () => prober.quality().overdue
  prober.start()
  return { clock, peer, lost, prober, goOn, isOverdue }
}

test('a peer that halts is overdue soon, lost later, and neither once it goes on', () => {
  const { clock, peer, lost, goOn, isOverdue } = setUp()
  clock.advance(3 * probeIntervalMs - 1)
  assert.equal(isOverdue(), false)
  peer.halted.add(0)
  clock.advance(overdueMsMin + 1)
  assert.equal(isOverdue(), false)
  clock.advance(100)
  assert.equal(isOverdue(), true)
  goOn()
  assert.equal(isOverdue(), false)
  clock.advance(10 * probeIntervalMs)
  assert.equal(isOverdue(), false)
  peer.halted.add(0)
  clock.advance(probeTimeoutMs - 1)
  assert.deepEqual(lost, [])
  clock.advance(2 * probeIntervalMs)
  assert.equal(lost.length, 1)
})

test('one channel of several is enough', () => {
  const { clock, peer, goOn, isOverdue } = setUp({ channels: 2 })
  clock.advance(3 * probeIntervalMs - 1)
  peer.halted.add(1)
  clock.advance(overdueMsMin + 100)
  assert.equal(isOverdue(), true)
  goOn()
  assert.equal(isOverdue(), false)
})

test('a peer that is met has time for its first answer', () => {
  const { clock, isOverdue } = setUp({ roundTripMs: overdueMsFirst - 1 })
  clock.advance(overdueMsFirst + 100)
  assert.equal(isOverdue(), false)
})

test('a long way is not a late answer', () => {
  const { clock, isOverdue } = setUp({ roundTripMs: 1_500 })
  for (let i = 0; i < 500; i += 1) {
    clock.advance(100)
    assert.equal(isOverdue(), false)
  }
})

test('answers that wait until this process has time for them are in time', () => {
  const { clock, peer, goOn, isOverdue } = setUp()
  clock.advance(2 * probeIntervalMs - 1)
  // Its loop stands still: what is due comes late, timers first and what was received after them.
  peer.halted.add(0)
  clock.advance(1)
  clock.advance(overdueMsMin)
  assert.equal(isOverdue(), false)
  goOn()
  clock.advance(100)
  assert.equal(isOverdue(), false)
})

test('a peer that something else watches is probed as seldom as is asked', () => {
  const clock = new ManualClock()
  let probes = 0
  const prober = new Prober({
    clock,
    channels: [
      (onAnswer) => {
        probes += 1
        onAnswer(20)
      },
    ],
    onLost: () => {},
  })
  prober.start()
  prober.every(60_000)
  clock.advance(probeIntervalMs)
  const first = probes
  clock.advance(59_000)
  assert.equal(probes, first)
  clock.advance(2_000)
  assert.equal(probes, first + 1)
})

test('a peer that is doubted is probed out of turn, once at a time', () => {
  const clock = new ManualClock()
  const answers: (() => void)[] = []
  const prober = new Prober({
    clock,
    channels: [(onAnswer) => answers.push(() => onAnswer(20))],
    onLost: () => {},
  })
  prober.start()
  for (let i = 0; i < 3; i += 1) answers[i]?.()
  assert.equal(prober.quality().answeredAtMs, clock.monotonic())
  const before = answers.length
  clock.advance(100)
  prober.now()
  prober.now()
  assert.equal(answers.length, before + 1)
  clock.advance(overdueMsMin + 100)
  assert.equal(prober.quality().overdue, true)
  answers.at(-1)?.()
  assert.equal(prober.quality().overdue, false)
  assert.equal(prober.quality().answeredAtMs, clock.monotonic())
  prober.stop()
  prober.now()
  assert.equal(answers.length, before + 1)
})
