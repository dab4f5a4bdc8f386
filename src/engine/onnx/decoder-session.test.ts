/** A run that stopped early must have written its result. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { InferenceSession } from 'onnxruntime-node'
import { buildGraph, weightsFile, wholeRange } from '../../models/index.ts'
import { hasCode } from '../../protocol/index.ts'
import { DecoderSession } from './decoder-session.ts'
import { referenceModel } from './reference-model.fixture.ts'
import { createSession, loadRuntime } from './runtime.ts'

const options = { backend: 'cpu', threads: 1, slots: 1, contextTokensMax: 32 } as const

test('the words of an early stop without a result are a failure', async (t) => {
  const model = await referenceModel(t)
  const { architecture } = model.manifest
  const session = await DecoderSession.open(model, wholeRange(architecture), options)
  const output = new Float32Array(architecture.vocabularySize)
  const batch = { firstRow: 0, count: 1, length: 1 }
  const step = () => session.run(batch, [0], { input: Int32Array.of(5), output })
  await step()
  assert.ok(output.every(Number.isFinite))
  const graph = buildGraph(
    model.manifest,
    { first: 7, end: 8 },
    { contextTokensMax: 32, compute: 'float32', int4: 'float32' },
  )
  const weights = { folder: model.folder, file: weightsFile }
  const other = await createSession(await loadRuntime('cpu'), graph, {
    backend: 'cpu',
    threads: 1,
    weights,
  })
  const prototype: InferenceSession = Object.getPrototypeOf(other)
  const stopped = t.mock.method(prototype, 'run', async () => {
    throw new Error('Non tensor type is temporarily not supported.')
  })
  await assert.rejects(step(), (error) => hasCode(error, 'engine_failed'))
  stopped.mock.restore()
  await step()
  assert.ok(output.every(Number.isFinite))
  await Promise.all([session.close(), other.release()])
})
