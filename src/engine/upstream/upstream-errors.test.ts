/** When a server that refuses may be asked again, however it says so. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { errorFromResponse } from './upstream-errors.ts'

const nowMs = Date.UTC(2026, 9, 21, 7, 27, 50)

function waitAfter(retryAfter: string | null, status = 503): unknown {
  const refusal = { status, body: '', server: 'The upstream', nowMs, retryAfter }
  return errorFromResponse(refusal).detail['retryAfterMs']
}

test('seconds and dates say when to come again, an hour from now at most', () => {
  for (const status of [429, 503]) {
    assert.equal(waitAfter('10', status), 10_000)
    assert.equal(waitAfter('Wed, 21 Oct 2026 07:28:00 GMT', status), 10_000)
  }
  assert.equal(waitAfter('86400'), 3_600_000)
  assert.equal(waitAfter('Thu, 22 Oct 2026 07:28:00 GMT'), 3_600_000)
  assert.equal(waitAfter('Wed, 21 Oct 2026 07:27:00 GMT'), 0, 'the time is over')
})

test('what is neither says nothing', () => {
  const none = [
    null,
    'soon',
    '-1',
    'NaN',
    'Infinity',
    '2026-10-21',
    'Wed, 99 Oct 2026 07:28:00 GMT',
  ]
  for (const retryAfter of none) assert.equal(waitAfter(retryAfter), undefined, `${retryAfter}`)
  assert.equal(waitAfter('10', 400), undefined)
})
