/** The node's pure parts: back-off, addresses, whether a request fits, speeds. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { ManualClock, seededRandom, systemClock } from '../base/index.ts'
import { createIdentity, hasCode } from '../protocol/index.ts'
import { backoffMs } from './backoff.ts'
import { parseGatewayAddress } from './gateway-address.ts'
import { measureSpeeds } from './measure/measure.ts'
import { CountingEngine, countingModel, countingRequest } from './node.fixture.ts'
import { requiredFeatures } from './request-fit.ts'

describe('back-off', () => {
  test('it grows to its limit, never beyond, and is never nothing', () => {
    const options = { firstMs: 100, maxMs: 5_000 }
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 10_000 }), fc.integer(), (failures, seed) => {
        const delay = backoffMs(failures, options, seededRandom(seed))
        const ceiling = Math.min(5_000, 100 * 2 ** Math.min(failures - 1, 20))
        assert.ok(delay >= ceiling / 4 && delay <= ceiling, `${failures}: ${delay}`)
      }),
    )
  })

  test('two nodes that lost the same gateway do not return together', () => {
    const options = { firstMs: 100, maxMs: 5_000 }
    const delays = Array.from({ length: 50 }, (_, seed) =>
      Math.round(backoffMs(5, options, seededRandom(seed))),
    )
    assert.ok(new Set(delays).size > 40)
  })
})

describe('a gateway’s address', () => {
  const { id } = createIdentity()

  test('host and port, with the id or without', () => {
    assert.deepEqual(parseGatewayAddress('127.0.0.1:7400'), {
      id: undefined,
      address: '127.0.0.1:7400',
    })
    assert.deepEqual(parseGatewayAddress(`${id}@example.org:1`), { id, address: 'example.org:1' })
    assert.equal(parseGatewayAddress('[::1]:7400').address, '[::1]:7400')
  })

  test('anything else is refused with its form', () => {
    for (const text of ['', 'host', 'host:', 'host:0', 'host:65536', 'http://a:1', 'x@host:1']) {
      assert.throws(
        () => parseGatewayAddress(text),
        (error: Error) =>
          hasCode(error, 'invalid_configuration') && error.message.includes('HOST:PORT'),
        text,
      )
    }
  })
})

describe('what a request asks of a model', () => {
  test('each use of a feature asks for it, and only for it', () => {
    assert.deepEqual(requiredFeatures(countingRequest()), ['chat'])
    assert.deepEqual(requiredFeatures(countingRequest({ kind: 'completion' })), ['completion'])
    assert.deepEqual(requiredFeatures(countingRequest({ topLogprobs: 0 })), ['chat', 'logprobs'])
    const continued = countingRequest({ continued: [[1]] })
    assert.deepEqual(requiredFeatures(continued), ['chat', 'continuation'])
    const image = { type: 'image_url', image_url: { url: 'data:,' } }
    const messages = [{ role: 'user', content: [image] }] as const
    assert.deepEqual(requiredFeatures(countingRequest({ messages })), ['chat', 'images'])
  })
})

describe('measuring speed', () => {
  test('tokens per second are those of the engine', async () => {
    const clock = new ManualClock()
    const engine = new CountingEngine()
    engine.step = async () => clock.advance(10)
    const speeds = await measureSpeeds(engine, { budgetMs: 2_000 }, clock)
    const speed = speeds.get('counting')
    assert.ok(Math.abs((speed?.decodeTokensPerSecond ?? 0) - 100) < 1, JSON.stringify(speed))
  })

  test('an engine that hangs is given up after the budget', async () => {
    const clock = new ManualClock()
    const engine = new CountingEngine()
    engine.step = () => new Promise(() => {})
    const measuring = measureSpeeds(engine, { budgetMs: 2_000 }, clock)
    await clock.advanceAsync(2_000)
    const speeds = await measuring
    assert.equal(speeds.get('counting')?.decodeTokensPerSecond, 0)
    assert.equal(engine.running, 0)
  })

  test('the many models of another server are not loaded for a benchmark', async () => {
    const engine = new CountingEngine()
    const upstream = { ...countingModel, runtime: 'upstream/ollama' }
    engine.offered = [upstream, { ...upstream, name: 'second' }]
    await measureSpeeds(engine, { budgetMs: 2_000 }, systemClock)
    assert.equal(engine.pulled, 0)
  })
})
