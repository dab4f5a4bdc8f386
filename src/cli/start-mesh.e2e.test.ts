/** A local network: its processes as `start` tells them, its mesh as `isochrone mesh` shows it. */
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

test('the process of each node is told, so that one can be killed', () => {
  for (const { name, pid } of started.network.nodes) {
    const line = started.notes.find((note) => note.includes(` ${name} `)) ?? ''
    assert.ok(pid !== null && line.endsWith(`, pid ${pid}`), line)
  }
})

test('regions are far from each other, the gateway is near the node of its own', async () => {
  const { gatewayId, nodes } = started.network
  const home = nodes.find(({ region }) => region === 'eu-west')
  assert.ok(home !== undefined)
  const until = performance.now() + clustersLimitMs
  for (;;) {
    const { clusters, regions } = await membersShown()
    assert.equal(regions.get(gatewayId), 'eu-west')
    const ofNodes = nodes.map(({ id }) => clusters.get(id) ?? null)
    // Nobody is ever with a member of another region, and near ones find each other.
    const told = ofNodes.filter((cluster) => cluster !== null)
    assert.equal(new Set(told).size, told.length)
    const isTogether = (clusters.get(home.id) ?? 'none') === clusters.get(gatewayId)
    if (isTogether && told.length === nodes.length) return
    assert.ok(performance.now() < until, 'the gateway should be in a cluster with this node')
  }
})

async function membersShown() {
  const { folder } = started
  const { out } = await runCli(['mesh', '--json', '--data', folder], { folder })
  const clusters = new Map<string, string | null>()
  const regions = new Map<string, string>()
  for (const region of JSON.parse(out).regions) {
    for (const cluster of region.clusters) {
      for (const member of cluster.members) {
        clusters.set(member.id, cluster.id)
        regions.set(member.id, member.region)
      }
    }
  }
  return { clusters, regions }
}
