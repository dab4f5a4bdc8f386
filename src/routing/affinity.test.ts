/** Whoever has read the beginning of a prompt stays with it, within bounds of time and of load. */
import { test } from 'node:test'
import { follows, speed } from './factors.fixture.ts'
import { sampleEvidence, sampleWorker } from './samples.fixture.ts'

test('affinity: of those alike, the one that has read the beginning of the prompt', () => {
  follows({
    better: () => ({}),
    worse: () => ({}),
    request: { warm: [{ worker: sampleWorker(1), promptTokens: 900 }] },
    decidedBy: 'affinity',
  })
})

test('affinity has a gate of load: not where it has much more to do', () => {
  const warm = [{ worker: sampleWorker(2), promptTokens: 900 }]
  follows({
    better: () => ({ offer: { slots: 8 } }),
    worse: () => ({ offer: { slots: 8 }, inFlight: 5 }),
    request: { warm },
    decidedBy: 'load',
  })
  follows({
    better: () => ({ offer: { slots: 8 }, inFlight: 4 }),
    worse: () => ({ offer: { slots: 8 } }),
    request: { warm: [{ worker: sampleWorker(1), promptTokens: 900 }] },
    decidedBy: 'affinity',
  })
})

test('affinity is no reason for one that is less reliable, or whose slots are taken', () => {
  const warm = [{ worker: sampleWorker(2), promptTokens: 900 }]
  follows({
    better: () => ({}),
    worse: ({ samples, ttftMs }) => ({ evidence: sampleEvidence(0.8, samples, ttftMs) }),
    request: { warm },
    decidedBy: 'reliability',
  })
  follows({
    better: () => ({}),
    worse: ({ slots }) => ({ load: { running: slots, waiting: slots * 3 } }),
    request: { warm, maxTokens: 256 },
    decidedBy: 'time',
  })
})

test('hysteresis: whoever has begun a conversation stays, unless another is much faster', () => {
  const ttft = (ttftMs: number) => () => ({ evidence: speed(ttftMs, 1), roundTripMs: 1 })
  const request = { promptTokens: 10, maxTokens: 1 }
  const warm = [{ worker: sampleWorker(1), promptTokens: 900 }]
  // A third slower is not as fast, but not slow enough to move.
  follows({
    better: ttft(1_400),
    worse: ttft(1_000),
    request: { ...request, warm },
    decidedBy: 'affinity',
  })
  const slow = [{ worker: sampleWorker(2), promptTokens: 900 }]
  follows({ better: ttft(1_000), worse: ttft(1_400), request, decidedBy: 'time' })
  follows({
    better: ttft(1_000),
    worse: ttft(2_500),
    request: { ...request, warm: slow },
    decidedBy: 'time',
  })
})
