import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { seededRandom } from '../../base/index.ts'
import { nodeIdOf } from '../../protocol/index.ts'
import {
  type Coordinate,
  coordinateLimits,
  decodeCoordinate,
  encodeCoordinate,
  isPlausible,
  lengthMs,
  origin,
  predictMs,
} from './coordinate.ts'
import { CoordinateNetwork, planeWithHeights, quantile } from './coordinates.fixture.ts'
import { Coordinates } from './coordinates.ts'

const count = 60
const roundTripMs = planeWithHeights(count, 11)

/** Far away, and sure of it. */
const lie: Coordinate = {
  position: [2_000, -2_000, 0, 1_000, 0, 0, 0, 0],
  heightMs: 0,
  adjustmentMs: 0,
  error: 0,
}

const random = seededRandom(5)
const [self, peer, third] = [0, 1, 2].map(() => nodeIdOf(random.bytes(32)))
const alone = () => {
  assert.ok(self !== undefined)
  return new Coordinates({ self }, { random: seededRandom(1) }, 0)
}

describe('coordinates', () => {
  it('come to predict what was never measured', () => {
    for (const seed of [1, 2, 3]) {
      const network = new CoordinateNetwork(count, roundTripMs, { seed })
      network.run(60)
      const errors = network.errors()
      assert.ok(quantile(errors, 0.5) < 0.04, `seed ${seed}: ${quantile(errors, 0.5)}`)
      assert.ok(quantile(errors, 0.9) < 0.15, `seed ${seed}: ${quantile(errors, 0.9)}`)
    }
  })

  it('are the same for the same seed', () => {
    const [one, other] = [0, 1].map(() => {
      const network = new CoordinateNetwork(20, roundTripMs, { seed: 4 })
      network.run(20)
      return network.nodes.map(({ own }) => own)
    })
    assert.deepEqual(one, other)
  })

  it('find the heights of a star, whose ways all lead through one point', () => {
    const network = new CoordinateNetwork(30, (one, other) => 20 + one + other)
    network.run(90)
    assert.ok(quantile(network.errors(), 0.5) < 0.05)
  })

  it('hold although a fifth of the peers lie about theirs', () => {
    const honest = (index: number) => index % 5 !== 0
    const network = new CoordinateNetwork(count, roundTripMs)
    for (const index of network.nodes.keys()) if (!honest(index)) network.lies.set(index, lie)
    network.run(120)
    assert.ok(quantile(network.errors(honest), 0.5) < 0.1)
  })

  it('do not follow the liars who agree on one far place', () => {
    const honest = (index: number) => index % 5 !== 0
    const network = new CoordinateNetwork(count, roundTripMs)
    network.run(60)
    for (const index of network.nodes.keys()) if (!honest(index)) network.lies.set(index, lie)
    network.run(120)
    const farthest = Math.max(
      ...network.nodes.filter((_, index) => honest(index)).map(({ own }) => lengthMs(own.position)),
    )
    assert.ok(farthest < 300, `${farthest} ms`)
    assert.ok(quantile(network.errors(honest), 0.5) < 0.03)
  })

  it('come back together when all have drifted off', () => {
    const restored = { ...origin, position: [2_000, 0, 0, 0, 0, 0, 0, 0], error: 0.1 }
    const network = new CoordinateNetwork(20, roundTripMs, { restored })
    network.run(300)
    const nearest = Math.min(...network.nodes.map(({ own }) => lengthMs(own.position)))
    assert.ok(nearest < 1_400, `${nearest} ms`)
    assert.ok(quantile(network.errors(), 0.5) < 0.05)
  })

  it('own to knowing little until many peers were measured', () => {
    const network = new CoordinateNetwork(count, roundTripMs)
    network.run(1)
    const early = network.nodes.map(({ own }) => own.error)
    assert.ok(Math.min(...early) > 0.5)
    network.run(119)
    const late = network.nodes.map(({ own }) => own.error)
    assert.ok(Math.max(...late) < 0.2)
  })

  it('hold although one path stalls now and then', () => {
    const stalls = seededRandom(8)
    const stalled = (one: number, other: number) =>
      roundTripMs(one, other) * (stalls.below(25) === 0 ? 20 : 1)
    const network = new CoordinateNetwork(count, stalled)
    network.run(120)
    assert.ok(quantile(network.errors(), 0.5) < 0.08)
  })

  it('place a newcomer among the settled, who do not move for it', () => {
    const network = new CoordinateNetwork(count, roundTripMs)
    const last = count - 1
    network.run(120, (index) => index !== last)
    const before = network.nodes.map(({ own }) => own)
    network.run(15)
    const errors = Array.from({ length: last }, (_, index) => network.error(index, last))
    assert.ok(
      quantile(
        errors.sort((a, b) => a - b),
        0.5,
      ) < 0.1,
    )
    const moves = before.slice(0, last).map((was, index) => {
      const { position } = network.coordinateOf(index)
      return Math.hypot(...position.map((value, axis) => value - (was.position[axis] as number)))
    })
    assert.ok(
      quantile(
        moves.sort((a, b) => a - b),
        0.5,
      ) < 5,
    )
  })

  it('refuse absurd values, and stay where they are', () => {
    const node = alone()
    assert.ok(peer !== undefined && self !== undefined)
    const coordinate = origin
    const faults = [Number.NaN, -1, Number.POSITIVE_INFINITY, 1e9].map((ms) =>
      node.observe({ peer, roundTripMs: ms, coordinate }, 0),
    )
    assert.deepEqual(new Set(faults), new Set(['implausible-round-trip']))
    const beyond = { ...origin, position: [1e9, 0, 0, 0, 0, 0, 0, 0] }
    const absurd = { peer, roundTripMs: 5, coordinate: beyond }
    assert.equal(node.observe(absurd, 0), 'implausible-coordinate')
    assert.equal(node.hear(peer, beyond, 0), 'implausible-coordinate')
    assert.equal(node.observe({ peer: self, roundTripMs: 5, coordinate }, 0), 'own')
    assert.equal(node.own, origin)
  })

  it('leave a liar who was the first to be met', () => {
    const node = alone()
    const liar = nodeIdOf(random.bytes(32))
    node.observe({ peer: liar, roundTripMs: 40, coordinate: lie }, 0)
    assert.ok(lengthMs(node.own.position) > 2_000)
    for (let i = 1; i < 40; i += 1) {
      const honest = { ...origin, position: [i * 2, 0, 0, 0, 0, 0, 0, 0], error: 0.1 }
      const id = nodeIdOf(random.bytes(32))
      node.observe({ peer: id, roundTripMs: 40, coordinate: honest }, i * 1_000)
    }
    assert.ok(lengthMs(node.own.position) < 200)
  })

  it('believe what was heard lately more than what was heard long ago', () => {
    const node = alone()
    assert.ok(peer !== undefined && third !== undefined)
    const left = { ...origin, position: [-100, 0, 0, 0, 0, 0, 0, 0], error: 0.1 }
    const right = { ...left, position: [100, 0, 0, 0, 0, 0, 0, 0] }
    node.observe({ peer, roundTripMs: 10, coordinate: left }, 0)
    for (let i = 0; i < 10; i += 1) {
      node.observe({ peer: third, roundTripMs: 10, coordinate: right }, 100_000 + i)
    }
    assert.ok(predictMs(node.own, right) < predictMs(node.own, left) / 2)
  })

  it('propose to measure who was heard of', () => {
    const node = alone()
    assert.ok(peer !== undefined && self !== undefined)
    assert.equal(node.probeTarget(undefined), undefined)
    assert.equal(node.probeTarget(self), undefined)
    node.hear(peer, origin, 0)
    assert.equal(node.probeTarget(undefined), peer)
    node.forget(peer)
    assert.equal(node.probeTarget(undefined), undefined)
  })

  it('can be told to others whatever was said to them', () => {
    const { distanceMsMax, heightMsMax } = coordinateLimits
    const far = { ...origin, position: [distanceMsMax, 0, 0, 0, 0, 0, 0, 0] }
    for (const coordinate of [origin, far, { ...far, heightMs: heightMsMax }]) {
      const node = alone()
      for (let i = 0; i < 50; i += 1) {
        const id = nodeIdOf(random.bytes(32))
        node.observe({ peer: id, roundTripMs: 10_000, coordinate }, i * 1_000)
        assert.ok(isPlausible(node.own))
        assert.ok(decodeCoordinate(encodeCoordinate(node.own)) !== undefined)
      }
    }
  })

  it('begin where an earlier life ended, if that can be', () => {
    assert.ok(self !== undefined)
    const place = { ...lie, error: 0.1 }
    const modules = { random: seededRandom(1) }
    assert.deepEqual(new Coordinates({ self, restored: place }, modules, 0).own, place)
    const absurd = { ...place, heightMs: Number.NaN }
    assert.equal(new Coordinates({ self, restored: absurd }, modules, 0).own, origin)
  })

  it('are told anew only when they have moved enough to matter', () => {
    const node = alone()
    assert.ok(peer !== undefined && third !== undefined)
    const there = { ...origin, error: 0.1 }
    node.observe({ peer, roundTripMs: 20, coordinate: there }, 0)
    const told = node.published
    assert.ok(Math.abs(predictMs(told, there) - 20) < 2)
    for (let i = 1; i < 10; i += 1) {
      node.observe({ peer, roundTripMs: 20 + (i % 2) / 10, coordinate: there }, i * 1_000)
    }
    assert.equal(node.published, told)
    for (let i = 10; i < 20; i += 1) {
      node.observe({ peer, roundTripMs: 60, coordinate: there }, i * 1_000)
    }
    assert.notEqual(node.published, told)
  })

  it('take one move for many samples where that is asked for', () => {
    assert.ok(self !== undefined && peer !== undefined && third !== undefined)
    const options = { self, settleIntervalMs: 1_000 }
    const node = new Coordinates(options, { random: seededRandom(1) }, 0)
    node.observe({ peer, roundTripMs: 20, coordinate: origin }, 0)
    const first = node.own
    node.observe({ peer: third, roundTripMs: 50, coordinate: origin }, 999)
    assert.equal(node.own, first)
    node.observe({ peer: third, roundTripMs: 50, coordinate: origin }, 1_000)
    assert.notEqual(node.own, first)
  })
})
