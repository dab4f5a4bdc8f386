import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MiniNetwork, wideArea } from './mini-network.fixture.ts'
import { type Mechanisms, wan } from './presets.ts'

const everything: Mechanisms = wan.mechanisms
const lifeguard: Mechanisms = { ...everything, stallGuard: false }
const nothing: Mechanisms = {
  localHealth: false,
  dynamicSuspicion: false,
  buddy: false,
  stallGuard: false,
}

interface FalseDeaths {
  /** Of members that never stalled. */
  readonly ofHealthy: number
  /** Of any, as the members that never stalled saw it. */
  readonly atHealthy: number
}

/**
 * Nobody crashes; each tenth member stalls in bursts. In a burst it sleeps 0.5 to 8 s and runs for
 * 5 to 500 ms in turn, for a minute; then it rests for 15 s.
 */
function falseDeaths(mechanisms: Mechanisms, seed: number): FalseDeaths {
  const preset = { ...wan, mechanisms }
  const network = new MiniNetwork({ seed, count: 64, preset, delayMs: wideArea })
  network.joinAll()
  network.run(20_000)
  network.log.length = 0
  const stalling = [5, 15, 25, 35, 45, 55]
  const awakeFrom = new Map(stalling.map((index) => [index, network.nowMs]))
  const start = network.nowMs
  while (network.nowMs < start + 150_000) {
    const isBurst = (network.nowMs - start) % 75_000 < 60_000
    for (const index of stalling) {
      if (!isBurst || network.nowMs < (awakeFrom.get(index) ?? 0)) continue
      const sleepMs = 500 + network.random.float() * 7_500
      network.pause(index, sleepMs)
      const runMs = 5 + network.random.float() * 495
      awakeFrom.set(index, network.nowMs + sleepMs + runMs)
    }
    network.run(5)
  }
  let [ofHealthy, atHealthy] = [0, 0]
  for (const { event, observer } of network.log) {
    if (event.kind !== 'died') continue
    if (!stalling.includes(network.indexOf(event.id))) ofHealthy += 1
    if (!stalling.includes(observer)) atHealthy += 1
  }
  return { ofHealthy, atHealthy }
}

function total(mechanisms: Mechanisms): FalseDeaths {
  let [ofHealthy, atHealthy] = [0, 0]
  for (const seed of [1, 2]) {
    const found = falseDeaths(mechanisms, seed)
    ofHealthy += found.ofHealthy
    atHealthy += found.atHealthy
  }
  return { ofHealthy, atHealthy }
}

test('stalling members make far fewer healthy ones die with Lifeguard than without', (t) => {
  const off = total(nothing)
  const on = total(lifeguard)
  const all = total(everything)
  t.diagnostic(`deaths of healthy members: ${off.ofHealthy} without Lifeguard`)
  t.diagnostic(`with it ${on.ofHealthy}, and with the stall guard ${all.ofHealthy}`)
  t.diagnostic(`deaths of any, seen by healthy ones: ${off.atHealthy} without Lifeguard`)
  t.diagnostic(`with it ${on.atHealthy}, and with the stall guard ${all.atHealthy}`)
  assert.ok(off.ofHealthy > 0)
  assert.ok(on.ofHealthy < off.ofHealthy)
  assert.ok(all.ofHealthy * 20 <= off.ofHealthy)
})

test('in ten minutes with 1 % loss nobody dies, at 3 KB/s a member at most', (t) => {
  const network = new MiniNetwork({
    seed: 21,
    count: 64,
    preset: wan,
    delayMs: wideArea,
    loss: 0.01,
  })
  network.joinAll()
  network.run(20_000)
  network.log.length = 0
  for (const host of network.hosts) host.bytesSent = 0
  network.run(600_000)
  const perSecond = network.hosts.map(({ bytesSent }) => bytesSent / 600)
  const suspected = network.log.filter(({ event }) => event.kind === 'suspected').length
  t.diagnostic(`bytes per second sent, most: ${Math.round(Math.max(...perSecond))}`)
  t.diagnostic(`suspicions, all refuted: ${suspected}`)
  assert.ok(!network.log.some(({ event }) => event.kind === 'died'))
  assert.ok(Math.max(...perSecond) <= 3_000)
})
