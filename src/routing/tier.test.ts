import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { HardwareReport } from '../protocol/index.ts'
import { defaultPolicy, policyOf } from './policy.ts'
import { anyRule, sampleTier } from './samples.fixture.ts'
import { type HardwareClass, hardwareClassOf, memoryOf, ruleOf, tierOf } from './tier.ts'

const stated: HardwareReport = {
  platform: 'linux-x64',
  cpu: 'sample',
  cores: 8,
  memoryBytes: 32e9,
  memoryFreeBytes: 16e9,
  gpu: 'NVIDIA GeForce RTX 4090',
  gpuMemoryBytes: 24e9,
  memoryBandwidthBytesPerSecond: 60e9,
  integerExact: true,
}

function classOf(change: Partial<HardwareClass>): HardwareClass {
  const nothing = { gpu: [], gpuMemoryBytes: 0, memoryBytes: 0, cores: 0 }
  return { name: 'asked', ...nothing, memoryBandwidthBytesPerSecond: 0, ...change }
}

test('a model is in the tier that names it, else in the one whose beginning fits best', () => {
  const tiers = [
    sampleTier({ name: 'all', models: ['*'] }),
    sampleTier({ name: 'llamas', models: ['llama-*', 'mistral'] }),
    sampleTier({ name: 'small', models: ['llama-3.2-*', 'llama-tiny'] }),
  ]
  const nameOf = (model: string) => tierOf({ tiers }, model)?.name
  assert.equal(nameOf('llama-tiny'), 'small')
  assert.equal(nameOf('llama-3.2-1b'), 'small')
  assert.equal(nameOf('llama-3.1-8b'), 'llamas')
  assert.equal(nameOf('mistral'), 'llamas')
  assert.equal(nameOf('mistral-2'), 'all')
  assert.equal(tierOf({ tiers: tiers.slice(1) }, 'mistral-2'), null)
  assert.equal(tierOf(defaultPolicy, 'constructor'), null)
})

test('a worker is of the first class whose every condition it states to meet', () => {
  const fits = (change: Partial<HardwareClass>) =>
    hardwareClassOf([classOf(change)], stated) === 'asked'
  assert.ok(fits({}))
  for (const name of ['gpuMemoryBytes', 'memoryBytes', 'cores'] as const) {
    assert.ok(fits({ [name]: stated[name] }), name)
    assert.ok(!fits({ [name]: stated[name] + 1 }), name)
  }
  assert.ok(fits({ memoryBandwidthBytesPerSecond: 60e9 }))
  assert.ok(!fits({ memoryBandwidthBytesPerSecond: 61e9 }))
  assert.ok(fits({ gpu: ['h100', 'rtx 4090'] }))
  assert.ok(fits({ gpu: ['any'] }))
  assert.ok(!fits({ gpu: ['h100'] }))
  assert.equal(hardwareClassOf([classOf({ gpu: ['any'] })], { ...stated, gpu: '' }), 'other')
  const both = [classOf({ name: 'first', cores: 4 }), classOf({ name: 'second' })]
  assert.equal(hardwareClassOf(both, stated), 'first')
  assert.equal(hardwareClassOf(both, { ...stated, cores: 2 }), 'second')
  assert.equal(hardwareClassOf(both, null), 'upstream')
})

test('whose GPU’s memory is not known is of a class that does not ask for it, or of none', () => {
  const large = classOf({ name: 'large', gpu: ['4090'], gpuMemoryBytes: 16e9 })
  const any = classOf({ name: 'any', gpu: ['any'] })
  const silent = { ...stated, gpuMemoryBytes: 0 }
  assert.equal(hardwareClassOf([large], stated), 'large')
  assert.equal(hardwareClassOf([large], silent), 'unknown')
  assert.equal(hardwareClassOf([large, any], silent), 'any')
  assert.equal(hardwareClassOf([large], { ...silent, gpu: 'Radeon' }), 'other')
  assert.equal(hardwareClassOf([large], { ...silent, gpu: '' }), 'other')
  assert.equal(hardwareClassOf([{ ...large, cores: 99 }], silent), 'other')
  const own = { hardwareClass: 'large', ...anyRule }
  const other = { hardwareClass: 'other', ...anyRule, tokensPerSecondMin: 1 }
  assert.equal(ruleOf(sampleTier({ classes: [own] }), 'unknown'), undefined)
  assert.equal(ruleOf(sampleTier({ classes: [own, other] }), 'unknown'), other)
})

test('weights lie in the memory of what runs them', () => {
  assert.equal(memoryOf(stated, 'onnx/cpu'), 32e9)
  assert.equal(memoryOf(stated, 'onnx/webgpu'), 24e9)
  assert.equal(memoryOf({ ...stated, gpuMemoryBytes: 0 }, 'onnx/webgpu'), 32e9)
  assert.equal(memoryOf(null, 'upstream'), undefined)
})

test('a tier without classes has one rule for all; with classes, none for others', () => {
  assert.equal(ruleOf(sampleTier(), 'any'), anyRule)
  const own = { hardwareClass: 'gpu', ...anyRule, tokensPerSecondMin: 1 }
  assert.equal(ruleOf(sampleTier({ classes: [own] }), 'gpu'), own)
  assert.equal(ruleOf(sampleTier({ classes: [own] }), 'cpu'), undefined)
})

test('a policy’s version names its values', () => {
  const { version, ...values } = defaultPolicy
  assert.match(version, /^default-[0-9a-f]{16}$/)
  assert.equal(policyOf('default', values).version, version)
  const other = policyOf('default', { ...values, explorationShare: 0.04 }).version
  assert.notEqual(other, version)
  const deeper = { ...values, tiers: [sampleTier({ memoryBytes: 1 })] }
  const tiered = policyOf('default', { ...values, tiers: [sampleTier()] }).version
  assert.notEqual(policyOf('default', deeper).version, tiered)
})
