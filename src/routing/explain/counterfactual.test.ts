/** What is said to have changed a decision would have changed it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { seededRandom } from '../../base/index.ts'
import { decide } from '../decide.ts'
import { defaultPolicy, policyOf } from '../policy.ts'
import type { Objective } from '../request.ts'
import { sampleCandidate, sampleEvidence, sampleInput, sampleRequest } from '../samples.fixture.ts'
import { whatWouldChange } from './counterfactual.ts'

interface Side {
  readonly roundTripMs: number
  readonly seen: number
  readonly completion: number
}

const nobodySaw: Side = { roundTripMs: 5, seen: 0, completion: 1 }

/** Of two, each with a prompt to read that takes 200 ms; the answer is one token. */
function between(sides: readonly Side[], objective: Objective, policy = defaultPolicy) {
  const candidates = sides.map(({ roundTripMs, seen, completion }, i) => {
    const evidence = { ...sampleEvidence(completion, seen), ttft: undefined, tpot: undefined }
    return sampleCandidate(i, { roundTripMs, evidence })
  })
  // No turn to explore.
  const random = { ...seededRandom(1), float: () => 0.99, below: () => 0 }
  const request = { ...sampleRequest, maxTokens: 1, objective }
  return decide(sampleInput({ candidates, policy, random, request }))
}

const promptMs = 200
const anyTime = { ttftMs: null, tpotMs: null }

function mostOf(decision: ReturnType<typeof between>): number | undefined {
  const text = whatWouldChange(decision).join(' ')
  const most = /would have taken turns .* in at most (\d+) ms, not \d+ ms/.exec(text)
  return most === null ? undefined : Number(most[1])
}

test('who is slower would have taken turns up to the time that is named', () => {
  for (const objective of [anyTime, { ttftMs: 5_000, tpotMs: null }]) {
    const slow = between([nobodySaw, { ...nobodySaw, roundTripMs: 4_000 }], objective)
    assert.equal(slow.decidedBy, 'time')
    const most = mostOf(slow) ?? 0
    const at = (ms: number) => {
      const other = { ...nobodySaw, roundTripMs: ms - promptMs }
      return between([nobodySaw, other], objective).alike
    }
    assert.deepEqual([at(most), at(most + 2)], [2, 1])
  }
})

test('so it is where answers have to be repeated', () => {
  const side = fc.record({
    roundTripMs: fc.integer({ min: 1, max: 3_000 }),
    seen: fc.constantFrom(0, 4, 10),
    completion: fc.double({ min: 0, max: 1, noNaN: true }),
  })
  let named = 0
  fc.assert(
    fc.property(side, side, (one, other) => {
      const decision = between([one, other], anyTime)
      const most = mostOf(decision)
      if (most === undefined) return
      named += 1
      const isFirst = decision.chosen === sampleCandidate(0).id
      const sooner = { roundTripMs: most - promptMs }
      const sides = isFirst ? [one, { ...other, ...sooner }] : [{ ...one, ...sooner }, other]
      assert.equal(between(sides, anyTime).alike, 2)
    }),
    { numRuns: 500 },
  )
  assert.ok(named > 50, `${named} were named`)
})

test('of a policy that is not at hand, no bound is named', () => {
  const { version: _, ...values } = defaultPolicy
  const policy = policyOf('other', { ...values, sameSpeedMs: 1 })
  const slow = between([nobodySaw, { ...nobodySaw, roundTripMs: 4_000 }], anyTime, policy)
  assert.match(whatWouldChange(slow).join(' '), /be done in 205 ms or so, not 4200 ms\./)
})

test('of a refusal, what would have passed is no more than nobody', () => {
  const refused = between([nobodySaw, nobodySaw], { ttftMs: 1, tpotMs: null })
  assert.deepEqual(whatWouldChange(refused), [
    'Without the demand for a first token within 1 ms, 2 would have passed the gate "latency".',
  ])
})
