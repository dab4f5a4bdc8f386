/** With an objective, whoever is soon enough takes turns by load: sooner helps nobody. */
import { test } from 'node:test'
import { follows, speed } from './factors.fixture.ts'

const request = { promptTokens: 10, maxTokens: 64 }
const objective = { ttftMs: 10_000, tpotMs: null }
const busy = { offer: { slots: 8 }, load: { running: 4 } }
const idle = { offer: { slots: 8 } }

test('the slower one with less to do, where both are soon enough; the sooner one without', () => {
  const fast = () => ({ ...busy, evidence: speed(1_000, 1), roundTripMs: 1 })
  const slow = () => ({ ...idle, evidence: speed(3_000, 1), roundTripMs: 1 })
  follows({ better: slow, worse: fast, request: { ...request, objective }, decidedBy: 'load' })
  follows({ better: fast, worse: slow, request, decidedBy: 'time' })
})

test('the sooner one, where only that one is soon enough by far', () => {
  follows({
    better: () => ({ ...busy, evidence: speed(1_000, 1), roundTripMs: 1 }),
    worse: () => ({ ...idle, evidence: speed(4_500, 1), roundTripMs: 1 }),
    request: { ...request, objective },
    decidedBy: 'time',
  })
})
