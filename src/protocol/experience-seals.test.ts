import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { openExperience, sealExperience } from './experience-seals.ts'
import { experience } from './notices.fixture.ts'
import * as fixture from './protocol.fixture.ts'

const [gateway, other] = fixture.identities
assert.ok(gateway !== undefined && other !== undefined)

test('what a gateway has seen is its word, in its network, unchanged', () => {
  fc.assert(
    fc.property(experience, fc.nat(2_000), (said, at) => {
      const own = { ...said, gateway: gateway.id }
      const sealed = sealExperience(gateway, 'net', own)
      const by = { gateway: gateway.id, network: 'net' }
      assert.deepEqual(openExperience(sealed, by), own)
      assert.equal(openExperience(sealed, { ...by, network: 'other' }), undefined)
      assert.equal(openExperience(sealed, { ...by, gateway: other.id }), undefined)
      const bytes = sealed.bytes.slice()
      bytes[at % bytes.length] = (bytes[at % bytes.length] ?? 0) ^ 1
      assert.equal(openExperience({ ...sealed, bytes }, by), undefined)
      // Its own signature over what another is to have said.
      const forged = sealExperience(gateway, 'net', { ...said, gateway: other.id })
      assert.equal(openExperience(forged, by), undefined)
    }),
    { numRuns: 30 },
  )
})
