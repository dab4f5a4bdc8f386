import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { hasCode, type Sampling } from '../../protocol/index.ts'
import { GumbelNoise } from './gumbel.ts'
import { scoresOf } from './logprobs.ts'
import { philox4x32 } from './philox.ts'
import { Sampler, SamplingBuffers } from './sampler.ts'

const neutral: Sampling = {
  temperature: 1,
  topP: 1,
  topK: 0,
  minP: 0,
  frequencyPenalty: 0,
  presencePenalty: 0,
  repetitionPenalty: 1,
  logitBias: {},
  seed: 7,
}

function samplerOf(
  changes: Partial<Sampling>,
  size: number,
  more: { promptIds?: number[]; choice?: number } = {},
) {
  return new Sampler({
    sampling: { ...neutral, ...changes },
    choice: 0,
    promptIds: [],
    vocabularySize: size,
    buffers: new SamplingBuffers(size),
    ...more,
  })
}

function pick(changes: Partial<Sampling>, logits: readonly number[], position = 0): number {
  const row = Float32Array.from(logits)
  return samplerOf(changes, row.length).pick(row, 0, position)
}

test('Philox gives the words of its authors’ test vectors', () => {
  const out = new Uint32Array(4)
  const known: [number[], number[], number[]][] = [
    [
      [0, 0, 0, 0],
      [0, 0],
      [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8],
    ],
    [
      [0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff],
      [0xffffffff, 0xffffffff],
      [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd],
    ],
    [
      [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
      [0xa4093822, 0x299f31d0],
      [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
    ],
  ]
  for (const [counter, key, words] of known) {
    philox4x32(Uint32Array.from(counter), Uint32Array.from(key), out)
    assert.deepEqual([...out], words)
  }
})

/** The same rules, written the obvious way. */
function naivePick(logits: Float32Array, sampling: Sampling, position: number): number {
  const { temperature, topK, topP, minP, seed } = sampling
  const order = Array.from(logits.keys()).sort(
    (a, b) => (logits[b] ?? 0) - (logits[a] ?? 0) || a - b,
  )
  const most = logits[order[0] ?? 0] ?? 0
  if (temperature === 0) return order[0] ?? -1
  const weight = (id: number) => Math.exp(((logits[id] ?? 0) - most) / temperature)
  let kept = minP > 0 ? order.filter((id) => weight(id) >= minP) : order
  if (topK > 0) kept = kept.slice(0, topK)
  if (topP < 1) {
    const total = kept.reduce((sum, id) => sum + weight(id), 0)
    let mass = 0
    const last = kept.findIndex((id) => {
      mass += weight(id)
      return mass >= topP * total
    })
    kept = kept.slice(0, last < 0 ? kept.length : last + 1)
  }
  const noise = new GumbelNoise(seed)
  const score = (id: number) => ((logits[id] ?? 0) - most) / temperature + noise.at(position, id)
  return kept.reduce((best, id) => (score(id) > score(best) ? id : best))
}

const logitsArbitrary = fc.array(fc.double({ min: -30, max: 30, noNaN: true }), {
  minLength: 1,
  maxLength: 60,
})

test('temperature, top_k, top_p and min_p together pick as the naive sampler does', () => {
  fc.assert(
    fc.property(
      logitsArbitrary,
      fc.record({
        temperature: fc.constantFrom(0, 0.3, 0.7, 1, 2),
        topK: fc.constantFrom(0, 1, 2, 5, 40, 1000),
        topP: fc.constantFrom(0, 0.1, 0.55, 0.9, 0.99, 1),
        minP: fc.constantFrom(0, 0.01, 0.13, 0.8),
        seed: fc.maxSafeNat(),
      }),
      fc.nat({ max: 5000 }),
      (values, changes, position) => {
        const row = Float32Array.from(values)
        const sampling = { ...neutral, ...changes }
        assert.equal(pick(changes, values, position), naivePick(row, sampling, position))
      },
    ),
    { numRuns: 600 },
  )
})

test('a large vocabulary is cut as the naive sampler cuts it', () => {
  const noise = new GumbelNoise(3)
  const row = Float32Array.from({ length: 5003 }, (_, id) => 2 * noise.at(0, id))
  for (const changes of [
    {},
    { topP: 0.9 },
    { topK: 50 },
    { minP: 0.02 },
    { topK: 300, topP: 0.5 },
  ]) {
    for (let position = 0; position < 20; position += 1) {
      const got = samplerOf(changes, row.length).pick(row, 0, position)
      assert.equal(got, naivePick(row, { ...neutral, ...changes }, position))
    }
  }
})

test('draws follow the softmax of the logits over the temperature', () => {
  const logits = [1, 0, -1, 2, 0.5]
  for (const temperature of [0.5, 1, 1.7]) {
    const weights = logits.map((logit) => Math.exp(logit / temperature))
    const total = weights.reduce((sum, weight) => sum + weight)
    const draws = 20_000
    const counts = new Array(logits.length).fill(0)
    const row = Float32Array.from(logits)
    const sampler = samplerOf({ temperature, seed: 11 }, row.length)
    for (let i = 0; i < draws; i += 1) counts[sampler.pick(row, 0, i)] += 1
    const chiSquared = weights.reduce((sum, weight, id) => {
      const expected = (draws * weight) / total
      return sum + (counts[id] - expected) ** 2 / expected
    }, 0)
    // 4 degrees of freedom: 30 is exceeded by chance once in 200,000.
    assert.ok(chiSquared < 30, `chi² ${chiSquared} at temperature ${temperature}`)
  }
})

test('the noise at different seeds, positions and tokens is unrelated', () => {
  const mean = (values: number[]) => values.reduce((sum, value) => sum + value) / values.length
  for (const draw of [
    (i: number) => new GumbelNoise(i).at(0, 0),
    (i: number) => new GumbelNoise(2 ** 40 * i).at(0, 0),
    (i: number) => new GumbelNoise(1).at(i, 0),
    (i: number) => new GumbelNoise(1).at(0, i),
  ]) {
    const values = Array.from({ length: 4000 }, (_, i) => draw(i))
    // Gumbel: mean 0.5772, variance π²/6.
    assert.ok(Math.abs(mean(values) - 0.5772) < 0.1)
    assert.ok(Math.abs(mean(values.map((value) => (value - 0.5772) ** 2)) - 1.645) < 0.3)
  }
})

test('choice i with a seed is choice 0 with the seed plus i', () => {
  const row = Float32Array.from({ length: 50 }, (_, id) => (id % 7) / 3)
  for (let position = 0; position < 50; position += 1) {
    const third = samplerOf({ seed: 5 }, 50, { choice: 3 }).pick(row, 0, position)
    assert.equal(third, samplerOf({ seed: 8 }, 50).pick(row, 0, position))
  }
})

test('where a row begins in the batch does not change the pick', () => {
  fc.assert(
    fc.property(logitsArbitrary, fc.nat({ max: 9 }), fc.nat(), (values, before, position) => {
      const rows = Float32Array.from([...new Array(before).fill(99), ...values, 99, 99])
      for (const changes of [{}, { topP: 0.8 }, { temperature: 0 }, { presencePenalty: 1 }]) {
        const sampler = samplerOf(changes, values.length)
        assert.equal(sampler.pick(rows, before, position), pick(changes, values, position))
      }
    }),
  )
})

test('greedy takes the lowest id of equals', () => {
  assert.equal(pick({ temperature: 0 }, [1, 3, 2, 3]), 1)
  assert.equal(pick({ temperature: 1e-9 }, [-0, 0]), 0)
})

test('a small change of the logits changes a pick only at near-ties', () => {
  const noise = new GumbelNoise(1)
  const row = Float32Array.from({ length: 300 }, (_, id) => noise.at(1, id) * 3)
  let changed = 0
  for (let position = 0; position < 2000; position += 1) {
    const exact = naivePickFast(row, position)
    const blurred = naivePickFast(
      row.map((logit, id) => logit + 1e-4 * Math.sin(id * 7 + position)),
      position,
    )
    if (exact !== blurred) changed += 1
  }
  assert.ok(changed <= 4, `${changed} of 2000 picks changed`)
})

function naivePickFast(row: Float32Array, position: number): number {
  return samplerOf({}, row.length).pick(row, 0, position)
}

test('each penalty changes the logits by its formula', () => {
  const pickTwice = (changes: Partial<Sampling>, logits: number[], promptIds: number[] = []) => {
    const row = Float32Array.from(logits)
    const sampler = samplerOf({ temperature: 0, ...changes }, row.length, { promptIds })
    return [0, 1, 2].map((position) => sampler.pick(row, 0, position))
  }
  assert.deepEqual(pickTwice({}, [3, 2.2, 0]), [0, 0, 0])
  assert.deepEqual(pickTwice({ presencePenalty: 1 }, [3, 2.2, 0]), [0, 1, 0])
  assert.deepEqual(pickTwice({ presencePenalty: 0.5 }, [3, 2.2, 0]), [0, 0, 0])
  assert.deepEqual(pickTwice({ frequencyPenalty: 0.5 }, [3, 2.2, 0]), [0, 0, 1])
  assert.deepEqual(pickTwice({ repetitionPenalty: 1.5 }, [3, 2.2, 0]), [0, 1, 0])
  assert.deepEqual(pickTwice({ repetitionPenalty: 1.5 }, [3, 2.2, 0], [0]), [1, 0, 0])
  assert.deepEqual(pickTwice({ repetitionPenalty: 2 }, [-1, -1.5, -9]), [0, 1, 0])
  assert.deepEqual(pickTwice({ logitBias: { '2': 3.5 } }, [3, 2.2, 0]), [2, 2, 2])
  assert.deepEqual(pickTwice({ logitBias: { '0': -100 } }, [3, 2.2, 0]), [1, 1, 1])
})

test('a bias outside the vocabulary and logits that are no numbers are errors', () => {
  for (const token of ['4', '-1', '1.5', 'x']) {
    assert.throws(
      () => samplerOf({ logitBias: { [token]: 1 } }, 4),
      (error) => hasCode(error, 'invalid_request'),
    )
  }
  for (const bad of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
    for (const changes of [{}, { temperature: 0 }, { topP: 0.5 }]) {
      assert.throws(
        () => pick(changes, [bad, bad]),
        (error) => hasCode(error, 'engine_failed'),
      )
    }
  }
})

test('log-probabilities are those of the softmax, alternatives best first', () => {
  fc.assert(
    fc.property(logitsArbitrary, fc.nat({ max: 20 }), fc.nat(), (values, alternatives, seed) => {
      const rows = Float32Array.from([5, ...values])
      const row = rows.subarray(1)
      const tokenId = seed % row.length
      const scores = scoresOf(rows, { offset: 1, size: row.length, tokenId, alternatives })
      const total = row.reduce((sum, logit) => sum + Math.exp(logit), 0)
      assert.ok(Math.abs(scores.logprob - ((row[tokenId] ?? 0) - Math.log(total))) < 1e-9)
      const order = Array.from(row.keys()).sort((a, b) => (row[b] ?? 0) - (row[a] ?? 0) || a - b)
      assert.deepEqual(scores.topIds, order.slice(0, alternatives))
      scores.topIds.forEach((id, at) => {
        const logprob = (row[id] ?? 0) - Math.log(total)
        assert.ok(Math.abs((scores.topLogprobs[at] ?? 0) - logprob) < 1e-9)
      })
    }),
  )
})

test('the greatest seed still gives every answer its own text', () => {
  const logits = new Array<number>(500).fill(0)
  const texts = [0, 1, 2, 3].map((choice) => {
    const sampler = samplerOf({ seed: Number.MAX_SAFE_INTEGER }, logits.length, { choice })
    const row = Float32Array.from(logits)
    return Array.from({ length: 5 }, (_, position) => sampler.pick(row, 0, position)).join()
  })
  assert.equal(new Set(texts).size, texts.length)
})

test('rare great noise lifts an improbable token', () => {
  const noise = new GumbelNoise(7)
  const isRare = (position: number) => noise.at(position, 5) >= 12 && noise.at(position, 0) < 0.5
  let position = 0
  while (!isRare(position)) position += 1
  assert.equal(pick({}, [11, -20, -20, -20, -20, 0], position), 5)
})
