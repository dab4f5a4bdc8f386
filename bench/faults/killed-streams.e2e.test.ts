/** Real processes: a stream's node is killed or halted at a random token; no client can tell. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { seededRandom } from '../../src/base/index.ts'
import { KilledStreams } from './killed-stream.ts'
import { FaultyNetwork } from './network.ts'

const seed = Number(process.env['ISOCHRONE_TEST_SEED'] ?? 1)
const kills = 20
const halts = 3
let network: FaultyNetwork

before(async () => {
  network = await FaultyNetwork.start(3)
})

after(async () => {
  await network?.stop()
})

test(`${kills} streams whose node is killed are what undisturbed ones are`, async (context) => {
  context.diagnostic(`kills by seed ${seed}`)
  const streams = new KilledStreams(network, seededRandom(seed))
  for (let i = 0; i < kills; i += 1) {
    const { kind, killedAt, completed, difference } = await streams.run()
    assert.ok(completed, `${kind}, killed at ${killedAt}: it did not end as a stream ends`)
    assert.equal(difference?.[0], difference?.[1], `${kind}, killed at ${killedAt}`)
  }
})

test('a halted node is not waited for, nor heard when it comes back', async (context) => {
  context.diagnostic(`halts by seed ${seed}`)
  const streams = new KilledStreams(network, seededRandom(seed), 'halt')
  for (let i = 0; i < halts; i += 1) {
    const { kind, killedAt, completed, difference } = await streams.run()
    assert.ok(completed, `${kind}, halted at ${killedAt}: it did not end as a stream ends`)
    assert.equal(difference?.[0], difference?.[1], `${kind}, halted at ${killedAt}`)
  }
})
