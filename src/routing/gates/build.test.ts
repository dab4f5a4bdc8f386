import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ModelDigest } from '../../protocol/index.ts'
import { buildGate } from './build.ts'
import { checkInTier } from './sample-check.fixture.ts'

test('runtime and quantisation are pinned', () => {
  assert.equal(checkInTier(buildGate, {}, {}), 'not asked')
  const onnx = { offer: { runtime: 'onnx/cpu', quantisation: 'int4' } }
  assert.equal(checkInTier(buildGate, { runtimes: ['onnx'] }, onnx), 'pass')
  assert.equal(checkInTier(buildGate, { runtimes: ['upstream', 'onnx/cpu'] }, onnx), 'pass')
  const other = checkInTier(buildGate, { runtimes: ['onn', 'onnx/webgpu'] }, onnx)
  assert.equal(other, 'runtime onn or onnx/webgpu / runtime onnx/cpu')
  assert.equal(checkInTier(buildGate, { quantisations: ['int4'] }, onnx), 'pass')
  const coarse = checkInTier(buildGate, { quantisations: ['float32', 'float16'] }, onnx)
  assert.equal(coarse, 'quantisation float32 or float16 / quantisation int4')
})

test('so are the weights; a server that gives only a name is not known to have them', () => {
  const [one, two] = ['1', '2'].map((digit) => `sha256:${digit.repeat(64)}` as ModelDigest)
  const digests = one === undefined ? [] : [one]
  assert.equal(checkInTier(buildGate, { digests }, { offer: { digest: one ?? null } }), 'pass')
  const other = checkInTier(buildGate, { digests }, { offer: { digest: two ?? null } })
  assert.equal(other, `digest ${one} / digest ${two}`)
  const unknown = checkInTier(buildGate, { digests }, { offer: { digest: null } })
  assert.equal(unknown, `digest ${one} / a model without a digest`)
})
