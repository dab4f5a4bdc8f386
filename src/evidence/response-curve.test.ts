import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRandom } from '../base/index.ts'
import { ResponseCurve, respond } from './response-curve.ts'

const halfLifeMs = 600_000

test('what grows with the prompt and with the load is told apart', () => {
  const random = seededRandom(1)
  const curve = new ResponseCurve(halfLifeMs)
  for (let i = 0; i < 400; i += 1) {
    const tokens = random.below(4_000)
    const load = random.float() * 2
    curve.add(50 + 0.4 * tokens + 900 * load + 20 * random.float(), { tokens, load }, i * 100)
  }
  const response = curve.response(40_000)
  assert.ok(response)
  assert.ok(Math.abs(response.msPerPromptToken - 0.4) < 0.01, `${response.msPerPromptToken}`)
  assert.ok(Math.abs(response.msPerLoad - 900) < 30, `${response.msPerLoad}`)
  assert.ok(Math.abs(respond(response, 2_000, 0) - 860) < 30)
  assert.ok(response.deviationMs < 20)
})

test('a few alike make no steep slope, and nothing is faster for being longer or busier', () => {
  const curve = new ResponseCurve(halfLifeMs)
  curve.add(100, { tokens: 10, load: 0.1 }, 0)
  curve.add(900, { tokens: 12, load: 0.1 }, 0)
  const few = curve.response(0)
  assert.ok(few && few.msPerPromptToken < 0.01)
  const other = new ResponseCurve(halfLifeMs)
  for (let i = 0; i < 50; i += 1) other.add(1_000 - i, { tokens: 100 * i, load: i / 50 }, 0)
  const falling = other.response(0)
  assert.ok(falling)
  assert.deepEqual([falling.msPerPromptToken, falling.msPerLoad], [0, 0])
})

test('what is old fades, and nothing that is no time counts', () => {
  const curve = new ResponseCurve(halfLifeMs)
  assert.equal(curve.response(0), undefined)
  curve.add(Number.NaN, { tokens: 1, load: 0 }, 0)
  curve.add(5, { tokens: -1, load: 0 }, 0)
  curve.add(5, { tokens: 1, load: Number.POSITIVE_INFINITY }, 0)
  assert.equal(curve.response(0), undefined)
  curve.add(1_000, { tokens: 10, load: 0 }, 0)
  curve.add(100, { tokens: 10, load: 0 }, 10 * halfLifeMs)
  const response = curve.response(11 * halfLifeMs)
  assert.ok(response && response.meanMs < 102)
  assert.ok(Math.abs(response.samples - 0.5) < 0.01)
})
