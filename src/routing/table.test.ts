import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { seededRandom } from '../base/index.ts'
import { decide } from './decide.ts'
import { defaultPolicy } from './policy.ts'
import { sampleCandidate, sampleEvidence, sampleInput } from './samples.fixture.ts'
import { CandidateTable } from './table.ts'

const change = fc.record({
  kind: fc.constantFrom('push', 'put'),
  at: fc.nat(1_000),
  number: fc.nat(1_000),
  running: fc.nat(8),
  roundTripMs: fc.option(fc.nat(300), { nil: undefined }),
  samples: fc.nat(200),
})

test('a table that was kept row by row decides as one that is made at once', () => {
  fc.assert(
    fc.property(fc.array(change, { maxLength: 150 }), fc.integer(), (changes, seed) => {
      const table = new CandidateTable(defaultPolicy)
      for (const { kind, at, number, running, roundTripMs, samples } of changes) {
        const evidence = sampleEvidence(0.95, samples)
        const candidate = sampleCandidate(number, { load: { running }, roundTripMs, evidence })
        if (kind === 'push' || table.size === 0) table.push(candidate)
        else table.put(at % table.size, candidate)
      }
      const { candidates } = table
      const once = { candidates: [...candidates], random: seededRandom(seed) }
      const kept = { candidates, table, random: seededRandom(seed) }
      const [byKept, byOnce] = [decide(sampleInput(kept)), decide(sampleInput(once))]
      assert.equal(JSON.stringify(byKept), JSON.stringify(byOnce))
    }),
  )
})

test('a table of another policy is not believed', () => {
  const unmeasured = sampleCandidate(0, { roundTripMs: undefined })
  const table = new CandidateTable({ ...defaultPolicy, assumedRoundTripMs: 5_000 })
  table.push(unmeasured)
  const { candidates } = table
  const [first] = decide(sampleInput({ candidates, table })).rankings
  const [second] = decide(sampleInput({ candidates })).rankings
  assert.equal(first?.predictedTtftMs, second?.predictedTtftMs)
})
