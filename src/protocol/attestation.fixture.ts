/** Arbitrary attestations, for property-based tests. */
import fc from 'fast-check'
import type { Attestation } from './attestation.ts'
import { modelDigest, time } from './protocol.fixture.ts'

const name = fc.string({ maxLength: 20 })

export const attestation: fc.Arbitrary<Attestation> = fc.record({
  softwareVersion: name,
  selfCheck: fc.record({ integerExact: fc.boolean(), atMs: time }),
  models: fc.array(fc.record({ name, digest: modelDigest, runtime: name, quantisation: name }), {
    maxLength: 8,
  }),
})
