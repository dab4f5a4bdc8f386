/** An answer that another node began goes on as if it had never stopped, wherever it was cut. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type GenerationRequest, hasCode, type Sampling } from '../protocol/index.ts'
import { continuedAnswer, partsOf } from './continuation.fixture.ts'
import {
  endTokenId,
  greedy,
  noisyScript,
  run,
  type Script,
  ScriptedRunner,
  saying,
  scriptedEngine,
  tinyTokenizer,
} from './onnx-engine.fixture.ts'

const engineOf = (script: Script, slots = 3) => scriptedEngine(new ScriptedRunner(slots, script))

/** Tries every cut between two events. */
async function cutEverywhere(script: Script, changes: Partial<GenerationRequest>): Promise<number> {
  const whole = await run(engineOf(script), changes)
  const wanted = partsOf(whole.events, changes.choices ?? 1)
  for (let cut = 0; cut <= whole.events.length; cut += 1) {
    const before = whole.events.slice(0, cut)
    const { parts, usage } = await continuedAnswer(engineOf(script), changes, before)
    assert.deepEqual(parts, wanted, `cut after ${cut} events`)
    assert.deepEqual(usage, whole.usage)
  }
  return whole.events.length
}

const samplings = fc.record({
  temperature: fc.constantFrom(0, 0.7, 1.5),
  topP: fc.constantFrom(1, 0.9),
  topK: fc.constantFrom(0, 40),
  frequencyPenalty: fc.constantFrom(0, 1.5),
  presencePenalty: fc.constantFrom(0, -0.5),
  repetitionPenalty: fc.constantFrom(1, 1.3),
  seed: fc.nat(),
})

test('cut at any event, with any sampling: the same text, tokens, scores and usage', async () => {
  const cases = fc.record({
    sampling: samplings,
    choices: fc.integer({ min: 1, max: 3 }),
    maxTokens: fc.integer({ min: 1, max: 9 }),
    topLogprobs: fc.constantFrom(null, 0, 2),
    stop: fc.uniqueArray(fc.constantFrom('a', 'e', 'th', 'in', ' s'), { maxLength: 2 }),
  })
  const property = fc.asyncProperty(cases, async ({ sampling, ...more }) => {
    const { minP, logitBias } = greedy
    const full: Sampling = { ...sampling, minP, logitBias }
    await cutEverywhere(noisyScript, { ...more, sampling: full })
  })
  await fc.assert(property, { numRuns: 40 })
})

test('a character that is cut within its bytes comes whole, and once', async () => {
  for (const topLogprobs of [null, 2]) {
    assert.ok((await cutEverywhere(saying('Grüße 🦙 aus 東京!', 3), { topLogprobs })) > 12)
  }
})

test('half a stop string that was held back is held on to', async () => {
  const text = 'Lima is the capital of Peru. And so on.'
  for (const topLogprobs of [null, 1]) {
    for (const stop of ['capital of Chile', 'capital of Peru', 'Lima is the', '. And', 'on.']) {
      await cutEverywhere(saying(text, 3), { stop: [stop], topLogprobs })
    }
  }
})

test('the limit of tokens counts what was written before', async () => {
  const text = 'one two three four five six seven'
  for (const maxTokens of [1, 2, 5]) await cutEverywhere(saying(text, 3), { maxTokens })
})

test('several answers go on, each from its place, finished ones without the model', async () => {
  const sampling: Sampling = { ...greedy, temperature: 1, seed: 7 }
  const changes = { choices: 3, maxTokens: 6, sampling }
  const whole = await run(engineOf(noisyScript), changes)
  const runner = new ScriptedRunner(3, noisyScript)
  const [, middle] = whole.tokenIds
  const first = whole.events.find((event) => event.type === 'delta' && event.choice === 1)
  const kept = whole.events.filter(
    (event) => event.type !== 'usage' && (event.choice !== 1 || event === first),
  )
  const { parts } = await continuedAnswer(scriptedEngine(runner), changes, kept)
  assert.deepEqual(parts, partsOf(whole.events, 3))
  assert.equal(runner.calls.length, (middle?.length ?? 0) - 1)
})

test('an answer that was complete but for its end needs no model at all', async () => {
  const script = saying('Lima', 3)
  const whole = await run(engineOf(script), { echo: true, prompt: [10, 11, 12] })
  const runner = new ScriptedRunner(1, script)
  const { usage, reasons } = await run(scriptedEngine(runner), {
    continued: [[...(whole.tokenIds[0] ?? [])]],
  })
  assert.deepEqual([usage, reasons], [whole.usage, ['stop']])
  assert.deepEqual(runner.calls, [])
})

test('a bias counts on as the penalties do', async () => {
  const [banned = 0] = tinyTokenizer.encode(' Lima', { special: false })
  const sampling: Sampling = { ...greedy, logitBias: { [banned]: -100 }, frequencyPenalty: 1 }
  await cutEverywhere(noisyScript, { sampling, maxTokens: 12 })
})

test('tokens that no answer to this request can have are refused', async () => {
  const { vocabularySize } = tinyTokenizer
  const engine = engineOf(saying('Lima is the capital', 3))
  const wrong: readonly (readonly [Partial<GenerationRequest>, RegExp])[] = [
    [{ continued: [[vocabularySize]] }, /continued\[0\]\[0\] is \d+; this model's token ids/],
    [{ continued: [[-1]] }, /token ids are/],
    [{ continued: [[0.5]] }, /token ids are/],
    [{ continued: [[40], [41]] }, /has 2 answers, but the request asks for 1/],
    [{ choices: 2, continued: [[40]] }, /has 1 answers, but the request asks for 2/],
    [{ maxTokens: 2, continued: [[40, 41, 42]] }, /has 3 tokens; this answer may have 2/],
    [{ continued: [[40, endTokenId, 41]] }, /goes on behind the end/],
    [
      { stop: ['Lim'], continued: [tinyTokenizer.encode('Lima is', { special: false })] },
      /goes on/,
    ],
    [{ continued: [new Array(600).fill(40)] }, /has 600 tokens/],
  ]
  for (const [changes, why] of wrong) {
    await assert.rejects(run(engine, changes), (error) => {
      assert.ok(hasCode(error, 'invalid_request') && error instanceof Error, String(error))
      assert.match(error.message, why)
      return true
    })
  }
  assert.deepEqual((await run(engine)).texts, ['Lima is the capital'])
  assert.deepEqual(engine.load().running, 0)
})
