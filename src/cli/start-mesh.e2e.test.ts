/** The mesh of a local network, as `isochrone mesh` shows it. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { runCli, StartedNetwork } from './start.fixture.ts'

/** Clusters form within half a minute; a busy machine takes longer. */
const clustersLimitMs = 90_000

let started: StartedNetwork

before(async () => {
  started = await StartedNetwork.start(['--nodes', '3'])
})

after(async () => {
  await started?.stop()
})

test('regions are far from each other, the gateway is near the node of its own', async () => {
  const { gatewayId, nodes } = started.network
  const home = nodes.find(({ region }) => region === 'eu-west')
  assert.ok(home !== undefined)
  const until = performance.now() + clustersLimitMs
  for (;;) {
    const clusters = await clustersOfMembers()
    const ofNodes = nodes.map(({ id }) => clusters.get(id) ?? null)
    // Nobody is ever with a member of another region, and near ones find each other.
    const told = ofNodes.filter((cluster) => cluster !== null)
    assert.equal(new Set(told).size, told.length)
    const isTogether = (clusters.get(home.id) ?? 'none') === clusters.get(gatewayId)
    if (isTogether && told.length === nodes.length) return
    assert.ok(performance.now() < until, 'the gateway should be in a cluster with this node')
  }
})

async function clustersOfMembers(): Promise<ReadonlyMap<string, string | null>> {
  const { folder } = started
  const { out } = await runCli(['mesh', '--json', '--data', folder], { folder })
  const found = new Map<string, string | null>()
  for (const { clusters } of JSON.parse(out).regions) {
    for (const { id, members } of clusters) for (const member of members) found.set(member.id, id)
  }
  return found
}
