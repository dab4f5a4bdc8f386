import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { seededRandom } from '../base/index.ts'
import { type NodeId, nodeIdOf } from '../protocol/index.ts'
import type { Actor, ActorInput, ActorOutputs } from './actor.ts'
import { Links } from './network/links.ts'
import { Placement } from './network/placement.ts'
import { World } from './world.ts'

type Message = 'ping' | 'pong'

/** Pings a peer every 100 ms, and answers pings. Its events are what it hears and when it wakes. */
class Pinger implements Actor<Message, string> {
  readonly #peer: NodeId | undefined
  #nextMs = 0

  constructor(peer?: NodeId) {
    this.#peer = peer
  }

  step(input: ActorInput<Message>, nowMs: number): ActorOutputs<Message, string> {
    const sends: { to: NodeId; message: Message }[] = []
    const events: string[] = []
    if (input.kind === 'message') {
      events.push(input.message)
      if (input.message === 'ping') sends.push({ to: input.from, message: 'pong' })
    } else {
      events.push('tick')
      if (this.#peer !== undefined) sends.push({ to: this.#peer, message: 'ping' })
      this.#nextMs = nowMs + 100
    }
    return { sends, events, wakeAtMs: this.#peer === undefined ? Infinity : this.#nextMs }
  }
}

interface Network {
  readonly world: World<Message, string>
  readonly log: string[]
  heard(host: number, event: string): number
}

/** Two sites 40 ms apart, there and back; host 0 pings host 1. */
function pair(options: { loss?: number; jitterShare?: number; seed?: number } = {}): Network {
  const { loss = 0, jitterShare = 0, seed = 1 } = options
  const matrix = { sites: 2, roundTripsMs: Float32Array.of(0, 40, 40, 0), notes: [] }
  const placement = new Placement(matrix, 2, seededRandom(seed))
  const random = seededRandom(seed)
  const ids = [0, 1].map(() => nodeIdOf(random.bytes(32)))
  const log: string[] = []
  const world = new World<Message, string>({
    ids,
    links: new Links({ seed, loss, jitterShare }, placement),
    bytesOf: (message) => message.length,
    onEvent: (host, event, nowMs) => log.push(`${nowMs.toFixed(3)} ${host} ${event}`),
  })
  world.start(0, new Pinger(ids[1]))
  world.start(1, new Pinger())
  const heard = (host: number, event: string) =>
    log.filter((line) => line.endsWith(` ${host} ${event}`)).length
  return { world, log, heard }
}

function arrivalsMs({ log }: Network, host: number, event: string): number[] {
  return log.filter((line) => line.endsWith(` ${host} ${event}`)).map(Number.parseFloat)
}

describe('the simulated world', () => {
  it('delivers after half the round trip, and a little jitter', () => {
    const network = pair()
    network.world.run(950)
    const pings = arrivalsMs(network, 1, 'ping')
    assert.equal(pings.length, 10)
    for (const [index, atMs] of pings.entries()) {
      const wayMs = atMs - 100 * index
      assert.ok(wayMs >= 20 && wayMs < 21, `${wayMs} ms`)
    }
    assert.equal(network.heard(0, 'pong'), 10)
  })

  it('gives the same run for the same seed, and another for another', () => {
    const run = (seed: number) => {
      const network = pair({ seed, loss: 0.1, jitterShare: 0.2 })
      network.world.run(20_000)
      return network.log
    }
    assert.deepEqual(run(3), run(3))
    assert.notDeepEqual(run(3), run(4))
  })

  it('gives the same run however it is cut into pieces', () => {
    const whole = pair({ loss: 0.1, jitterShare: 0.2 })
    whole.world.run(5_000)
    const pieces = pair({ loss: 0.1, jitterShare: 0.2 })
    for (let untilMs = 0; untilMs <= 5_000; untilMs += 12.5) pieces.world.run(untilMs)
    assert.deepEqual(pieces.log, whole.log)
  })

  it('loses the share of messages that it is told to', () => {
    const network = pair({ loss: 0.2 })
    network.world.run(200_000)
    const share = 1 - network.heard(1, 'ping') / network.heard(0, 'tick')
    assert.ok(Math.abs(share - 0.2) < 0.03, `${share}`)
  })

  it('a paused host hears all when it resumes, after its timers', () => {
    const network = pair()
    network.world.run(150)
    network.world.pause(1, 1_000)
    network.world.run(1_000)
    assert.equal(network.heard(1, 'ping'), 2)
    network.world.run(1_151)
    assert.equal(network.heard(1, 'ping'), 12)
    const late = arrivalsMs(network, 1, 'ping').filter((atMs) => atMs === 1_150)
    assert.equal(late.length, 10)
  })

  it('a paused host wakes late, once', () => {
    const network = pair()
    network.world.run(150)
    network.world.pause(0, 1_000)
    network.world.run(1_200)
    const ticks = arrivalsMs(network, 0, 'tick')
    assert.deepEqual(ticks, [0, 100, 1_150])
  })

  it('a crashed host hears nothing, nor what was sent to its earlier life', () => {
    const network = pair()
    network.world.run(205) // the third ping is under way
    network.world.crash(1)
    network.world.start(1, new Pinger())
    network.world.run(290)
    assert.equal(network.heard(1, 'ping'), 2)
    network.world.run(390)
    assert.equal(network.heard(1, 'ping'), 3)
    network.world.crash(1)
    network.world.run(1_000)
    assert.equal(network.heard(1, 'ping'), 3)
    assert.equal(network.world.isUp(1), false)
  })

  it('parted hosts hear nothing of each other until they are together again', () => {
    const network = pair()
    network.world.at(205, () => network.world.part((host) => host))
    network.world.at(605, () => network.world.part(() => 0))
    network.world.run(950)
    const pings = arrivalsMs(network, 1, 'ping').map((atMs) => Math.floor(atMs / 100))
    assert.deepEqual(pings, [0, 1, 7, 8, 9])
  })

  it('counts messages to nobody', () => {
    const network = pair()
    const stranger = nodeIdOf(seededRandom(99).bytes(32))
    network.world.crash(1)
    network.world.start(1, new Pinger(stranger))
    network.world.run(450)
    assert.equal(network.world.strangers, 5)
  })

  it('does not wait for ever for a host that never lets time go on', () => {
    const network = pair()
    network.world.crash(1)
    network.world.start(1, { step: (_, nowMs) => ({ sends: [], events: [], wakeAtMs: nowMs }) })
    assert.throws(() => network.world.run(10), /host 1 asks at 0 ms to be woken at once/)
  })
})
