/** On what terms nodes earn, and whose accounts are held. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ManualClock } from '../../base/index.ts'
import { MemoryLedger } from '../../ledger/index.ts'
import {
  decisionIdOf,
  type NodeId,
  nodeIdOf,
  type OfferedModel,
  type WorkerId,
} from '../../protocol/index.ts'
import { defaultPolicy, policyOf } from '../../routing/index.ts'
import { Earnings } from './earnings.ts'

const worker = nodeIdOf(new Uint8Array(32).fill(1))
const offer = { promptPrice: 300_000, completionPrice: 400_000 } as OfferedModel
const tokens = { promptTokens: 10, completionTokens: 0 }
const answered = { how: 'answered', takenOver: 0, billed: tokens, counted: tokens } as const

function newEarnings(promptPriceMax: number | null, confined: readonly NodeId[] = []) {
  const rule = { tokensPerSecondMin: 0, promptPriceMax, completionPriceMax: null }
  const tier = {
    ...{ name: 'small', models: ['m'], digests: [], runtimes: [], quantisations: [] },
    ...{ memoryBytes: 0, kvBytesPerToken: 0, rule, classes: [] },
  }
  const { version: _, ...values } = defaultPolicy
  const policy = policyOf('capped', { ...values, tiers: [tier] })
  return new Earnings({
    clock: new ManualClock(),
    ledger: new MemoryLedger(),
    registry: { offered: (id) => (id === worker ? { offer, hardwareClass: 'other' } : undefined) },
    book: { isConfined: (id) => confined.some((one) => one === id) },
    policy: () => policy,
  })
}

test('whoever asks more than the policy pays, since then, earns what it pays', () => {
  assert.equal(newEarnings(100_000).terms(worker, 'm')?.promptPrice, 100_000)
  assert.equal(newEarnings(null).terms(worker, 'm')?.promptPrice, 300_000)
  assert.equal(newEarnings(100_000).terms(worker, 'another')?.promptPrice, 300_000)
  assert.equal(newEarnings(null).terms('upstream:a' as WorkerId, 'm'), undefined)
})

test('of a node that is confined all is held, also what it earns meanwhile', async () => {
  for (const confined of [[], [worker]]) {
    const earnings = newEarnings(null, confined)
    const terms = earnings.terms(worker, 'm')
    assert.ok(terms !== undefined)
    for (const attempt of [0, 1, 1]) {
      const about = { decision: decisionIdOf(new Uint8Array(16)), attempt, model: 'm', worker }
      earnings.post({ ...answered, isFalse: false }, terms, about)
    }
    const { heldNanoDollars, owedNanoDollars } = (await earnings.account(worker)) ?? {}
    const sum = 2 * 10 * (offer.promptPrice / 1_000)
    assert.deepEqual([owedNanoDollars, heldNanoDollars], confined.length > 0 ? [0, sum] : [sum, 0])
  }
})
