import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { seededRandom } from '../../base/index.ts'
import { chainWalk, loadTopsBytes, nodeIdOf } from '../../protocol/index.ts'
import { type ChainWalk, KnownChains, OwnChains } from './load-chains.ts'
import { countUnitFor, figuresOf, levelsOf } from './load-scale.ts'
import { simulatedSeals } from './seals.ts'

const node = nodeIdOf(new Uint8Array(32).fill(9))
const seeds = seededRandom(1).bytes(loadTopsBytes)
const walks: readonly [string, ChainWalk][] = [
  ['SHA-256', chainWalk],
  ['the simulation’s', simulatedSeals(node).walk],
]

function made(walk: ChainWalk, ticksMax = 40): { own: OwnChains; known: () => KnownChains } {
  const own = new OwnChains({ node, sequence: 7, ticksMax, seeds }, walk)
  return { own, known: () => new KnownChains(node, 7, own.tops) }
}

const levels = fc.nat(0xfff)

for (const [name, walk] of walks) {
  test(`what a node shows is known again, with any levels and any gaps (${name})`, () => {
    const { own, known } = made(walk)
    const said = fc.uniqueArray(fc.integer({ min: 1, max: 40 }), { minLength: 1 })
    fc.assert(
      fc.property(said, fc.infiniteStream(levels), (ticks, stream) => {
        const chains = known()
        for (const tick of ticks.sort((a, b) => a - b)) {
          const now = stream.next().value ?? 0
          const proof = own.proof(tick, now)
          assert.ok(chains.take({ tick, levels: now, proof }, walk))
          assert.equal(chains.last?.proof, proof)
        }
      }),
      { numRuns: 50 },
    )
  })
}

test('a coordinator that knows all earlier ticks cannot say other levels or a later tick', () => {
  const { own, known } = made(chainWalk)
  fc.assert(
    fc.property(
      fc.integer({ min: 2, max: 39 }),
      levels,
      levels,
      fc.nat(2),
      (tick, truth, lie, figure) => {
        const mask = 15 << (figure * 4)
        const changed = (truth & ~mask) | (lie & mask)
        // All that the node has shown of the lie's chains is for the tick before.
        const before = own.proof(tick - 1, changed)
        const now = own.proof(tick, truth)
        const mixed = now.slice()
        mixed.set(before.subarray(figure * 16, figure * 16 + 16), figure * 16)
        const chains = known()
        assert.ok(chains.take({ tick: tick - 1, levels: changed, proof: before }, chainWalk))
        if (changed !== truth) {
          assert.ok(!chains.take({ tick, levels: changed, proof: now }, chainWalk))
          assert.ok(!chains.take({ tick, levels: changed, proof: mixed }, chainWalk))
        }
        assert.ok(!chains.take({ tick: tick + 1, levels: truth, proof: now }, chainWalk))
        // A failed try has spoilt nothing.
        assert.ok(chains.take({ tick, levels: truth, proof: now }, chainWalk))
      },
    ),
    { numRuns: 100 },
  )
})

test('chains of another node or anchor do not serve', () => {
  const { own } = made(chainWalk)
  const proof = own.proof(3, 0x123)
  const other = nodeIdOf(new Uint8Array(32).fill(8))
  const said = { tick: 3, levels: 0x123, proof }
  assert.ok(new KnownChains(node, 7, own.tops).take(said, chainWalk))
  assert.ok(!new KnownChains(other, 7, own.tops).take(said, chainWalk))
  assert.ok(!new KnownChains(node, 8, own.tops).take(said, chainWalk))
})

test('checking costs a few hashes a tick, whatever the load does', (t) => {
  let hashes = 0
  const counted: ChainWalk = (bytes, at, way) => {
    hashes += way.places
    chainWalk(bytes, at, way)
  }
  const { own, known } = made(chainWalk, 120)
  const random = seededRandom(5)
  const loads: readonly [string, (tick: number) => number, number][] = [
    ['the same', () => 0x345, 3],
    // Wanders by one level.
    ['steady', () => (8 + random.below(3)) | ((3 + random.below(3)) << 4) | 0x500, 8],
    ['wild', () => random.below(0x1000), 45],
  ]
  for (const [name, levelsAt, most] of loads) {
    hashes = 0
    const chains = known()
    for (let tick = 1; tick <= 120; tick += 1) {
      const now = levelsAt(tick)
      assert.ok(chains.take({ tick, levels: now, proof: own.proof(tick, now) }, counted))
    }
    t.diagnostic(`${name}: ${(hashes / 120).toFixed(1)} hashes a tick`)
    assert.ok(hashes / 120 <= most)
  }
})

test('levels never promise more room than there is, and are off by a third at most', () => {
  const load = fc.record({
    running: fc.nat(3_000),
    waiting: fc.nat(3_000),
    kvTokensFree: fc.nat(1_000_000),
  })
  fc.assert(
    fc.property(load, fc.integer({ min: 1, max: 2_000 }), (truth, slots) => {
      const scale = { countUnit: countUnitFor(slots), kvTokensTotal: 1_000_000 }
      const said = figuresOf(levelsOf(truth, scale), scale)
      for (const figure of ['running', 'waiting'] as const) {
        const most = 128 * scale.countUnit
        if (truth[figure] > most) assert.equal(said[figure], most)
        else {
          assert.ok(said[figure] >= truth[figure])
          assert.ok(said[figure] - truth[figure] <= Math.max(scale.countUnit, truth[figure] / 2))
        }
      }
      assert.ok(said.kvTokensFree <= truth.kvTokensFree)
      assert.ok(truth.kvTokensFree - said.kvTokensFree <= 200_000)
    }),
  )
})
