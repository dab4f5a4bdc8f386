/** Three nodes and a gateway as processes: routing knows who is dead before a request fails. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { seededRandom } from '../base/index.ts'
import { MeshOfProcesses, type MeshProcess } from './mesh.fixture.ts'

/** A crash is known to all within this, at the 99th percentile, over wide-area links. */
const crashKnownMs = 8_000
const startedMs = 60_000
const healedMs = 30_000
/** It loads, measures and joins, and is a member again at once. */
const backMs = 5_000
/** What a member knows is written after this. */
const viewKeptMs = 6_000
/** What keeps requests from a node that the mesh holds for dead. */
const meshGates = ['alive', 'connected', 'unsuspected']
/** By chance alone, one of three is left out of so many once in millions of runs. */
const requests = 40

interface Rejection {
  readonly worker: string
  readonly gate: string
}

let mesh: MeshOfProcesses

before(async () => {
  mesh = await MeshOfProcesses.start(3, seededRandom(2))
})

after(async () => {
  await mesh?.stop()
})

function node(index: number): MeshProcess {
  const found = mesh.nodes[index]
  assert.ok(found)
  return found
}

async function rejections(decision: string): Promise<readonly Rejection[]> {
  const response = await fetch(`${mesh.url}/v1/decisions/${decision}`)
  const { rejections: found } = (await response.json()) as { rejections: readonly Rejection[] }
  return found
}

async function askedOf(): Promise<ReadonlySet<string>> {
  const workers = new Set<string>()
  for (let i = 0; i < requests; i += 1) workers.add((await mesh.ask()).worker)
  return workers
}

describe('a gateway’s requests', { concurrency: false }, () => {
  test('go to all nodes that are alike', async () => {
    await mesh.oneView(mesh.all, startedMs)
    assert.deepEqual(await askedOf(), new Set(mesh.nodes.map(({ id }) => id)))
  })

  test('go to no node that has halted, and to it again when it goes on', async (t) => {
    const halted = node(0)
    halted.signal('SIGSTOP')
    const knownMs = await mesh.seen(halted, 'dead', { by: [mesh.gateway], limitMs: crashKnownMs })
    t.diagnostic(`known after ${knownMs} ms`)
    assert.ok(!(await askedOf()).has(halted.id))
    const { decision } = await mesh.ask()
    const rejected = (await rejections(decision)).find(({ worker }) => worker === halted.id)
    // Where its own link has answered within the last seconds it is only suspected yet.
    assert.ok(meshGates.includes(rejected?.gate ?? ''), String(rejected?.gate))
    halted.signal('SIGCONT')
    await mesh.seen(halted, 'alive', { by: [mesh.gateway], limitMs: healedMs })
    let isAsked = false
    for (let i = 0; i < 1_000 && !isAsked; i += 1) {
      isAsked = (await mesh.ask()).worker === halted.id
    }
    assert.ok(isAsked)
  })

  test('can go to a node that was killed and started again, within seconds', async (t) => {
    const killed = node(1)
    await delay(viewKeptMs)
    killed.signal('SIGKILL')
    await killed.exit
    await mesh.seen(killed, 'dead', { by: [mesh.gateway], limitMs: crashKnownMs })
    const begunAtMs = performance.now()
    await mesh.startNode(killed)
    await mesh.seen(killed, 'alive', { by: [mesh.gateway], limitMs: backMs })
    t.diagnostic(`a member again ${Math.round(performance.now() - begunAtMs)} ms after its start`)
    // Its link was measured while it had much to do, so others may be preferred for a while.
    const { decision } = await mesh.ask()
    assert.deepEqual(await rejections(decision), [])
  })
})
