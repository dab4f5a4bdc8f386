/** What routing finds of workers that go between two looks at them. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ManualClock, seededRandom } from '../../base/index.ts'
import { nodeIdOf } from '../../protocol/index.ts'
import { sampleRequest } from '../../routing/samples.fixture.ts'
import { GatewayMetrics } from '../metrics.ts'
import { fixedLink, model, policy, SightedGateway } from '../workers/foresight.fixture.ts'
import { Router } from './router.ts'

test('who was seen to be gone just now is not chosen, although nobody has looked since', () => {
  const clock = new ManualClock()
  const gateway = new SightedGateway(clock)
  const { registry } = gateway
  const id = nodeIdOf(new Uint8Array(32).fill(200))
  const link = { roundTripMs: 5, overdue: false }
  const halting = gateway.join({ id, connection: fixedLink(id, link) })
  const steady = gateway.join()
  const metrics = new GatewayMetrics({
    requestsInFlight: () => 0,
    workers: () => registry.counts(),
  })
  const modules = { clock, random: seededRandom(1), policy, registry, metrics }
  const router = new Router(modules)
  const chosen = () => router.route(sampleRequest, 'key_1').chosen
  const seen = new Set<string | null>()
  for (let i = 0; i < 20; i += 1) {
    seen.add(chosen())
    link.overdue = true
    assert.equal(chosen(), steady.id)
    link.overdue = false
    registry.changed(halting.id)
    registry.present(model, policy)
  }
  assert.ok(seen.has(halting.id), 'it is chosen while it answers')
})
