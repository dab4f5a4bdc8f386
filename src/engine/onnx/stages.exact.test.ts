/**
 * A model cut into stages, each a graph of its own, computes what the whole model computes.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { StoredModel } from '../../models/index.ts'
import { DecoderSession, type StageInput } from './decoder-session.ts'
import { referenceModel } from './reference-model.fixture.ts'

const prompt = [1, 3, 324, 277, 267, 294, 275, 2422, 36, 2, 4]
const further = [316, 294, 275]

test('chains of 2, 4 and 8 stages give the logits of the whole', async (t) => {
  const model = await referenceModel(t)
  const whole = await runChain(model, [0, 8])
  for (const stages of [2, 4, 8]) {
    const borders = Array.from({ length: stages + 1 }, (_, i) => (i * 8) / stages)
    checkEqual(await runChain(model, borders), whole)
  }
})

test('uneven stages give the logits of the whole', async (t) => {
  const model = await referenceModel(t)
  checkEqual(await runChain(model, [0, 1, 6, 8]), await runChain(model, [0, 8]))
})

function checkEqual(actual: readonly number[], expected: readonly number[]): void {
  assert.equal(actual.length, expected.length)
  for (const [i, value] of expected.entries()) {
    const difference = Math.abs(value - (actual[i] ?? Number.NaN))
    assert.ok(difference <= 1e-5, `logit ${i} differs by ${difference}`)
  }
}

/** A prompt in slot 1, then steps of slots 0 and 1 together. @returns all logits of slot 1 */
async function runChain(model: StoredModel, borders: readonly number[]): Promise<number[]> {
  const { width, vocabularySize } = model.manifest.architecture
  const sessions: DecoderSession[] = []
  for (const [i, end] of borders.slice(1).entries()) {
    const range = { first: borders[i] ?? 0, end }
    const options = { backend: 'cpu', threads: 1, slots: 2, contextTokensMax: 64 } as const
    sessions.push(await DecoderSession.open(model, range, options))
  }
  const through = async (
    batch: { firstRow: number; count: number; length: number },
    lastIndex: readonly number[],
    tokens: readonly number[],
  ) => {
    let input: StageInput = Int32Array.from(tokens)
    for (const [i, session] of sessions.entries()) {
      const isLast = i === sessions.length - 1
      const size = isLast ? batch.count * vocabularySize : batch.count * batch.length * width
      const output = new Float32Array(size)
      await session.run(batch, lastIndex, { input, output })
      input = output
    }
    return [...input]
  }
  const logits = await through(
    { firstRow: 1, count: 1, length: prompt.length },
    [prompt.length - 1],
    prompt,
  )
  for (const [i, token] of further.entries()) {
    const both = await through(
      { firstRow: 0, count: 2, length: 1 },
      [i, prompt.length + i],
      [5, token],
    )
    logits.push(...both.slice(vocabularySize))
  }
  for (const session of sessions) await session.close()
  return logits
}
