import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  type Coordinate,
  coordinateBytes,
  coordinateLimits,
  decodeCoordinate,
  encodeCoordinate,
  isPlausible,
  origin,
  predictMs,
} from './coordinate.ts'

const some: Coordinate = {
  position: [3, 4, 0, 0, 0, 0, 0, 0],
  heightMs: 2,
  adjustmentMs: -0.5,
  error: 0.25,
}

describe('a coordinate', () => {
  it('predicts the distance, both heights and both adjustments', () => {
    assert.equal(predictMs(some, origin), 5 + 2 - 0.5)
    assert.equal(predictMs(origin, some), predictMs(some, origin))
  })

  it('does not apply adjustments that leave nothing of the way', () => {
    const far = { ...some, adjustmentMs: -400 }
    assert.equal(predictMs(far, origin), 7)
    assert.equal(predictMs(origin, origin), coordinateLimits.predictionMsMin)
  })

  it('survives the wire', () => {
    const bytes = encodeCoordinate(some)
    assert.equal(bytes.length, coordinateBytes)
    assert.deepEqual(decodeCoordinate(bytes), some)
  })

  it('is refused when it is cut short or too long', () => {
    const bytes = encodeCoordinate(some)
    assert.equal(decodeCoordinate(bytes.subarray(1)), undefined)
    assert.equal(decodeCoordinate(Uint8Array.from([...bytes, 0])), undefined)
  })

  it('is refused when it has another number of axes', () => {
    assert.ok(!isPlausible({ ...some, position: [0, 0, 0, 0] }))
    assert.ok(!isPlausible({ ...some, position: [...some.position, 0] }))
  })

  const { distanceMsMax, heightMsMax, adjustmentMsMax, errorMax } = coordinateLimits
  const absurd: Readonly<Record<string, Coordinate>> = {
    'has no number': { ...some, position: [0, Number.NaN, 0, 0, 0, 0, 0, 0] },
    'has an infinite axis': { ...some, position: [0, Number.POSITIVE_INFINITY, 0, 0, 0, 0, 0, 0] },
    'lies beyond the earth': {
      ...some,
      position: [0, distanceMsMax, distanceMsMax, 0, 0, 0, 0, 0],
    },
    'lies below ground': { ...some, heightMs: -0.1 },
    'is too high': { ...some, heightMs: heightMsMax * 2 },
    'has no height': { ...some, heightMs: Number.NaN },
    'is adjusted too much': { ...some, adjustmentMs: -adjustmentMsMax * 2 },
    'is surer than sure': { ...some, error: -0.1 },
    'has an error beyond the largest': { ...some, error: errorMax * 2 },
    'has no error': { ...some, error: Number.NaN },
  }
  for (const [what, coordinate] of Object.entries(absurd)) {
    it(`is refused when it ${what}`, () => {
      assert.ok(!isPlausible(coordinate))
      assert.equal(decodeCoordinate(encodeCoordinate(coordinate)), undefined)
    })
  }
})
