/** A gateway that is given another policy: the next request follows it, by what was measured. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defaultPolicy, policyOf, type Tier } from '../routing/index.ts'
import { modelOf, ScriptedEngine, saying, startGateway, testKey } from './gateway.fixture.ts'

const { version: _, ...values } = defaultPolicy
/** More than can be measured of anybody. */
const unreachable = 1e6
/** Answers that were held up by this machine say nothing of their rate. */
const requestsMax = 50

const tier: Tier = {
  ...{ name: 'quick', models: ['m'], digests: [], runtimes: [], quantisations: [] },
  ...{ memoryBytes: 0, kvBytesPerToken: 0, classes: [] },
  rule: { tokensPerSecondMin: unreachable, promptPriceMax: null, completionPriceMax: null },
}

test('a floor is held against what was measured; a newcomer is given a trial', async (context) => {
  const { gateway, url, observations } = await startGateway()
  context.after(() => gateway.close())
  const engine = new ScriptedEngine([modelOf('m')], saying(['a', 'b', 'c', 'd']))
  gateway.addUpstream({ name: 'slow', engine })
  const ask = async () => {
    const response = await fetch(`${url}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${testKey}`, 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'm', messages: [{ role: 'user', content: 'hi' }] }),
    })
    return { status: response.status, text: await response.text() }
  }
  assert.equal((await ask()).status, 200)
  gateway.usePolicy(policyOf('strict', { ...values, tiers: [tier] }))
  const measured = () =>
    observations.all.filter(({ blame, tpotMs }) => blame !== 'gateway' && tpotMs !== null).length
  for (let i = 0; i < requestsMax && measured() < 3; i += 1) {
    assert.equal((await ask()).status, 200)
  }
  const refused = await ask()
  gateway.refusedPolicy()
  const metrics = await (await fetch(`${url}/metrics`)).text()
  for (const result of ['followed', 'refused']) {
    assert.match(metrics, new RegExp(`^isochrone_policies_total\\{result="${result}"\\} 1$`, 'm'))
  }
  assert.equal(refused.status, 503)
  assert.match(refused.text, /is as fast as its tier demands \(at least 1000000 tokens\/s, as meas/)
})
