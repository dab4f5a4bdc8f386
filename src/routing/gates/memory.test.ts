import assert from 'node:assert/strict'
import { test } from 'node:test'
import { memoryGate } from './memory.ts'
import { checkInTier } from './sample-check.fixture.ts'

const gib = 1024 ** 3

test('memory for the weights, and for the cache of prompt and answer', () => {
  assert.equal(checkInTier(memoryGate, {}, { memoryBytes: 0 }), 'not asked')
  const tier = { memoryBytes: 4 * gib, kvBytesPerToken: gib / 1_000 }
  const request = { promptTokens: 900, maxTokens: 100 }
  assert.equal(checkInTier(memoryGate, tier, { request, memoryBytes: 5 * gib }), 'pass')
  const rejected = checkInTier(memoryGate, tier, { request, memoryBytes: 4.9 * gib })
  assert.equal(rejected, '5 GiB of memory for weights and cache / 4.9 GiB, by its own statement')
  const shorter = { ...request, promptTokens: 700 }
  assert.equal(checkInTier(memoryGate, tier, { request: shorter, memoryBytes: 4.9 * gib }), 'pass')
})

test('an answer without a limit is taken to be as long as usual', () => {
  const tier = { kvBytesPerToken: gib }
  const request = { promptTokens: 0, maxTokens: null }
  assert.equal(checkInTier(memoryGate, tier, { request, memoryBytes: 256 * gib }), 'pass')
  assert.notEqual(checkInTier(memoryGate, tier, { request, memoryBytes: 255 * gib }), 'pass')
})

test('a server that states nothing of its machine is its operator’s choice', () => {
  assert.equal(checkInTier(memoryGate, { memoryBytes: gib }, { memoryBytes: undefined }), 'pass')
})
