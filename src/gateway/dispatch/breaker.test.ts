/** A worker that fails several times in a row is left alone for a while, and comes back. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { ManualClock } from '../../base/index.ts'
import { IsochroneError } from '../../protocol/index.ts'
import { defaultPolicy, policyOf } from '../../routing/index.ts'
import {
  failing,
  modelOf,
  type Script,
  ScriptedEngine,
  saying,
  startGateway,
  testKey,
} from '../gateway.fixture.ts'

const body = JSON.stringify({ model: 'm', messages: [{ role: 'user', content: 'hi' }] })

/** Many probes, so that a thousand requests are sure to have some. */
const { version: _, ...values } = defaultPolicy
const curious = policyOf('curious', { ...values, explorationShare: 0.5 })

async function setUp(context: TestContext, first: Script) {
  const clock = new ManualClock()
  const gateway = await startGateway({ clock, policy: curious })
  context.after(() => gateway.gateway.close())
  let script = first
  const engine = new ScriptedEngine([modelOf('m')], (...args) => script(...args))
  gateway.gateway.addUpstream({ name: 'first', engine })
  return {
    ...{ clock, engine, decisions: gateway.decisions },
    follow: (next: Script) => {
      script = next
    },
    addSound: () => {
      const sound = new ScriptedEngine([modelOf('m')], saying(['fine']))
      gateway.gateway.addUpstream({ name: 'sound', engine: sound })
    },
    ask: async () => {
      const headers = { authorization: `Bearer ${testKey}`, 'content-type': 'application/json' }
      const url = `${gateway.url}/v1/chat/completions`
      const answer = await fetch(url, { method: 'POST', headers, body })
      await answer.text()
      const id = answer.headers.get('x-isochrone-decision') ?? ''
      const decision = gateway.decisions.all.get(id)
      return { status: answer.status, retryAfter: answer.headers.get('retry-after'), decision }
    },
    metrics: async () => (await fetch(`${gateway.url}/metrics`)).text(),
  }
}

test('after three failures it is asked no more, until its time is over', async (t) => {
  const { clock, engine, ask, addSound, follow, metrics } = await setUp(t, failing('node_failed'))
  for (let i = 0; i < 3; i += 1) assert.equal((await ask()).status, 502)
  assert.match(await metrics(), /isochrone_breakers\{state="open"\} 1\n/)
  // Alone it is asked all the same.
  assert.equal((await ask()).status, 502)
  assert.equal(engine.calls, 4)
  addSound()
  for (let i = 0; i < 40; i += 1) {
    const { status, decision } = await ask()
    assert.equal(status, 200)
    assert.equal(decision?.attempts.length, 1)
    const [rejection] = decision?.rejections ?? []
    assert.equal(rejection?.gate, 'breaker')
    assert.match(
      rejection?.actual ?? '',
      /^open until .* after 3 failures in a row, the last node_/,
    )
  }
  assert.equal(engine.calls, 4, 'with another one there, not at all')
  follow(saying(['well']))
  clock.advance(5_000)
  assert.match(await metrics(), /isochrone_breakers\{state="half-open"\} 1\n/)
  let probes = 0
  for (let i = 0; i < 1_000 && probes < 3; i += 1) {
    const { status, decision } = await ask()
    assert.equal(status, 200)
    if (decision?.decidedBy === 'probe') probes += 1
  }
  assert.equal(probes, 3)
  assert.match(await metrics(), /isochrone_breakers\{state="half-open"\} 0\n/)
  assert.match(await metrics(), /isochrone_breaker_openings_total 1\n/)
})

test('what it says by retry-after is heeded, and told where nobody else is', async (t) => {
  const full: Script = () => {
    const detail = { retryAfterMs: 20_000 }
    throw new IsochroneError('all_nodes_busy', 'too many requests', { detail })
  }
  const { clock, engine, ask, addSound, follow } = await setUp(t, full)
  const refused = await ask()
  assert.deepEqual([refused.status, refused.retryAfter], [429, '20'])
  clock.advance(5_000)
  const again = await ask()
  assert.deepEqual([again.status, again.retryAfter], [429, '15'])
  assert.equal(again.decision?.rejections[0]?.gate, 'back-off')
  assert.equal(engine.calls, 1, 'it was not asked')
  const long: Script = () => {
    const detail = { retryAfterMs: 3_600_000 }
    throw new IsochroneError('all_nodes_busy', 'too many requests', { detail })
  }
  follow(long)
  clock.advance(15_000)
  assert.equal((await ask()).retryAfter, '60', 'no longer than it is left alone')
  follow(saying(['well']))
  clock.advance(60_000)
  assert.equal((await ask()).status, 200)
  assert.equal(engine.calls, 3)
  addSound()
  assert.equal((await ask()).status, 200)
})
