/** For tests: what gateways tell each other. */
import fc from 'fast-check'
import type { Experience } from './experience.ts'
import type { NoticeMessage } from './notices.ts'
import { bytes, nodeId, text, time } from './protocol.fixture.ts'

export const noticeMessage: fc.Arbitrary<NoticeMessage> = fc.record({
  told: fc.array(fc.record({ text, signature: bytes(64) }), { maxLength: 3 }),
  held: fc.array(
    bytes(8).map((mark) => Buffer.from(mark).toString('hex')),
    { maxLength: 4 },
  ),
  asks: fc.boolean(),
  experience: fc.option(fc.record({ bytes: bytes(40), signature: bytes(64) })),
})

const count = fc.float({ min: 0, max: 1_000, noNaN: true }).map((value) => value + 0)

export const experience: fc.Arbitrary<Experience> = fc.record({
  gateway: nodeId,
  issuedAtMs: time,
  rows: fc.array(
    fc.record(
      { node: nodeId, model: text, right: count, failed: count },
      { noNullPrototype: true },
    ),
    { maxLength: 5 },
  ),
})
