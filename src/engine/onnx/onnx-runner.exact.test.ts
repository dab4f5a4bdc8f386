/**
 * The reference model's golden transcripts, token for token, on every back end and in every batch.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ModelRunner } from '../model-runner.ts'
import { createOnnxRunner } from './create-runner.ts'
import {
  generateGreedily,
  goldenTranscripts,
  greatest,
  referenceModel,
  type Step,
  type Transcript,
} from './reference-model.fixture.ts'

/** Below this gap between the top two tokens, rounding may decide. */
const marginMin = 0.05

test('the processor reproduces the golden transcripts and their logits', async (t) => {
  const model = await referenceModel(t)
  const runner = await createOnnxRunner(model, { backend: 'cpu', slots: 3, threads: 1 })
  for (const transcript of await goldenTranscripts()) {
    checkTranscript(await generateGreedily(runner, 1, transcript), transcript)
  }
  await runner.close()
})

test('WebAssembly reproduces the golden transcripts', async (t) => {
  const model = await referenceModel(t)
  const runner = await createOnnxRunner(model, { backend: 'wasm', slots: 1, threads: 1 })
  for (const transcript of (await goldenTranscripts()).slice(0, 6)) {
    checkTranscript(await generateGreedily(runner, 0, transcript), transcript)
  }
  await runner.close()
})

test('two threads give what one gives', async (t) => {
  const model = await referenceModel(t)
  const [transcript] = await goldenTranscripts()
  assert.ok(transcript !== undefined)
  const runner = await createOnnxRunner(model, { backend: 'cpu', slots: 1, threads: 2 })
  checkTranscript(await generateGreedily(runner, 0, transcript), transcript)
  await runner.close()
})

test('a batch of eight that shrinks as its members end gives what each gives alone', async (t) => {
  const model = await referenceModel(t)
  const transcripts = (await goldenTranscripts()).slice(0, 8)
  const runner = await createOnnxRunner(model, { backend: 'cpu', slots: 8, threads: 1 })
  const results = await generateTogether(runner, transcripts)
  for (const [i, transcript] of transcripts.entries()) {
    checkTranscript(results[i] ?? [], transcript)
  }
  await runner.close()
})

test('a prompt in pieces, at any positions, gives what it gives at once', async (t) => {
  const model = await referenceModel(t)
  const [transcript] = await goldenTranscripts()
  assert.ok(transcript !== undefined)
  const runner = await createOnnxRunner(model, { backend: 'cpu', slots: 2, threads: 1 })
  const { prompt_ids: prompt } = transcript
  const whole = Float32Array.from(await runner.prefill(0, prompt, 0))
  for (const pieces of [[1], [4], [prompt.length - 1], [2, 3, 7]]) {
    let logits: Float32Array = new Float32Array()
    let start = 0
    for (const end of [...pieces, prompt.length]) {
      logits = await runner.prefill(1, prompt.slice(start, end), start)
      start = end
    }
    for (const [i, value] of whole.entries()) {
      assert.ok(Math.abs(value - (logits[i] ?? Number.NaN)) < 1e-4)
    }
  }
  await runner.close()
})

test('a slot starts over without a trace of what it held', async (t) => {
  const model = await referenceModel(t)
  const [first, second] = await goldenTranscripts()
  assert.ok(first !== undefined && second !== undefined)
  const runner = await createOnnxRunner(model, { backend: 'cpu', slots: 1, threads: 1 })
  await generateGreedily(runner, 0, second)
  checkTranscript(await generateGreedily(runner, 0, first), first)
  await runner.close()
})

/** All prompts, then step by step those that have not ended; slots in descending order. */
async function generateTogether(
  runner: ModelRunner,
  transcripts: readonly Transcript[],
): Promise<readonly Step[][]> {
  const slotOf = (i: number) => transcripts.length - 1 - i
  const results: Step[][] = []
  for (const [i, { prompt_ids: prompt }] of transcripts.entries()) {
    results.push([greatest(await runner.prefill(slotOf(i), prompt, 0))])
  }
  for (;;) {
    const running = transcripts
      .map((transcript, i) => ({ ...transcript, i, done: results[i] ?? [] }))
      .filter(({ done, completion_ids: completion }) => done.length < completion.length)
    if (running.length === 0) return results
    const logits = await runner.decode(
      running.map(({ i, done, prompt_ids: prompt }) => ({
        slot: slotOf(i),
        tokenId: done.at(-1)?.token ?? 0,
        position: prompt.length + done.length - 1,
      })),
    )
    const width = runner.vocabularySize
    for (const [row, { done }] of running.entries()) {
      done.push(greatest(logits.subarray(row * width, (row + 1) * width)))
    }
  }
}

function checkTranscript(steps: readonly Step[], transcript: Transcript): void {
  const { completion_ids: expected, top_logit: logits, min_margin: margin } = transcript
  assert.equal(steps.length, expected.length)
  for (const [i, { token, logit }] of steps.entries()) {
    if (margin < marginMin && token !== expected[i]) return
    assert.equal(token, expected[i], `token ${i}`)
    assert.ok(Math.abs(logit - (logits[i] ?? Number.NaN)) < 1e-3, `logit ${i}: ${logit}`)
  }
}
