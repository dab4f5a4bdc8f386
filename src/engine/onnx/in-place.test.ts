/**
 * The KV cache is updated where it lies, and nothing of it is copied.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { buildGraph, weightsFile, wholeRange } from '../../models/index.ts'
import { DecoderSession } from './decoder-session.ts'
import { referenceModel } from './reference-model.fixture.ts'
import { createSession, loadRuntime } from './runtime.ts'

const options = { backend: 'cpu', threads: 1, slots: 2, contextTokensMax: 32 } as const

test('a step writes its own token into the cache and touches nothing else', async (t) => {
  const model = await referenceModel(t)
  const { architecture } = model.manifest
  const session = await DecoderSession.open(model, wholeRange(architecture), options)
  const { values } = session.cache.view(0, 0, 2)
  // Of the first slot 4 tokens are held; what lies behind them, and the other slot, is not looked
  // at.
  values.fill(0.5)
  const output = new Float32Array(architecture.vocabularySize)
  const batch = { firstRow: 0, count: 1, length: 1 }
  await session.run(batch, [4], { input: Int32Array.of(5), output })
  const { headSize } = architecture
  const changed = [...values.keys()].filter((i) => values[i] !== 0.5)
  const token = (i: number) => Math.floor(i / headSize) % options.contextTokensMax
  const rowEnd = architecture.keyValueHeads * options.contextTokensMax * headSize
  assert.ok(changed.length > 0)
  assert.ok(changed.every((i) => i < rowEnd && token(i) === 4))
  assert.ok(output.some((value) => value !== 0))
  await session.close()
})

test('the native binding stops before it copies what a run wrote in place', async (t) => {
  const model = await referenceModel(t)
  const runtime = await loadRuntime('cpu')
  const graph = buildGraph(
    model.manifest,
    { first: 7, end: 8 },
    { contextTokensMax: 32, compute: 'float32', int4: 'float32' },
  )
  const weights = { folder: model.folder, file: weightsFile }
  const session = await createSession(runtime, graph, { backend: 'cpu', threads: 1, weights })
  const { Tensor } = runtime
  const cache = () => new Tensor('float32', new Float32Array(2 * 32 * 32), [1, 2, 32, 32])
  const key = cache()
  const value = cache()
  const logits = new Float32Array(3072)
  const feeds = {
    hidden: new Tensor('float32', new Float32Array(192).fill(1), [1, 1, 192]),
    last_index: new Tensor('int32', Int32Array.of(0), [1]),
    total_length: new Tensor('int32', Int32Array.of(1), [1]),
    past_key_7: key,
    past_value_7: value,
  }
  const fetches = {
    done: null,
    present_key_7: key,
    present_value_7: value,
    logits: new Tensor('float32', logits, [1, 3072]),
  }
  // If this fails after an update of the runtime, look at what the new binding does with outputs.
  await assert.rejects(session.run(feeds, fetches), {
    message: 'Non tensor type is temporarily not supported.',
  })
  assert.ok(logits.some((logit) => logit !== 0))
  assert.ok((key.data as Float32Array).some((element) => element !== 0))
  await session.release()
})
