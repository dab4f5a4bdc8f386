/** Secrets are found by their hash, and by nothing that costs a stranger little and us much. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRandom } from '../../base/index.ts'
import { createJoinTokens, hashSecret, makeSecret, SecretTable } from './secrets.ts'

test('a secret finds its own entry, and a wrong one none', () => {
  const random = seededRandom(1)
  const secrets = Array.from({ length: 20 }, () => makeSecret('iso', random))
  const table = new SecretTable(secrets.map((secret, at) => [hashSecret(secret), at] as const))
  for (const [at, secret] of secrets.entries()) assert.equal(table.find(secret), at)
  assert.equal(table.find(makeSecret('iso', random)), undefined)
  assert.equal(table.find(''), undefined)
  assert.equal(createJoinTokens([hashSecret('join_a')]).accepts('join_a'), true)
})

test('what is longer than any secret is not even hashed', () => {
  const [longest, tooLong] = ['a'.repeat(256), 'a'.repeat(257)]
  const table = new SecretTable([longest, tooLong].map((text) => [hashSecret(text), text] as const))
  assert.equal(table.find(longest), longest)
  assert.equal(table.find(tooLong), undefined)
})

test('whoever was found last is found again, and nobody else in its place', () => {
  const keys = ['a'.repeat(31), 'b'.repeat(31), 'c'.repeat(254), 'ä'.repeat(128)]
  const table = new SecretTable(keys.map((key) => [hashSecret(key), key] as const))
  for (const key of [...keys, ...keys.toReversed()]) {
    assert.equal(table.find(key), key)
    assert.equal(table.find(key), key)
    for (const other of [key.slice(1), `${key}a`, `${key}€`, `x${key.slice(1)}`]) {
      assert.equal(table.find(other), undefined)
    }
  }
})
