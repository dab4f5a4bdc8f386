/**
 * Twelve nodes and a gateway as processes, each behind a relay that misbehaves: who is alive is
 * known to all, within the protocol's bounds.
 */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { seededRandom } from '../base/index.ts'
import { MeshOfProcesses, type MeshProcess } from './mesh.fixture.ts'

/** A crash is known to all within this, at the 99th percentile, over wide-area links. */
const crashKnownMs = 8_000
/** One view again after what was cut off comes back. */
const healedMs = 30_000
/** Some 23 s on a quiet machine. On a busy one members measure that they are too far, and wait. */
const startedMs = 180_000
/** While views settle: four times what members tell each other from their second minute on. */
const bytesPerSecondMax = 6_000
const measuredMs = 10_000
/** Until clusters have formed, members have far more to say. */
const placedMs = 20_000

let mesh: MeshOfProcesses

before(async () => {
  mesh = await MeshOfProcesses.start(12, seededRandom(1))
})

after(async () => {
  await mesh?.stop()
})

function node(index: number): MeshProcess {
  const found = mesh.nodes[index]
  assert.ok(found)
  return found
}

function running(): readonly MeshProcess[] {
  return mesh.all.filter(({ isRunning }) => isRunning)
}

/** Every death that anybody has held for true. */
function deaths(): readonly string[] {
  return mesh.all.flatMap((one) => one.deaths)
}

describe('twelve nodes behind faulty links', { concurrency: false }, () => {
  test('come to know each other through their gateway', async (t) => {
    t.diagnostic(`one view after ${await mesh.oneView(mesh.all, startedMs)} ms`)
  })

  test('hold nobody for dead whose link delays, throttles, stalls or breaks', async () => {
    for (const [i, { relay }] of mesh.all.entries()) relay.set({ delayMs: 5 * i, jitterMs: 20 })
    node(1).relay.set({ delayMs: 40, bytesPerSecond: 16 * 1024 })
    await delay(3_000)
    for (let round = 0; round < 3; round += 1) {
      node(2).relay.cut()
      node(3).relay.stall()
      await delay(3_000)
      node(3).relay.resume()
      await delay(1_000)
    }
    await mesh.oneView(mesh.all, healedMs)
    assert.deepEqual(deaths(), [])
  })

  test('know of a crash', async (t) => {
    const crashed = node(11)
    crashed.signal('SIGKILL')
    await crashed.exit
    const by = running()
    const tookMs = await mesh.seen(crashed, 'dead', { by, limitMs: crashKnownMs })
    t.diagnostic(`known to all after ${tookMs} ms`)
  })

  test('know who has halted, and that it is back', async (t) => {
    const halted = node(10)
    halted.signal('SIGSTOP')
    const by = running().filter((one) => one !== halted)
    const deadMs = await mesh.seen(halted, 'dead', { by, limitMs: crashKnownMs })
    await delay(5_000)
    halted.signal('SIGCONT')
    const backMs = await mesh.oneView(running(), healedMs)
    t.diagnostic(`known to all after ${deadMs} ms, and that it is back after ${backMs} ms`)
    assert.deepEqual(new Set(deaths()), new Set([node(11).id, halted.id]))
  })

  test('tell each other little once they are placed', async (t) => {
    await delay(placedMs)
    const before = mesh.nodes.map(({ relay }) => relay.bytes)
    await delay(measuredMs)
    const sent = mesh.nodes.map(({ relay }, i) => relay.bytes - (before[i] ?? 0))
    const total = sent.reduce((sum, bytes) => sum + bytes, 0)
    const perSecond = total / mesh.nodes.length / (measuredMs / 1_000)
    t.diagnostic(`${Math.round(perSecond)} bytes per node and second, TLS included`)
    assert.ok(perSecond <= bytesPerSecondMax)
  })

  test('go on without the gateway, and one that starts again finds them by itself', async (t) => {
    mesh.gateway.signal('SIGKILL')
    await mesh.gateway.exit
    const by = running()
    const tookMs = await mesh.seen(mesh.gateway, 'dead', { by, limitMs: crashKnownMs })
    const again = node(11)
    // It prints nothing before it has joined a gateway.
    again.start(mesh.folder).catch(() => {})
    const all = [...by, again]
    const backMs = await mesh.oneView(all, healedMs)
    t.diagnostic(`known to all after ${tookMs} ms; the node is back after ${backMs} ms`)
  })

  test('know who leaves', async (t) => {
    const leaver = node(9)
    const by = running().filter((one) => one !== leaver)
    leaver.signal('SIGTERM')
    const tookMs = await mesh.seen(leaver, 'left', { by, limitMs: crashKnownMs })
    t.diagnostic(`known to all after ${tookMs} ms`)
    await leaver.exit
  })
})
