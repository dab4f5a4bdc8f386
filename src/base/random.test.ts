import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type Random, secureRandom, seededRandom } from './random.ts'

const sources: readonly [name: string, make: (seed: number) => Random][] = [
  ['secureRandom', () => secureRandom],
  ['seededRandom', seededRandom],
]

for (const [name, make] of sources) {
  test(`${name} stays in its ranges`, () => {
    fc.assert(
      fc.property(fc.integer(), fc.integer({ min: 1, max: 2 ** 32 }), (seed, limit) => {
        const random = make(seed)
        const float = random.float()
        assert.ok(float >= 0 && float < 1)
        const whole = random.below(limit)
        assert.ok(Number.isInteger(whole) && whole >= 0 && whole < limit)
        assert.equal(random.below(1), 0)
      }),
    )
  })

  test(`${name} gives as many bytes as asked for`, () => {
    for (const length of [0, 1, 16, 1000]) assert.equal(make(7).bytes(length).length, length)
  })
}

test('the same seed replays, another seed differs', () => {
  const draw = (seed: number) => {
    const random = seededRandom(seed)
    return [random.float(), random.below(1_000_000), ...random.bytes(16)]
  }
  fc.assert(fc.property(fc.integer(), (seed) => assert.deepEqual(draw(seed), draw(seed))))
  assert.notDeepEqual(draw(1), draw(2))
})

test('the seeded generator is xoshiro128**', () => {
  for (const seed of [0, 1, 42, 0xffffffff]) {
    const random = seededRandom(seed)
    const reference = referenceGenerator(seed)
    for (let i = 0; i < 100; i += 1) {
      assert.equal(random.float(), Number(reference()) / 2 ** 32)
    }
  }
})

test('the seeded generator fills its range evenly', () => {
  const random = seededRandom(20_26)
  const draws = 100_000
  const counts = new Array<number>(10).fill(0)
  for (let i = 0; i < draws; i += 1) {
    const value = random.below(10)
    counts[value] = (counts[value] ?? 0) + 1
  }
  const expected = draws / 10
  const chiSquare = counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0)
  // 9 degrees of freedom: above 27.9 in one of a thousand seeds.
  assert.ok(chiSquare < 27.9, `chi-square ${chiSquare}`)
})

/** The published algorithm, in BigInt, seeded as this project does. */
function referenceGenerator(seed: number): () => bigint {
  const mask = 0xffffffffn
  const rotate = (x: bigint, k: bigint) => ((x << k) | (x >> (32n - k))) & mask
  let x = BigInt(seed >>> 0)
  const splitMix = () => {
    x = (x + 0x9e3779b9n) & mask
    let z = x
    z = ((z ^ (z >> 16n)) * 0x85ebca6bn) & mask
    z = ((z ^ (z >> 13n)) * 0xc2b2ae35n) & mask
    return z ^ (z >> 16n)
  }
  let [a, b, c, d] = [splitMix(), splitMix(), splitMix(), splitMix()]
  return () => {
    const result = (rotate((b * 5n) & mask, 7n) * 9n) & mask
    const t = (b << 9n) & mask
    c ^= a
    d ^= b
    b ^= c
    a ^= d
    c ^= t
    d = rotate(d, 11n)
    return result
  }
}

test('secure bytes are never given out twice, across refills and larger than the pool', () => {
  const seen = new Set<string>()
  for (let i = 0; i < 2_000; i += 1) seen.add(Buffer.from(secureRandom.bytes(16)).toString('hex'))
  assert.equal(seen.size, 2_000)
  assert.equal(secureRandom.bytes(10_000).length, 10_000)
  assert.ok(secureRandom.bytes(10_000).some((byte) => byte !== 0))
  assert.equal(secureRandom.bytes(0).length, 0)
})
