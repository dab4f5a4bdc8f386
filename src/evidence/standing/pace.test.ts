import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { nodeIdOf, type WorkerId } from '../../protocol/index.ts'
import type { WorkerEvidence } from '../evidence.ts'
import { newcomer } from '../record.ts'
import type { IncidentState } from './incident.ts'
import { PaceJudge, type StatedPace } from './pace.ts'

const nodeOf = (number: number): WorkerId => nodeIdOf(new Uint8Array(32).fill(number))

interface Told extends Partial<Omit<StatedPace, 'worker'>> {
  /** Tokens per second, as measured; undefined: not enough was seen. */
  readonly rate?: number
  readonly samples?: number
  /** Of the rate. */
  readonly upper?: number
  readonly state?: IncidentState
}

/** Judges the first of those who offer a model. */
function judged(told: readonly Told[], claimKeptMin = 0.3) {
  const reports: string[] = []
  const kept: WorkerId[] = []
  const evidenceOf = (worker: WorkerId): WorkerEvidence => {
    const { rate, samples = 20, upper } = told.find((_, i) => nodeOf(i) === worker) ?? {}
    if (rate === undefined) return newcomer
    return { ...newcomer, rate: { median: rate, lower: rate, upper: upper ?? rate, samples } }
  }
  const all = told.map(({ claimed = 0, floor = 0 }, i) => ({ worker: nodeOf(i), claimed, floor }))
  const judge = new PaceJudge({
    evidence: { of: () => evidenceOf },
    stated: (worker) => all.find((one) => one.worker === worker),
    all: () => all,
    claimKeptMin: () => claimKeptMin,
    stateOf: () => told[0]?.state,
    report: (worker, { kind, model }) => {
      assert.deepEqual([worker, model], [nodeOf(0), 'm'])
      reports.push(kind)
    },
    kept: (worker) => void kept.push(worker),
  })
  judge.judge()
  judge.seen(nodeOf(0), 'm')
  judge.judge()
  judge.judge()
  return { reports, kept }
}

const honest: Told = { claimed: 100, rate: 90 }

test('below the floor by the upper bound, whatever is stated and others do', () => {
  assert.deepEqual(judged([{ floor: 20, rate: 15, upper: 19 }]).reports, ['below-floor'])
  assert.deepEqual(judged([{ floor: 20, rate: 15, upper: 21 }]).reports, [])
  assert.deepEqual(judged([{ floor: 20 }]).reports, [])
})

test('far below its own word, where others keep theirs', () => {
  const others = [honest, honest, honest]
  assert.deepEqual(judged([{ claimed: 100, rate: 10 }, ...others]).reports, ['below-claim'])
  assert.deepEqual(judged([{ claimed: 100, rate: 10, upper: 28 }, ...others]).reports, [])
  assert.deepEqual(judged([{ claimed: 30, rate: 10 }, ...others]).reports, [])
  assert.deepEqual(judged([{ claimed: 0, rate: 10 }, ...others]).reports, [])
  assert.deepEqual(judged([{ claimed: 100, rate: 10 }, ...others], 0).reports, [])
})

test('what slows everybody is nobody’s lie, and few others prove nothing', () => {
  const slowed = { claimed: 100, rate: 20 }
  assert.deepEqual(judged([{ claimed: 100, rate: 7 }, slowed, slowed, slowed]).reports, [])
  const far = { claimed: 100, rate: 5 }
  assert.deepEqual(judged([far, slowed, slowed, slowed]).reports, ['below-claim'])
  assert.deepEqual(judged([far, honest, honest]).reports, [])
  assert.deepEqual(judged([far, honest, honest, {}]).reports, [])
  assert.deepEqual(judged([far, honest, honest, { rate: 90 }]).reports, [])
})

test('whoever is faster than it says does not raise what others are held to', () => {
  const modest = { claimed: 10, rate: 1_000 }
  assert.deepEqual(judged([{ claimed: 100, rate: 31 }, modest, modest, modest]).reports, [])
})

test('a re-check is passed by the median of some answers; in doubt it goes on', () => {
  const others = [honest, honest, honest]
  const onTrial = { claimed: 100, state: 'trial' as const }
  const passed = judged([{ ...onTrial, rate: 60 }, ...others])
  assert.deepEqual(passed, { reports: [], kept: [nodeOf(0)] })
  const few = judged([{ ...onTrial, rate: 60, samples: 3 }, ...others])
  assert.deepEqual(few, { reports: [], kept: [] })
  const doubtful = judged([{ ...onTrial, rate: 20, upper: 40 }, ...others])
  assert.deepEqual(doubtful, { reports: [], kept: [] })
  const failed = judged([{ ...onTrial, rate: 20, upper: 22 }, ...others])
  assert.deepEqual(failed, { reports: ['below-claim'], kept: [] })
})

test('what is shut or suspended already is not reported again', () => {
  for (const state of ['shut', 'suspended', 'quarantined'] as const) {
    assert.deepEqual(judged([{ floor: 20, rate: 1, state }]), { reports: [], kept: [] })
  }
})

test('whoever is as much slower than its word as most others is never reported', () => {
  const share = fc.double({ min: 0.01, max: 2, noNaN: true })
  fc.assert(
    fc.property(fc.array(share, { minLength: 3, maxLength: 20 }), share, (shares, own) => {
      const others = [...shares].sort((a, b) => a - b)
      const middle = Math.min(1, others[(others.length - 1) >> 1] ?? 0)
      const told = shares.map((one) => ({ claimed: 100, rate: 100 * one }))
      const { reports } = judged([{ claimed: 100, rate: 100 * own }, ...told])
      assert.equal(reports.length > 0, 100 * own < 100 * 0.3 * middle)
    }),
  )
})
