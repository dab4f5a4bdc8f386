import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hasCode } from '../../protocol/index.ts'
import { availableBackends, measureMemoryBandwidth } from './backends.ts'
import { verifyIntegerMatmul } from './integer-check.ts'
import { createSession, loadRuntime, onnxBackends } from './runtime.ts'

test('every back end is reported, and one that is missing says why', async () => {
  const reports = await availableBackends()
  assert.deepEqual(
    reports.map(({ backend }) => backend),
    onnxBackends,
  )
  for (const { backend, available, detail } of reports) {
    if (backend === 'cpu' || backend === 'wasm') assert.ok(available, detail)
    if (!available) assert.match(detail, /\.$/)
  }
})

test('products of integer matrices are exact on the processor and in WebAssembly', async () => {
  for (const backend of ['cpu', 'wasm'] as const) {
    const { exact, detail } = await verifyIntegerMatmul(backend)
    assert.ok(exact, `${backend}: ${detail}`)
  }
})

test('memory bandwidth is measured in bytes per second', async () => {
  const bandwidth = await measureMemoryBandwidth()
  assert.ok(bandwidth > 1e8 && bandwidth < 1e13, `${bandwidth}`)
})

test('a graph that cannot be loaded is an error with a code', async () => {
  const runtime = await loadRuntime('cpu')
  await assert.rejects(
    createSession(runtime, Uint8Array.of(1, 2, 3), { backend: 'cpu', threads: 1 }),
    (error) => hasCode(error, 'engine_unavailable'),
  )
})
