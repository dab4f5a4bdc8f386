import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Decision } from '../../routing/index.ts'
import { hedgeAfterMs, SpareBudget } from './hedge-plan.ts'

function decided(ttftMs: number | null, times: readonly (readonly [ttft: number, high: number])[]) {
  const rankings = times.map(([predictedTtftMs, predictedTtftHighMs], i) => ({
    worker: `w${i}`,
    predictedTtftMs,
    predictedTtftHighMs,
  }))
  const request = { objective: { ttftMs, tpotMs: null } }
  return { chosen: 'w0', rankings, request } as unknown as Decision
}

test('later than usual, and at the last moment at which another one may be in time', () => {
  const times = [
    [100, 180],
    [300, 400],
    [200, 900],
  ] as const
  assert.equal(hedgeAfterMs(decided(1_000, times), 0), 800)
  assert.equal(hedgeAfterMs(decided(1_000, times), 500), 300, 'what passed before counts')
  assert.equal(hedgeAfterMs(decided(250, times), 0), 180, 'not before it is late for its worker')
})

test('never without an objective, or without somebody else', () => {
  const one = [[100, 180]] as const
  assert.equal(hedgeAfterMs(decided(null, [...one, [1, 2]]), 0), undefined)
  assert.equal(hedgeAfterMs(decided(1_000, one), 0), undefined)
})

test('hedges are a share of the requests, and a few', () => {
  const [share, burstMax] = [0.05, 10]
  const property = fc.property(fc.array(fc.boolean(), { maxLength: 2_000 }), (steps) => {
    const budget = new SpareBudget({ share, burstMax })
    let requests = 0
    let hedges = 0
    for (const isRequest of steps) {
      if (isRequest) {
        budget.request()
        requests += 1
      } else if (budget.take()) hedges += 1
      assert.ok(hedges <= burstMax + share * requests + 1e-6)
    }
  })
  fc.assert(property, { numRuns: 100 })
  const idle = new SpareBudget({ share, burstMax })
  for (let i = 0; i < 1_000; i += 1) idle.request()
  let together = 0
  while (idle.take()) together += 1
  assert.equal(together, burstMax)
})
