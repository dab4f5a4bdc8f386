import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ManualClock } from '../../base/index.ts'
import { type ErrorCode, hasCode, type IsochroneError } from '../../protocol/index.ts'
import { Admission } from './admission.ts'
import type { Account } from './credentials.ts'

const account: Account = {
  keyId: 'key_1',
  role: 'client',
  name: 'one',
  limits: { requestsPerMinute: null, tokensPerMinute: null },
}

interface Limits {
  readonly requests?: number
  readonly tokens?: number
  readonly inFlight?: number
  readonly keyCommand?: string
}

function admissionWith(limits: Limits = {}) {
  const clock = new ManualClock()
  const admission = new Admission(
    {
      requireApiKey: true,
      keyCommand: limits.keyCommand,
      requestsInFlightMax: limits.inFlight ?? 100,
      requestsPerMinute: limits.requests ?? 100,
      tokensPerMinute: limits.tokens ?? 10_000,
    },
    { clock, apiKeys: { find: (key) => (key === 'iso_right' ? account : undefined) } },
  )
  return { admission, clock }
}

function refusedWith(code: ErrorCode, action: () => unknown): IsochroneError {
  let caught: unknown
  assert.throws(action, (error) => {
    caught = error
    return hasCode(error, code)
  })
  return caught as IsochroneError
}

test('who has no key is told how to get one: by a command here, by a person elsewhere', () => {
  const told = (header: string | undefined, keyCommand?: string) => {
    const { admission } = admissionWith(keyCommand === undefined ? {} : { keyCommand })
    return refusedWith('invalid_api_key', () => admission.authenticate(header)).message
  }
  const here = told('Bearer iso_wrong', 'isochrone keys create --data ./d')
  assert.match(here, /unknown or revoked\. On this machine .* with: isochrone keys create --data/)
  assert.match(
    told(undefined, 'isochrone keys create'),
    /No API key .* with: isochrone keys create/,
  )
  assert.match(told('Bearer iso_wrong'), /Ask whoever runs this gateway for a new one\.$/)
})

test('only a known bearer key authenticates', () => {
  const { admission } = admissionWith()
  assert.equal(admission.authenticate('Bearer iso_right').keyId, 'key_1')
  assert.equal(admission.authenticate('bearer  iso_right ').keyId, 'key_1')
  for (const header of [
    undefined,
    '',
    'Bearer',
    'Bearer ',
    'Basic iso_right',
    'Bearer iso_wrong',
  ]) {
    refusedWith('invalid_api_key', () => admission.authenticate(header))
  }
})

test('requests per minute: the next one is told when to come back', () => {
  const { admission, clock } = admissionWith({ requests: 2 })
  admission.admit(account, 1).release(1)
  admission.admit(account, 1).release(1)
  const error = refusedWith('rate_limited', () => admission.admit(account, 1))
  assert.match(error.message, /^2 requests per minute are used up; /)
  assert.equal(error.detail['retryAfterMs'], 30_000)
  clock.advance(30_000)
  admission.admit(account, 1).release(1)
})

test('tokens per minute: reserved by estimate, settled by what was used', () => {
  const { admission } = admissionWith({ tokens: 100 })
  const permit = admission.admit(account, 90)
  refusedWith('rate_limited', () => admission.admit(account, 20))
  permit.release(10)
  assert.equal(admission.allowance(account).tokens.remaining, 90)
  admission.admit(account, 20).release(undefined)
  assert.equal(admission.allowance(account).tokens.remaining, 70)
})

test('requests under way are bounded, and a place is given back once', () => {
  const { admission } = admissionWith({ inFlight: 1 })
  const permit = admission.admit(account, 1)
  refusedWith('all_nodes_busy', () => admission.admit(account, 1))
  permit.release(1)
  permit.release(1)
  assert.equal(admission.inFlight, 0)
})

test('a key’s own limits go before the default', () => {
  const { admission } = admissionWith({ requests: 100 })
  const own = {
    ...account,
    keyId: 'key_2',
    limits: { requestsPerMinute: 1, tokensPerMinute: null },
  }
  admission.admit(own, 1).release(1)
  const { message } = refusedWith('rate_limited', () => admission.admit(own, 1))
  assert.match(message, /^1 request per minute is used up; try again in 60 s/)
  assert.equal(admission.allowance(own).requests.limit, 1)
  assert.equal(admission.allowance(account).requests.limit, 100)
})
