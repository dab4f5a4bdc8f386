import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type ErrorCode, errorCodes, grpcStatus, isErrorCode } from './error-codes.ts'
import { asIsochroneError, hasCode, IsochroneError } from './errors.ts'

const rows = Object.entries(errorCodes)
const grpcNumbers = new Set<number>(Object.values(grpcStatus))

test('every row of the table is complete', () => {
  for (const [code, row] of rows) {
    assert.match(code, /^[a-z]+(_[a-z]+)*$/)
    assert.ok(grpcNumbers.has(row.grpc) && row.grpc !== grpcStatus.ok, `${code}: gRPC status`)
    assert.ok(Number.isInteger(row.http) && row.http >= 400 && row.http <= 599, `${code}: HTTP`)
    assert.match(row.type, /^[a-z_]+_error$/)
    assert.ok(['client', 'node', 'network', 'gateway', 'nobody'].includes(row.blame), code)
    assert.match(row.meaning, /^[A-Z].*[.]$/, `${code}: its meaning is a sentence`)
  }
})

test('a meaning stands for one code', () => {
  assert.equal(new Set(rows.map(([, row]) => row.meaning)).size, rows.length)
})

test('what is the client’s fault is a 4xx, what is retried elsewhere is not its fault', () => {
  for (const [code, row] of rows) {
    if (row.blame === 'client') assert.ok(row.http < 500, `${code}: ${row.http}`)
    // Another node may offer a model that this one does not.
    if (row.retryable && code !== 'model_not_found') assert.notEqual(row.blame, 'client', code)
  }
})

test('busy is 429 and nobody able is 503', () => {
  assert.equal(errorCodes.all_nodes_busy.http, 429)
  assert.equal(errorCodes.rate_limited.http, 429)
  assert.equal(errorCodes.no_eligible_node.http, 503)
})

test('only the table’s own codes are codes', () => {
  for (const [code] of rows) assert.ok(isErrorCode(code))
  for (const wrong of ['', 'toString', '__proto__', 'constructor', 'INTERNAL']) {
    assert.ok(!isErrorCode(wrong))
  }
})

test('the table cannot be changed', () => {
  const code: ErrorCode = 'internal'
  assert.throws(() => Object.assign(errorCodes, { [code]: undefined }), TypeError)
})

test('an error keeps its code, detail and cause', () => {
  const cause = new Error('the disk is full')
  const error = new IsochroneError('storage_failed', 'cannot write', {
    detail: { bytes: 1 },
    cause,
  })
  assert.equal(error.cause, cause)
  assert.deepEqual(error.detail, { bytes: 1 })
  assert.equal(error.retryable, false)
  assert.ok(hasCode(error, 'storage_failed') && !hasCode(error, 'internal'))
  assert.ok(!hasCode(cause, 'internal'))
})

test('what is not ours becomes ours with the original as its cause', () => {
  const original = new TypeError('broken')
  const error = asIsochroneError(original, 'engine_failed')
  assert.equal(error.code, 'engine_failed')
  assert.equal(error.message, 'broken')
  assert.equal(error.cause, original)
  assert.equal(asIsochroneError(error), error)
  assert.equal(asIsochroneError('text').code, 'internal')
})
