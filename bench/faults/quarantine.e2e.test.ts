/** Real processes: what one gateway finds out, all refuse; also one that was away meanwhile. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { joinToken } from './network.ts'
import { SeveralGateways } from './quarantine.ts'
import { misdeeds, type WrongNode, wrongNodePrice } from './wrong-node.ts'

const never = Number.POSITIVE_INFINITY
/** It starts, meets the others, and asks them. */
const backMs = 60_000
let several: SeveralGateways

interface IncidentView {
  readonly id: string
  readonly cause: string
  readonly subject: { readonly worker?: string }
}

interface AccountView {
  readonly owed_nano_dollars: number
  readonly held_nano_dollars: number
  readonly voids: number
  readonly entries: readonly { readonly state: string }[]
}

/** Of the first gateway, with its operator's key. */
async function read(path: string, key: string, init: RequestInit = {}) {
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' }
  const response = await fetch(`${several.gateways[0]?.url}${path}`, { headers, ...init })
  assert.equal(response.status, 200)
  return (await response.json()) as Readonly<Record<string, unknown>>
}

async function accountOf(node: WrongNode, key: string): Promise<AccountView> {
  return (await read(`/v1/accounts/${node.id}`, key)) as Partial<AccountView> as AccountView
}

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

  test('bills falsely: its earnings are held over a kill -9, until it is cleared', async (t) => {
    const key = await several.operatorKey(0)
    const node = await several.wrongNode('false-bill')
    for (let i = 0; i < 3; i += 1) assert.equal(await several.askWrong(0), 200)
    const earned = 3 * 2 * (wrongNodePrice / 1_000)
    const before = await accountOf(node, key)
    assert.deepEqual([before.owed_nano_dollars, before.voids], [earned, 0])

    node.billedTokens = 5_000
    const visits = node.visits.length
    assert.equal(await several.askWrong(0), 200)
    const refusals = await several.refusals(node)
    assert.ok(!refusals.includes(never), refusals.join())
    const afterMs = Math.max(...refusals) - (node.visits[visits]?.answeredAtMs ?? 0)
    t.diagnostic(`after ${afterMs} ms`)
    for (const index of several.gateways.keys()) {
      for (let i = 0; i < 5; i += 1) await several.ask(index)
    }
    assert.equal(node.visits.length, visits + 1)
    const held = await accountOf(node, key)
    assert.deepEqual([held.owed_nano_dollars, held.held_nano_dollars], [0, earned])
    assert.equal(held.voids, 1)

    await several.gateways[0]?.process.kill()
    await several.startGateway(0)
    assert.deepEqual(await accountOf(node, key), held)
    const { data } = await read('/v1/incidents', key)
    const incident = (data as readonly IncidentView[]).find(
      ({ subject }) => subject.worker === node.id,
    )
    assert.equal(incident?.cause, 'settlement-mismatch')
    const body = JSON.stringify({ decision: 'lift', reason: 'a faulty build, replaced' })
    await read(`/v1/incidents/${incident?.id}/decision`, key, { method: 'POST', body })
    const cleared = await accountOf(node, key)
    assert.deepEqual([cleared.owed_nano_dollars, cleared.held_nano_dollars], [earned, 0])
    assert.deepEqual(
      cleared.entries.map(({ state }) => state),
      ['void', 'owed', 'owed', 'owed'],
    )
    await node.leave()
  })

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
