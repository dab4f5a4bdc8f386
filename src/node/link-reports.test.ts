import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { MeshMember } from '../mesh/index.ts'
import { messageLimits, nodeIdOf } from '../protocol/index.ts'
import { linkReports } from './link-reports.ts'

const idOf = (i: number) => nodeIdOf(new Uint8Array(32).fill(i))

function member(i: number, medianMs: number, more: Partial<MeshMember> = {}): MeshMember {
  const link = { medianMs, p95Ms: medianMs * 2, jitterMs: 1, loss: 0, samples: 5, atMs: 0 }
  const said = { role: 'node', region: '', state: 'alive', incarnation: 1, addresses: [] } as const
  return { id: idOf(i), ...said, link, estimate: null, ...more }
}

test('a node tells of living members that it measured, the nearest first', () => {
  const once = member(4, 1).link
  const reports = linkReports([
    member(1, 30),
    member(2, 10),
    member(3, 5, { state: 'dead' }),
    member(4, 1, { link: once === null ? null : { ...once, samples: 1 } }),
    member(5, 1, { link: null }),
  ])
  assert.deepEqual(
    reports.map(({ peer, medianMs }) => [peer, medianMs]),
    [
      [idOf(2), 10],
      [idOf(1), 30],
    ],
  )
})

test('it tells of no more than a report may hold', () => {
  const many = Array.from({ length: 200 }, (_, i) => member(i, 200 - i))
  const reports = linkReports(many)
  assert.equal(reports.length, messageLimits.linksPerReportMax)
  assert.equal(reports[0]?.medianMs, 1)
})
