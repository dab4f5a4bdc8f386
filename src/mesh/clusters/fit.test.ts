import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRandom } from '../../base/index.ts'
import type { NodeId } from '../../protocol/index.ts'
import { countFar, farAllowed, whoLeaves } from './fit.ts'

const id = (name: string) => name as NodeId
const ids = (count: number) => Array.from({ length: count }, (_, index) => id(`n${index}`))

test('with as many far pairs as allowed, any definition of the percentile keeps the bound', () => {
  for (let members = 2; members <= 64; members += 1) {
    const pairs = (members * (members - 1)) / 2
    const far = farAllowed(members)
    const trips = Array.from({ length: pairs }, (_, place) => (place < pairs - far ? 10 : 100))
    const at = 0.95 * (pairs - 1)
    const [low, high] = [trips[Math.floor(at)] ?? 0, trips[Math.ceil(at)] ?? 0]
    const interpolated = low + (high - low) * (at - Math.floor(at))
    const nearestRank = trips[Math.ceil(0.95 * pairs) - 1] ?? 0
    assert.equal(interpolated, 10, `${members} members, interpolated`)
    assert.equal(nearestRank, 10, `${members} members, by nearest rank`)
  }
  assert.equal(farAllowed(64), 100)
  assert.equal(farAllowed(6), 0)
})

test('a pair is far when either end says so, and counts once', () => {
  const lists = new Map([
    [id('n0'), [id('n1'), id('n2')]],
    [id('n1'), [id('n0')]],
    [id('stranger'), [id('n0')]],
  ])
  assert.equal(countFar(ids(4), lists), 2)
})

test('the one with the most far pairs leaves; of several the one admitted last', () => {
  const [a, b, c, d] = ids(4) as [NodeId, NodeId, NodeId, NodeId]
  assert.deepEqual(whoLeaves([a, b, c, d], new Map([[b, [a, c, d]]])), [b])
  assert.deepEqual(whoLeaves([a, b], new Map([[a, [b]]])), [b])
  assert.deepEqual(whoLeaves([a, b, c, d], new Map()), [])
})

test('who stays keeps the bound, and two parts that are far are split', () => {
  const random = seededRandom(7)
  for (let round = 0; round < 50; round += 1) {
    const members = ids(2 + random.below(40))
    const lists = new Map<NodeId, NodeId[]>()
    for (const one of members) {
      lists.set(
        one,
        members.filter((other) => other !== one && random.float() < 0.2),
      )
    }
    const leaving = new Set(whoLeaves(members, lists))
    const staying = members.filter((one) => !leaving.has(one))
    assert.ok(staying.length >= 1)
    assert.ok(countFar(staying, lists) <= farAllowed(staying.length))
  }
  const members = ids(20)
  const [left, right] = [members.slice(0, 12), members.slice(12)]
  const lists = new Map(right.map((one) => [one, left]))
  assert.deepEqual(new Set(whoLeaves(members, lists)), new Set(right))
})
