import assert from 'node:assert/strict'
import { test } from 'node:test'
import { emulatedRegions, oneWayDelayMs, regionOfNode } from './regions.ts'

test('it is as far back as there, and within a region nearer than to any other', () => {
  for (const from of emulatedRegions) {
    for (const to of emulatedRegions) {
      assert.equal(oneWayDelayMs(from, to), oneWayDelayMs(to, from))
      if (from !== to) assert.ok(oneWayDelayMs(from, from) < oneWayDelayMs(from, to))
    }
  }
})

test('three nodes are in three regions', () => {
  assert.deepEqual([0, 1, 2].map(regionOfNode), [...emulatedRegions])
})
