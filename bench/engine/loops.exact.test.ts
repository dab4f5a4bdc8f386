// Both loops of the engine benchmark make the same tokens: otherwise their times cannot be
// compared.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { importModel, openModel } from '../../src/models/index.ts'
import { openBareLoop } from './bare-loop.ts'
import { openOwnLoop } from './own-loop.ts'

test('the engine and ONNX Runtime alone make the same tokens, and each is counted', async () => {
  const storeDir = mkdtempSync(join(tmpdir(), 'isochrone-bench-'))
  try {
    const source = join(import.meta.dirname, '..', '..', 'models', 'isochrone-tiny')
    await importModel(source, { storeDir, name: 'tiny', quantisation: 'float32' })
    const stored = await openModel(storeDir, 'tiny')
    const settings = { backend: 'cpu', slots: 3, contextTokensMax: 32 } as const
    const own = await openOwnLoop(stored, settings)
    const bare = await openBareLoop(stored, settings)
    const prompts = [
      [1, 300, 7, 12],
      [1, 5, 99],
    ]
    const ours = await own.run({ prompts, newTokens: 10 })
    const theirs = await bare.run({ prompts, newTokens: 10 })
    await own.close()
    await bare.close()
    assert.deepEqual(ours.tokenIds, theirs.tokenIds)
    assert.deepEqual(
      ours.tokenIds.map((ids) => ids.length),
      [10, 10],
    )
    assert.equal(theirs.decodeTokens, 18)
    assert(ours.decodeTokens > 0 && ours.decodeTokens <= 18)
    for (const { wholeMs, decodeMs, stepsMs } of [ours, theirs]) {
      assert(decodeMs > 0 && decodeMs <= wholeMs)
      const sumMs = stepsMs.reduce((sum, ms) => sum + ms, 0)
      assert(sumMs > 0 && sumMs <= decodeMs + 1e-6)
    }
    assert.equal(theirs.stepsMs.length, 9)
    assert(ours.stepsMs.length > 0 && ours.stepsMs.length <= 9)
  } finally {
    rmSync(storeDir, { recursive: true, force: true })
  }
})
