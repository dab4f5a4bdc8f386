/** Which words of a worker are passed on, and what goes into its record. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type ErrorCode, errorCodes, IsochroneError } from '../../protocol/index.ts'
import { blameFor, recordedCode, workerError } from './attribution.ts'

const errorOf = (code: ErrorCode) => new IsochroneError(code, `because of ${code}`)

test('what a worker can rightly say is passed on as it is', () => {
  const codes: readonly ErrorCode[] = [
    'deadline_exceeded',
    'all_nodes_busy',
    'node_draining',
    'context_length_exceeded',
    'connection_lost',
  ]
  for (const code of codes) {
    const error = errorOf(code)
    assert.equal(workerError(error), error)
    assert.equal(recordedCode(error), code)
  }
})

test('time that is used up is not tried again elsewhere', () => {
  assert.equal(workerError(errorOf('deadline_exceeded')).retryable, false)
})

test('whatever else a worker says is its failure, and the record keeps what it said', () => {
  const codes: readonly ErrorCode[] = [
    'invalid_api_key',
    'rate_limited',
    'client_closed_request',
    'invalid_signature',
    'malformed_message',
    'internal',
  ]
  for (const code of codes) {
    const error = workerError(errorOf(code))
    assert.equal(error.code, 'node_failed')
    assert.equal(error.retryable, errorCodes.node_failed.retryable)
    assert.equal(recordedCode(error), code)
  }
  assert.equal(workerError(new TypeError('a bug')).code, 'node_failed')
})

test('a worker does not get off with a word that it cannot rightly say', () => {
  const excuses: readonly ErrorCode[] = ['rate_limited', 'cancelled', 'invalid_api_key', 'internal']
  for (const code of excuses)
    assert.equal(blameFor(recordedCode(workerError(errorOf(code)))), 'node')
  assert.equal(blameFor('node_draining'), 'nobody')
  assert.equal(blameFor('connection_lost'), 'network')
  assert.equal(blameFor('invalid_request'), 'client')
})
