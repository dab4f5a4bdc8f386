import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { seededRandom } from '../base/index.ts'
import { Fate } from './fate.ts'
import { type Fault, faultPresets, planFaults } from './faults.ts'
import { Placement } from './network/placement.ts'

const placement = new Placement(
  { sites: 2, roundTripsMs: Float32Array.of(0, 100, 100, 0), notes: [] },
  200,
  seededRandom(1),
)
const lengthMs = 600_000

function plan(preset: keyof typeof faultPresets, seed = 1): readonly Fault[] {
  return planFaults({ rates: faultPresets[preset], lengthMs }, placement, seededRandom(seed))
}

describe('a plan of faults', () => {
  it('starts every host once and does nothing more where none are wanted', () => {
    const faults = plan('none')
    assert.equal(faults.length, 200)
    assert.ok(faults.every(({ kind, atMs }) => kind === 'start' && atMs < 10_000))
  })

  it('is the same for the same seed, in order of time, and within the run', () => {
    assert.deepEqual(plan('harsh'), plan('harsh'))
    assert.notDeepEqual(plan('harsh', 1), plan('harsh', 2))
    const times = plan('harsh').map(({ atMs }) => atMs)
    assert.deepEqual(
      times,
      [...times].sort((a, b) => a - b),
    )
    assert.ok(times.every((atMs) => atMs < lengthMs))
  })

  it('has about as many of each as its rates say', () => {
    const faults = plan('harsh')
    const count = (kind: Fault['kind']) => faults.filter((fault) => fault.kind === kind).length
    const hostHours = (200 * 0.7 * lengthMs) / 3_600_000
    assert.ok(Math.abs(count('pause') / (6 * hostHours) - 1) < 0.25, `${count('pause')} pauses`)
    assert.ok(Math.abs(count('crash') / (0.6 * hostHours) - 1) < 0.8, `${count('crash')} crashes`)
    assert.deepEqual([count('part'), count('heal')], [3, 3])
  })

  it('never crashes what is down nor starts what is up', () => {
    const up = new Set<number>()
    for (const fault of plan('harsh', 7)) {
      if (fault.kind === 'start') {
        assert.ok(!up.has(fault.host))
        up.add(fault.host)
      } else if (fault.kind === 'crash') assert.ok(up.delete(fault.host))
    }
  })

  it('parts half a region from all others', () => {
    const part = plan('usual').find((fault) => fault.kind === 'part')
    assert.ok(part?.kind === 'part')
    assert.ok(part.hosts.length > 10 && part.hosts.length < 40, `${part.hosts.length} hosts`)
    const sites = new Set(part.hosts.map((host) => placement.siteOf(host)))
    assert.equal(sites.size, 1, 'a region is near')
  })
})

describe('what has befallen hosts', () => {
  it('is what the plan says, up to a time', () => {
    const fate = new Fate(2, [
      { kind: 'start', atMs: 10, host: 0 },
      { kind: 'start', atMs: 10, host: 1 },
      { kind: 'pause', atMs: 20, host: 1, forMs: 15 },
      { kind: 'part', atMs: 30, hosts: [1] },
      { kind: 'crash', atMs: 40, host: 0 },
      { kind: 'heal', atMs: 50 },
      { kind: 'start', atMs: 60, host: 0 },
    ])
    const seen = [5, 10, 25, 34, 35, 45, 50, 60].map((nowMs) => {
      fate.advance(nowMs)
      const running = [0, 1].filter((host) => fate.isRunning(host))
      return [nowMs, running.join(), fate.groupOf(1), fate.lifeOf(0)]
    })
    assert.deepEqual(seen, [
      [5, '', 0, 0],
      [10, '0,1', 0, 1],
      [25, '0', 0, 1],
      [34, '0', 1, 1],
      [35, '0,1', 1, 1],
      [45, '1', 1, 1],
      [50, '1', 0, 1],
      [60, '0,1', 0, 2],
    ])
  })
})
