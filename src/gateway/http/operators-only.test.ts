import assert from 'node:assert/strict'
import { test } from 'node:test'
import { operatorsOnly } from './operators-only.ts'

test('who is no operator is told how a key is made, where that is at this machine', () => {
  const { code, message } = operatorsOnly('Not for all.', {})
  assert.equal(code, 'permission_denied')
  assert.equal(message, 'Not for all. Whoever runs this gateway can make one.')
  const here = operatorsOnly('Not for all.', { keyCommand: 'isochrone keys create --data d' })
  assert.match(here.message, / made with: isochrone keys create --data d --operator$/)
})
