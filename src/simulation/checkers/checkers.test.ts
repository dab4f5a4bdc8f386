import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { seededRandom } from '../../base/index.ts'
import { Fate } from '../fate.ts'
import type { Fault } from '../faults.ts'
import { Placement } from '../network/placement.ts'
import { Beliefs } from './beliefs.ts'
import { Claims } from './claims.ts'
import { heldDead, sharedMembers, type Truth, WideClusters } from './invariants.ts'
import { Overdue } from './overdue.ts'

const hosts = 4

/** Four running hosts in one cluster, each of which holds all others alive. */
function truth(faults: readonly Fault[] = []): Truth & { readonly fate: Fate } {
  const starts = [0, 1, 2, 3].map((host): Fault => ({ kind: 'start', atMs: 0, host }))
  const fate = new Fate(hosts, [...starts, ...faults])
  const claims = new Claims(hosts)
  const beliefs = new Beliefs(hosts)
  for (let host = 0; host < hosts; host += 1) {
    claims.note(host, 'one')
    for (let other = 0; other < hosts; other += 1) {
      if (other !== host) beliefs.note(host, other, 'alive')
    }
  }
  fate.advance(100)
  return { fate, claims, beliefs }
}

describe('a live member that is dead at every other', () => {
  it('is found, and is no more as soon as one other knows better', () => {
    const now = truth()
    for (const observer of [0, 1, 2]) {
      assert.deepEqual([...heldDead(now, 'every other')], [])
      now.beliefs.note(observer, 3, 'dead')
    }
    assert.deepEqual([...heldDead(now, 'every other')], [3])
    now.beliefs.note(1, 3, 'alive')
    assert.deepEqual([...heldDead(now, 'every other')], [])
    assert.deepEqual([...heldDead(now, 'some other')], [3])
    for (const observer of [0, 2]) now.beliefs.note(observer, 3, 'alive')
    assert.deepEqual([...heldDead(now, 'some other')], [])
  })

  it('is not one that is down, asleep, or has nobody within reach', () => {
    const befallen: readonly (readonly Fault[])[] = [
      [{ kind: 'crash', atMs: 50, host: 3 }],
      [{ kind: 'pause', atMs: 50, host: 3, forMs: 1_000 }],
      [{ kind: 'part', atMs: 50, hosts: [3] }],
    ]
    for (const faults of befallen) {
      const now = truth(faults)
      for (const observer of [0, 1, 2]) now.beliefs.note(observer, 3, 'dead')
      assert.deepEqual([...heldDead(now, 'every other')], [])
    }
  })

  it('is judged by those alone who run and are within reach', () => {
    const now = truth([
      { kind: 'crash', atMs: 40, host: 0 },
      { kind: 'pause', atMs: 50, host: 1, forMs: 1_000 },
    ])
    now.beliefs.note(2, 3, 'dead')
    assert.deepEqual([...heldDead(now, 'every other')], [3])
  })
})

describe('a member of two clusters', () => {
  it('is found where another cluster lists it, until that one knows', () => {
    const now = truth()
    assert.deepEqual([...sharedMembers(now)], [])
    now.claims.note(3, 'two')
    // 3 lists the others, and they list 3.
    assert.deepEqual([...sharedMembers(now)].sort(), [0, 1, 2, 3])
    for (const observer of [0, 1, 2]) {
      now.beliefs.note(observer, 3, 'unknown')
      now.beliefs.note(3, observer, 'unknown')
    }
    assert.deepEqual([...sharedMembers(now)], [])
  })

  it('is not one that is parted from those who list it', () => {
    const now = truth([{ kind: 'part', atMs: 50, hosts: [3] }])
    now.claims.note(3, 'two')
    assert.deepEqual([...sharedMembers(now)], [])
  })
})

describe('a cluster that is too wide', () => {
  it('has more than one pair in twenty above the bound', () => {
    // 21 hosts: one is 50 ms from all others, 20 pairs of 210; then a second one.
    const sites = 22
    const far = new Set([20, 21])
    const roundTripsMs = Float32Array.from({ length: sites * sites }, (_, index) => {
      const [a, b] = [Math.floor(index / sites), index % sites]
      if (a === b) return 0
      return far.has(a) || far.has(b) ? 50 : 5
    })
    const placement = new Placement({ sites, roundTripsMs, notes: [] }, sites, seededRandom(1))
    const hostsAt = (site: number) =>
      Array.from({ length: sites }, (_, host) => host).filter((h) => placement.siteOf(h) === site)
    const claims = new Claims(sites)
    const wide = new WideClusters(15, placement)
    for (let site = 0; site < 20; site += 1) {
      for (const host of hostsAt(site)) claims.note(host, 'near')
    }
    assert.deepEqual([...wide.now(claims)], [])
    const [outsider = -1] = hostsAt(20)
    claims.note(outsider, 'near')
    assert.deepEqual([...wide.now(claims)], ['near'], '20 of 210 pairs')
    claims.note(outsider, 'far')
    assert.deepEqual([...wide.now(claims)], [])
    const [other = -1] = hostsAt(21)
    claims.note(other, 'far')
    assert.deepEqual([...wide.now(claims)], ['far'])
    claims.note(other, undefined)
    assert.deepEqual([...wide.now(claims)], [])
  })
})

describe('what is wrong for too long', () => {
  it('is counted once, when the bound is over', () => {
    const overdue = new Overdue<string>(3_000)
    for (let nowMs = 1_000; nowMs <= 4_000; nowMs += 1_000) overdue.observe(['a'], nowMs)
    assert.equal(overdue.count, 0)
    for (let nowMs = 5_000; nowMs <= 9_000; nowMs += 1_000) overdue.observe(['a'], nowMs)
    assert.equal(overdue.count, 1)
    assert.equal(overdue.longestMs, 8_000)
    assert.deepEqual(overdue.violations, [{ key: 'a', sinceMs: 1_000 }])
  })

  it('begins anew when it was right in between', () => {
    const overdue = new Overdue<string>(3_000)
    for (let nowMs = 0; nowMs <= 20_000; nowMs += 1_000) {
      overdue.observe(nowMs % 3_000 === 0 ? [] : ['a'], nowMs)
    }
    assert.equal(overdue.count, 0)
    assert.equal(overdue.longestMs, 1_000)
  })
})

describe('beliefs', () => {
  it('go with the process that had them', () => {
    const beliefs = new Beliefs(3)
    beliefs.note(0, 1, 'alive')
    beliefs.note(0, 2, 'dead')
    beliefs.note(1, 2, 'dead')
    beliefs.forget(0)
    assert.equal(beliefs.heldAliveBy(0).size, 0)
    assert.deepEqual(
      [...beliefs.heldDead()].map(([subject, holders]) => [subject, [...holders]]),
      [[2, [1]]],
    )
  })
})
