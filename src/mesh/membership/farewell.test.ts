/** Who leaves says so to each member itself, whatever gossip does with it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRandom } from '../../base/index.ts'
import { type NodeId, nodeIdOf } from '../../protocol/index.ts'
import { Membership } from './membership.ts'
import { check, seal } from './mini-network.fixture.ts'
import { near } from './presets.ts'

test('each of 63 members is told at once', () => {
  const random = seededRandom(5)
  const [self, ...others] = Array.from({ length: 64 }, () => nodeIdOf(random.bytes(32)))
  const payload = new Uint8Array(0)
  const core = new Membership(
    { self: self as NodeId, incarnation: 1, payload, preset: near },
    { random, sign: (body) => seal(body, 0), verify: (statement) => check(statement, 0) },
    0,
  )
  const news = others.map((id) =>
    seal({ kind: 'alive', subject: id, incarnation: 1, payload } as const, 0),
  )
  core.step(
    {
      kind: 'message',
      from: others[0] as NodeId,
      message: { kind: 'sync-reply', wants: [], news },
    },
    0,
  )
  const { sends } = core.step({ kind: 'leave' }, 1)
  assert.deepEqual(sends.map(({ to }) => to).sort(), others.toSorted())
  for (const { message } of sends) {
    assert.deepEqual(
      message.news.map(({ kind, subject }) => [kind, subject]),
      [['left', self]],
    )
  }
  // Who did not hear it, and compares what both hold, hears it then.
  const message = { kind: 'sync', summary: [], news: [] } as const
  const answer = core.step({ kind: 'message', from: others[0] as NodeId, message }, 2).sends[0]
  assert.deepEqual([answer?.to, answer?.message], [others[0], sends[0]?.message])
})
