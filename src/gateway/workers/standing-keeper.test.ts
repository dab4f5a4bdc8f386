/** What the keeper makes of what it hears, with the book behind it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ManualClock, seededRandom, silentLog } from '../../base/index.ts'
import type { Observation, Sighting } from '../../evidence/index.ts'
import { createIdentity } from '../../protocol/index.ts'
import { StandingKeeper } from './standing-keeper.ts'

function newKeeper(known: readonly string[] = []) {
  const clock = new ManualClock()
  const kept: Sighting[] = []
  const keeper = new StandingKeeper({
    ...{ clock, random: seededRandom(1), log: silentLog, identity: createIdentity() },
    evidence: { sight() {}, remeasure() {} },
    registry: { all: () => [], find: () => undefined, stand() {} },
    selfWatch: { wasTroubledSince: () => false },
    sightings: { append: (sighting) => void kept.push(sighting) },
    mesh: { isKnown: (id) => known.includes(id) },
  })
  return { clock, keeper, kept }
}

test('gossip of strangers makes no incident, that of members does', () => {
  const { id } = createIdentity()
  const { keeper } = newKeeper([id])
  for (let i = 0; i < 20; i += 1) keeper.gossip(createIdentity().id, 'forged-digest')
  assert.deepEqual(keeper.book.incidents(), [])
  keeper.gossip(id, 'forged-digest')
  assert.equal(keeper.book.incidents().length, 1)
})

test('a flood of faults is kept once for a second', () => {
  const { clock, keeper, kept } = newKeeper()
  const { id } = createIdentity()
  for (let i = 0; i < 50; i += 1) {
    keeper.conduct(id, 'gossip-refused', {})
    clock.advance(100)
  }
  assert.ok(new Set(kept.map(({ atMs }) => atMs)).size <= 6)
})

test('on trial, a node’s own failure counts, and nobody else’s', () => {
  const { clock, keeper } = newKeeper()
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
