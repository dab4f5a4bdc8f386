import assert from 'node:assert/strict'
import { test } from 'node:test'
import { predict } from './prediction.ts'
import { sampleCandidate, sampleDemand, sampleEvidence } from './samples.fixture.ts'

const evidence = sampleEvidence(1, 100)
const response = {
  meanMs: 1_020,
  promptTokens: 500,
  load: 0,
  msPerPromptToken: 2,
  msPerLoad: 800,
  deviationMs: 10,
  samples: 1_000,
}

function ttftOf(promptTokens: number, running: number, change: Partial<typeof response> = {}) {
  const seen = { ...evidence, response: { ...response, ...change } }
  const candidate = sampleCandidate(0, { evidence: seen, load: { running } })
  return predict(candidate, sampleDemand({ promptTokens })).ttftMs
}

test('what was seen of prompts and loads is expected of this one', () => {
  assert.ok(Math.abs(ttftOf(500, 0) - 1_020) < 10)
  assert.ok(Math.abs(ttftOf(1_500, 0) - 3_020) < 20)
  assert.ok(Math.abs(ttftOf(500, 2) - 1_420) < 20)
})

test('little was seen: what is stated counts, as much longer as it took so far', () => {
  // It states 1 s for 500 tokens over a link of 20 ms; the two seen took twice that.
  const few = { samples: 2, meanMs: 2_020, msPerPromptToken: 0, msPerLoad: 0 }
  const [kept, late] = [ttftOf(2_000, 0, { ...few, meanMs: 1_020 }), ttftOf(2_000, 0, few)]
  assert.ok(late > 1.2 * kept, `${kept} ${late}`)
  // Nor is it believed to be faster than it says itself.
  assert.equal(ttftOf(2_000, 0, { ...few, meanMs: 10 }), 4_020)
})

test('a newcomer that has prompts to read gives no first token at once', () => {
  const objective = { ttftMs: 5_000, tpotMs: null }
  const ttft = (running: number) =>
    predict(sampleCandidate(0, { load: { running } }), sampleDemand({ objective })).ttftMs
  assert.ok(ttft(2) > ttft(1) && ttft(1) > ttft(0))
})

test('prompts that are known to wait are counted in tokens, not in requests', () => {
  const ask = (promptTokensAhead: number | undefined) =>
    predict(sampleCandidate(0, { promptTokensAhead }), sampleDemand()).ttftMs
  // It states 500 tokens a second.
  assert.equal(ask(1_000) - ask(0), 2_000)
  const seen = { ...evidence, response: { ...response, msPerPromptToken: 2 } }
  const seenAsk = (promptTokensAhead: number) =>
    predict(sampleCandidate(0, { promptTokensAhead, evidence: seen }), sampleDemand()).ttftMs
  assert.ok(seenAsk(1_000) - seenAsk(0) > 1_900)
})

test('each token takes longer, the more are there, as stated and then as seen', () => {
  const pace = { ...response, meanMs: 40, promptTokens: 0, msPerLoad: 60, load: 0.5 }
  const tpotOf = (running: number, samples: number) => {
    const seen = { ...evidence, pace: { ...pace, samples } }
    const load = { running }
    return predict(sampleCandidate(0, { evidence: seen, load }), sampleDemand()).tpotMs
  }
  assert.ok(Math.abs(tpotOf(2, 1_000) - 40) < 1)
  assert.ok(Math.abs(tpotOf(4, 1_000) - 70) < 1)
  // A batch that is full grows no larger.
  assert.equal(tpotOf(9, 1_000), tpotOf(4, 1_000))
  // 20 ms are stated.
  assert.ok(tpotOf(4, 0) === 40 && tpotOf(0, 0) === 20)
})

test('whatever a worker states, a prediction is a number of at most a week', () => {
  const numbers = [0, 5e-324, 1e-9, 1, 1e300, Number.POSITIVE_INFINITY, Number.NaN]
  const weekMs = 7 * 24 * 60 * 60_000
  for (const speed of numbers) {
    for (const promptTokensAhead of [undefined, ...numbers]) {
      for (const seen of [evidence, { ...evidence, response }]) {
        const offer = { prefillTokensPerSecond: speed, decodeTokensPerSecond: speed }
        const change = { offer, promptTokensAhead, evidence: seen, load: { running: 3 } }
        const found = predict(sampleCandidate(0, change), sampleDemand({ promptTokens: 0 }))
        const { idleTtftMs, queueMs, ttftMs, totalMs } = found
        for (const ms of [idleTtftMs, queueMs, ttftMs, totalMs]) {
          assert.ok(ms >= 0 && ms <= weekMs, `${ms} at ${speed}, ${promptTokensAhead}`)
        }
      }
    }
  }
})
