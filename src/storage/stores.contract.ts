/** What every adapter of the stores must do; each adapter's test runs this. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Observation, ObservationStore } from '../evidence/index.ts'
import { createIdentity, type DecisionId, decisionIdOf } from '../protocol/index.ts'
import {
  type Decision,
  type DecisionStore,
  decide,
  endAttempt,
  isSealed,
  type Signer,
  withAttempt,
} from '../routing/index.ts'
import { sampleCandidate, sampleInput, sampleWorker } from '../routing/samples.fixture.ts'

export interface OpenStores {
  readonly observations: ObservationStore
  readonly decisions: DecisionStore
  close(): Promise<void>
}

export interface StoreLimits {
  readonly decisionsMax?: number
  readonly observationsMax?: number
  readonly viewBytesMax?: number
  readonly signer?: Signer
}

const gateway = createIdentity()

export function sampleDecisionId(number: number): DecisionId {
  const bytes = new Uint8Array(16)
  new DataView(bytes.buffer).setUint32(0, number)
  return decisionIdOf(bytes)
}

export function sampleDecision(number: number, keyId: string | null = null): Decision {
  const candidates = [sampleCandidate(0), sampleCandidate(1), sampleCandidate(2, { offer: null })]
  return decide(sampleInput({ candidates, decisionId: sampleDecisionId(number), keyId }))
}

export function sampleObservation(number: number, atMs = 1_700_000_000_000 + number): Observation {
  return {
    atMs,
    worker: sampleWorker(number % 3),
    model: 'sample-model',
    decision: sampleDecisionId(number),
    attempt: number % 2,
    outcome:
      number % 5 === 4
        ? { kind: 'failed', code: 'node_failed', phase: 'mid-stream' }
        : { kind: number % 7 === 6 ? 'abandoned' : 'completed' },
    blame: number % 5 === 4 ? 'node' : 'nobody',
    ttftMs: number % 4 === 3 ? null : 100 + number / 3,
    tpotMs: 10.5,
    promptTokens: number,
    completionTokens: null,
    inFlight: number % 4,
    load: number % 6 === 5 ? null : (number % 4) / 2,
    promptTokensAhead: number % 5 === 0 ? null : number * 100,
  }
}

export function storesContract(name: string, open: (limits: StoreLimits) => OpenStores): void {
  const withStores = (title: string, limits: StoreLimits, body: (s: OpenStores) => Promise<void>) =>
    test(`${name}: ${title}`, async () => {
      const stores = open(limits)
      try {
        await body(stores)
      } finally {
        await stores.close()
      }
    })

  withStores(
    'observations come back as they were, before and after a flush',
    {},
    async (stores) => {
      const expected = Array.from({ length: 50 }, (_, i) => sampleObservation(i))
      for (const one of expected) stores.observations.append(one)
      assert.deepEqual([...stores.observations.since(0)], expected)
      await stores.observations.flush()
      assert.deepEqual([...stores.observations.since(0)], expected)
    },
  )

  withStores('observations come from the asked time on, oldest first', {}, async (stores) => {
    const start = 1_700_000_000_000
    for (const seconds of [1, 2, 4, 3]) {
      stores.observations.append(sampleObservation(0, start + seconds * 1e3))
    }
    await stores.observations.flush()
    const kept = [...stores.observations.since(start + 2e3)]
    assert.deepEqual(
      kept.map(({ atMs }) => (atMs - start) / 1e3),
      [2, 3, 4],
    )
  })

  withStores('the newest observations stay', { observationsMax: 10 }, async (stores) => {
    for (let i = 0; i < 100; i += 1) {
      stores.observations.append(sampleObservation(i))
      if (i % 10 === 9) await stores.observations.flush()
    }
    const kept = [...stores.observations.since(0)]
    assert.deepEqual(
      kept,
      Array.from({ length: 10 }, (_, i) => sampleObservation(90 + i)),
    )
  })

  withStores('a decision comes back as it was', {}, async (stores) => {
    let decision = withAttempt(sampleDecision(1), { worker: sampleWorker(0), startedAtMs: 5 })
    decision = endAttempt(decision, { endedAtMs: 9, outcome: 'failed', code: 'node_failed' })
    assert.equal(stores.decisions.get(decision.id), undefined)
    stores.decisions.put(decision)
    const expected = JSON.stringify(decision)
    assert.equal(JSON.stringify(stores.decisions.get(decision.id)), expected)
    await stores.decisions.flush()
    assert.equal(JSON.stringify(stores.decisions.get(decision.id)), expected)
    assert.equal(decision.rejections.length, 1)
  })

  withStores('a decision put again replaces the one before', {}, async (stores) => {
    const first = sampleDecision(1)
    const second = withAttempt(first, { worker: sampleWorker(1), startedAtMs: 1 })
    stores.decisions.put(first)
    await stores.decisions.flush()
    stores.decisions.put(sampleDecision(2))
    stores.decisions.put(second)
    for (const when of ['before', 'after']) {
      assert.equal(stores.decisions.get(first.id)?.attempts.length, 1, `${when} the flush`)
      const ids = stores.decisions.recent(10).map(({ id }) => id)
      assert.deepEqual(ids, [first.id, sampleDecisionId(2)], `${when} the flush`)
      await stores.decisions.flush()
    }
  })

  withStores('the newest decisions stay', { decisionsMax: 10 }, async (stores) => {
    for (let i = 0; i < 25; i += 1) {
      stores.decisions.put(sampleDecision(i))
      if (i % 5 === 4) await stores.decisions.flush()
    }
    const ids = stores.decisions.recent(100).map(({ id }) => id)
    assert.deepEqual(
      ids,
      Array.from({ length: 10 }, (_, i) => sampleDecisionId(24 - i)),
    )
    assert.equal(stores.decisions.get(sampleDecisionId(3)), undefined)
    assert.deepEqual(stores.decisions.recent(0), [])
  })

  withStores('the decisions of one key are found among the others', {}, async (stores) => {
    for (let i = 0; i < 9; i += 1) {
      stores.decisions.put(sampleDecision(i, i % 3 === 0 ? null : `key_${i % 3}`))
      if (i === 6) await stores.decisions.flush()
    }
    const idsOf = (count: number) => stores.decisions.recent(count, 'key_1').map(({ id }) => id)
    for (const when of ['before', 'after']) {
      assert.deepEqual(idsOf(2), [7, 4].map(sampleDecisionId), `${when} the flush`)
      assert.deepEqual(idsOf(10), [7, 4, 1].map(sampleDecisionId), `${when} the flush`)
      assert.equal(stores.decisions.recent(10).length, 9, `${when} the flush`)
      await stores.decisions.flush()
    }
  })

  withStores('a decision is signed as it is kept', { signer: gateway }, async (stores) => {
    const decisions = [1, 2, 3].map((number) => sampleDecision(number))
    for (const one of decisions) stores.decisions.put(one)
    assert.equal(stores.decisions.kept(sampleDecisionId(9)), undefined)
    for (const when of ['before', 'after']) {
      for (const one of decisions) {
        const kept = stores.decisions.kept(one.id)
        assert.ok(kept?.seal, `${when} the flush`)
        assert.equal(kept.text, JSON.stringify(one))
        assert.equal(kept.seal.gateway, gateway.id)
        assert.ok(isSealed(kept.text, kept.seal), `${when} the flush`)
      }
      await stores.decisions.flush()
    }
  })

  withStores('nobody signs where there is no key', {}, async (stores) => {
    stores.decisions.put(sampleDecision(1))
    assert.equal(stores.decisions.kept(sampleDecisionId(1))?.seal, null)
    await stores.decisions.flush()
    assert.equal(stores.decisions.kept(sampleDecisionId(1))?.seal, null)
  })

  withStores('what decisions saw comes back without gaps', {}, async (stores) => {
    const parts = [
      ['a', 0, 5],
      ['b', 0, 3],
      ['a', 5, 4],
      ['a', 10, 4],
      ['b', 3, 1],
    ] as const
    for (const [i, [frame, at, length]] of parts.entries()) {
      const bytes = new Uint8Array(length).fill(i + 1)
      stores.decisions.putView({ frame, at, bytes })
      bytes.fill(0)
      if (i === 1) await stores.decisions.flush()
    }
    for (let i = 0; i < 2; i += 1) {
      assert.deepEqual([...(stores.decisions.view('a') ?? [])], [1, 1, 1, 1, 1, 3, 3, 3, 3])
      assert.deepEqual([...(stores.decisions.view('b') ?? [])], [2, 2, 2, 5])
      assert.equal(stores.decisions.view('c'), undefined)
      await stores.decisions.flush()
    }
  })

  withStores('the newest of what decisions saw stays', { viewBytesMax: 1_000 }, async (stores) => {
    for (let i = 0; i < 30; i += 1) {
      stores.decisions.putView({ frame: `f${i}`, at: 0, bytes: new Uint8Array(100).fill(i) })
      await stores.decisions.flush()
    }
    const kept = Array.from({ length: 30 }, (_, i) => stores.decisions.view(`f${i}`))
    const count = kept.filter((bytes) => bytes !== undefined).length
    assert.ok(count >= 8 && count <= 10, `${count} kept`)
    assert.equal(kept.at(-1)?.[0], 29)
  })

  withStores('nothing to flush is flushed at once', {}, async (stores) => {
    await stores.observations.flush()
    await stores.decisions.flush()
    assert.deepEqual([...stores.observations.since(0)], [])
  })
}
