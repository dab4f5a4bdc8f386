/** Real processes: what one gateway finds out, all refuse; also one that was away meanwhile. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { joinToken } from './network.ts'
import { SeveralGateways } from './quarantine.ts'
import { misdeeds } from './wrong-node.ts'

const never = Number.POSITIVE_INFINITY
/** It starts, meets the others, and asks them. */
const backMs = 60_000
let several: SeveralGateways

before(async () => {
  several = await SeveralGateways.start()
  await several.meet()
})

after(async () => {
  await several?.stop()
})

describe('a node that answers wrongly at one gateway', { concurrency: false }, () => {
  for (const [index, misdeed] of misdeeds.entries()) {
    test(`${misdeed}: is refused by all, and asked by nobody later`, async (t) => {
      const { afterMs, later, rechecks } = await several.run(misdeed, index)
      t.diagnostic(`after ${afterMs.join(', ')} ms`)
      assert.ok(!afterMs.includes(never), afterMs.join())
      assert.equal(later, 0)
      assert.equal(rechecks, misdeed === 'other-model' ? 0 : 2)
    })
  }

  test('is refused by a gateway in another cluster as well', async () => {
    const [near, , far] = await several.clusters()
    assert.ok(near != null && far != null)
    assert.notEqual(near, far)
  })

  test('is refused by a gateway that was away when it was found out', async () => {
    const away = several.gateways[2]
    assert.ok(away !== undefined)
    const node = await several.wrongNode('other-model')
    await away.process.kill()
    await several.caught(node, 0)
    await several.startGateway(2)
    await node.join(away.mesh, joinToken)
    const refusals = await several.refusals(node, backMs)
    assert.ok(!refusals.includes(never), refusals.join())
    assert.deepEqual(
      node.visits.map(({ gateway }) => gateway),
      [several.gateways[0]?.id],
    )
    await node.leave()
  })
})
