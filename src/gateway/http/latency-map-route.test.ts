import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Validator } from '../../base/index.ts'
import { berlinCell, tokyoCell, WatchedGateway } from '../workers/latency-watch.fixture.ts'
import type { LatencyWatch } from '../workers/latency-watch.ts'
import type { Client } from './client.ts'
import { latencyMapRoute } from './latency-map-route.ts'
import { latencyMapAnswer } from './latency-map-schemas.ts'

const link = { roundTripMs: 240, roundTripMinMs: 235, jitterMs: 5, loss: 0.02, samples: 20 }

function get(watch: LatencyWatch, query = ''): Record<string, unknown> {
  let body = ''
  const client = {
    url: `/v1/latency-map${query}`,
    send: (_status: number, _type: string, text: string) => {
      body = text
    },
  } as Partial<Client> as Client
  latencyMapRoute(watch).handle(client, undefined)
  const answer: unknown = JSON.parse(body)
  assert.deepEqual(new Validator(latencyMapAnswer).faults(answer), [])
  return answer as Record<string, unknown>
}

test('the map is told as its schema says: pairs, model, locations', async () => {
  const gateway = new WatchedGateway(berlinCell)
  const liar = gateway.join(tokyoCell, { ...link, roundTripMs: 5, roundTripMinMs: 4 })
  gateway.join(tokyoCell, link)
  gateway.watch.start()
  await gateway.pass(60_000)
  const answer = get(gateway.watch)
  assert.equal((answer['pairs'] as unknown[]).length, 1)
  assert.equal(answer['estimate'], null)
  const [first] = answer['locations'] as { id: string; location: { status: string } }[]
  assert.deepEqual([first?.id, first?.location.status], [liar.id, 'disputed'])
  assert.equal((get(gateway.watch, '?limit=0')['pairs'] as unknown[]).length, 0)
})

test('what to expect between two cells is told, of any two', async () => {
  const gateway = new WatchedGateway(berlinCell)
  gateway.join(tokyoCell, link)
  gateway.watch.start()
  await gateway.pass(60_000)
  const { estimate } = get(gateway.watch, `?from=${tokyoCell}&to=${berlinCell}`)
  assert.equal((estimate as { source: string }).source, 'measured')
  for (const query of ['?from=x&to=y', `?from=${berlinCell}`, `?to=${berlinCell}`, '?limit=all']) {
    assert.throws(() => get(gateway.watch, query), { code: 'invalid_request' }, query)
  }
  const long = `?from=${'8'.repeat(100)}&to=${berlinCell}`
  assert.throws(() => get(gateway.watch, long), { code: 'invalid_request' })
})

test('a gateway without a location has no map and says so', () => {
  const answer = get(new WatchedGateway('').watch, `?from=${berlinCell}&to=${tokyoCell}`)
  assert.deepEqual([answer['cell'], answer['model'], answer['estimate']], [null, null, null])
})
