import assert from 'node:assert/strict'
import { test } from 'node:test'

import { connectedGate } from './connected.ts'
import { checkInWords } from './sample-check.fixture.ts'

test('a worker without a connection is rejected', () => {
  assert.equal(checkInWords(connectedGate, {}, {}), 'pass')
  const rejected = checkInWords(connectedGate, {}, { connected: false })
  assert.equal(rejected, 'a connection to this gateway / not connected')
})
