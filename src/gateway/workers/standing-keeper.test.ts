/** What the keeper makes of what it hears, with the book behind it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ManualClock, seededRandom, silentLog } from '../../base/index.ts'
import type { Observation } from '../../evidence/index.ts'
import { createIdentity } from '../../protocol/index.ts'
import { StandingKeeper } from './standing-keeper.ts'

test('on trial, a node’s own failure counts, and nobody else’s', () => {
  const clock = new ManualClock()
  const keeper = new StandingKeeper({
    ...{ clock, random: seededRandom(1), log: silentLog, identity: createIdentity() },
    evidence: { sight() {} },
    registry: { all: () => [], find: () => undefined, stand() {} },
    selfWatch: { wasTroubledSince: () => false },
  })
  const { id: worker } = createIdentity()
  const failed = { kind: 'failed', code: 'node_failed', phase: 'before-first-token' } as const
  const see = (outcome: Observation['outcome'], blame: Observation['blame'] = 'nobody') =>
    keeper.seen({ worker, outcome, blame } as Observation)
  keeper.conduct(worker, 'contradiction', {})
  clock.advance(10_000)
  for (let i = 0; i < 4; i += 1) see({ kind: 'completed' })
  see(failed, 'node')
  for (let i = 0; i < 4; i += 1) see({ kind: 'completed' })
  see(failed, 'network')
  see({ kind: 'abandoned' }, 'client')
  assert.equal(keeper.book.incidents()[0]?.state, 'trial')
  see({ kind: 'completed' })
  assert.equal(keeper.book.incidents()[0]?.state, 'closed')
  keeper.stop()
})
