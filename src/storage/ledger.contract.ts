/** What every adapter of the ledger's store must do; each adapter's test runs this. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { AccountTotals, Entry, LedgerStore } from '../ledger/index.ts'
import type { NodeId } from '../protocol/index.ts'
import { decisionIdOf, nodeIdOf } from '../protocol/index.ts'
import { sampleDecisionId } from './stores.contract.ts'

export interface OpenLedger {
  readonly ledger: LedgerStore
  close(): Promise<void>
}

export interface LedgerLimits {
  readonly ledgerEntriesMax?: number
}

export const sampleNode = (number: number): NodeId => nodeIdOf(new Uint8Array(32).fill(number))

/** Of one of three nodes; each seventh is void. */
export function sampleEntry(number: number): Entry {
  const isVoid = number % 7 === 6
  return {
    decision: sampleDecisionId(number),
    attempt: number % 2,
    worker: sampleNode(number % 3),
    atMs: 1_700_000_000_000 + number,
    model: 'sample-model',
    tier: number % 4 === 0 ? null : 'small',
    hardwareClass: 'cpu',
    policyVersion: 'sample-1',
    promptPrice: 0.5,
    completionPrice: 400_000,
    promptTokens: isVoid ? 0 : number,
    completionTokens: isVoid ? 0 : 2 * number,
    billed: number % 5 === 0 ? null : { promptTokens: number, completionTokens: 3 * number },
    amountNanoDollars: isVoid ? 0 : 1_000 * number,
    state: isVoid ? 'void' : 'owed',
  }
}

export function ledgerContract(name: string, open: (limits: LedgerLimits) => OpenLedger): void {
  const withLedger = (title: string, limits: LedgerLimits, body: (s: LedgerStore) => unknown) =>
    test(`${name}: ${title}`, async () => {
      const { close, ledger } = open(limits)
      try {
        await body(ledger)
      } finally {
        await close()
      }
    })

  withLedger('entries come back as they were, newest first', {}, async (ledger) => {
    const all = Array.from({ length: 30 }, (_, i) => sampleEntry(i))
    for (const one of all) ledger.post(one)
    await ledger.flush()
    const own = all.filter(({ worker }) => worker === sampleNode(1)).reverse()
    assert.deepEqual(ledger.entries(sampleNode(1), 100), own)
    assert.deepEqual(ledger.entries(sampleNode(1), 2), own.slice(0, 2))
    assert.deepEqual(ledger.entries(sampleNode(9), 2), [])
  })

  withLedger(
    'the newest are those of the latest times, whatever their ids begin with',
    { ledgerEntriesMax: 40 },
    async (ledger) => {
      // As gateways make them: each begins with its time, in letters and, for the rest, digits.
      const idAt = (number: number) => decisionIdOf(new Uint8Array(16).fill(number << 3, 0, 1))
      const all = Array.from({ length: 100 }, (_, i) => ({
        ...{ ...sampleEntry(i), worker: sampleNode(1), attempt: i >> 5 },
        decision: idAt(i % 32),
      }))
      for (const [i, one] of all.entries()) {
        ledger.post(one)
        if (i % 10 === 9) await ledger.flush()
      }
      await ledger.flush()
      assert.deepEqual(ledger.entries(sampleNode(1), 100), all.slice(-40).reverse())
    },
  )

  withLedger('an account has the sums of its entries', {}, async (ledger) => {
    const all = Array.from({ length: 30 }, (_, i) => sampleEntry(i))
    for (const [i, one] of all.entries()) {
      ledger.post(one)
      if (i % 11 === 0) await ledger.flush()
    }
    await ledger.flush()
    const expected = [0, 1, 2].map((node) => sumOf(all, sampleNode(node)))
    const byId = (a: AccountTotals, b: AccountTotals) => (a.worker < b.worker ? -1 : 1)
    assert.deepEqual([...ledger.accounts()].sort(byId), expected.sort(byId))
    assert.deepEqual(ledger.account(sampleNode(2)), sumOf(all, sampleNode(2)))
    assert.equal(ledger.account(sampleNode(9)), undefined)
  })

  withLedger('what is posted again counts once, then and later', {}, async (ledger) => {
    for (let round = 0; round < 3; round += 1) {
      for (const number of [1, 4, 1]) ledger.post(sampleEntry(number))
      // Whoever says something else of the same attempt comes too late.
      ledger.post({ ...sampleEntry(1), amountNanoDollars: 9_999_999 })
      await ledger.flush()
    }
    const expected = sumOf([sampleEntry(1), sampleEntry(4)], sampleNode(1))
    assert.deepEqual(ledger.account(sampleNode(1)), expected)
    assert.equal(ledger.entries(sampleNode(1), 100).length, 2)
  })

  withLedger(
    'the newest entries stay, and all stay in the sums',
    { ledgerEntriesMax: 10 },
    async (l) => {
      const all = Array.from({ length: 100 }, (_, i) => sampleEntry(i))
      for (const [i, one] of all.entries()) {
        l.post(one)
        if (i % 10 === 9) await l.flush()
      }
      const kept = [0, 1, 2].flatMap((node) => l.entries(sampleNode(node), 100))
      assert.deepEqual(new Set(kept), new Set(all.slice(-10)))
      assert.deepEqual(l.account(sampleNode(1)), sumOf(all, sampleNode(1)))
    },
  )
}

function sumOf(all: readonly Entry[], worker: NodeId): AccountTotals {
  const own = all.filter((one) => one.worker === worker)
  const sum = (of: (entry: Entry) => number) => own.reduce((total, one) => total + of(one), 0)
  return {
    worker,
    answers: sum(({ state }) => (state === 'owed' ? 1 : 0)),
    voids: sum(({ state }) => (state === 'void' ? 1 : 0)),
    promptTokens: sum((one) => one.promptTokens),
    completionTokens: sum((one) => one.completionTokens),
    amountNanoDollars: sum((one) => one.amountNanoDollars),
    firstAtMs: own[0]?.atMs ?? 0,
    lastAtMs: own.at(-1)?.atMs ?? 0,
  }
}
