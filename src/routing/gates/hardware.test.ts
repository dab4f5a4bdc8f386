import assert from 'node:assert/strict'
import { test } from 'node:test'
import { classInWords, machineInWords } from '../machine-words.ts'
import { defaultPolicy } from '../policy.ts'
import { anyRule, sampleDemand, sampleTier } from '../samples.fixture.ts'
import type { HardwareClass } from '../tier.ts'
import { hardwareGate } from './hardware.ts'
import { checkInTier, checkInWords } from './sample-check.fixture.ts'

const gib = 1024 ** 3

test('a class that the tier does not name is rejected; where it names none, all may', () => {
  const classes = ['gpu', 'big-gpu'].map((hardwareClass) => ({ hardwareClass, ...anyRule }))
  assert.equal(checkInWords(hardwareGate, {}, {}), 'not asked')
  assert.equal(checkInTier(hardwareGate, {}, { hardwareClass: 'cpu' }), 'not asked')
  assert.equal(checkInTier(hardwareGate, { classes }, { hardwareClass: 'big-gpu' }), 'pass')
  const rejected = checkInTier(hardwareGate, { classes }, { hardwareClass: 'cpu' })
  const unknown = checkInTier(hardwareGate, { classes }, { hardwareClass: 'unknown' })
  assert.match(unknown, / \/ class unknown: it does not state the memory of its GPU \(2 cores, /)
  assert.equal(
    rejected,
    'hardware of class gpu or big-gpu for the tier sample-tier / ' +
      'class cpu, by its own statement (2 cores, 8 GiB, no GPU)',
  )
})

test('what a class asks for and what the machine states are said in the same words', () => {
  const none = { gpu: [], gpuMemoryBytes: 0, memoryBytes: 0, cores: 0 }
  const asked: HardwareClass[] = [
    { ...none, name: 'cpu', cores: 4, memoryBytes: 8 * gib, memoryBandwidthBytesPerSecond: 20e9 },
    { ...none, name: 'gpu', gpu: ['any'], gpuMemoryBytes: gib, memoryBandwidthBytesPerSecond: 0 },
    { ...none, name: 'big', gpu: ['h100', 'a100'], memoryBandwidthBytesPerSecond: 0 },
    { ...none, name: 'all', memoryBandwidthBytesPerSecond: 0 },
  ]
  const words = asked.map((one) => classInWords(one.name, one))
  assert.deepEqual(words, [
    'cpu (4 cores, 8 GiB, 20 GB/s)',
    'gpu (any GPU, 1 GiB of GPU memory)',
    'big (GPU h100 or a100)',
    'all',
  ])
  const stated = {
    ...{ platform: '', cpu: '', cores: 1, memoryBytes: 8e9, memoryFreeBytes: 0, gpu: '' },
    ...{ gpuMemoryBytes: 0, memoryBandwidthBytesPerSecond: 12.34e9, integerExact: true },
  }
  assert.equal(machineInWords(asked, stated), '1 core, 7.45 GiB, 12.3 GB/s, no GPU')
  const withGpu = { ...stated, gpu: 'Some GPU', gpuMemoryBytes: 2 * gib }
  assert.equal(
    machineInWords(asked.slice(1), withGpu),
    '1 core, 7.45 GiB, GPU Some GPU, 2 GiB of GPU memory',
  )
  assert.equal(machineInWords(asked, null), '')
  const forged = machineInWords([], { ...withGpu, gpu: `X\n\u001b[2J${'y'.repeat(200)}` })
  assert.match(forged, /GPU X {2}\[2Jy+, 2 GiB/)
  assert.ok(forged.length < 120)
  const classes = [{ hardwareClass: 'cpu', ...anyRule }]
  const policy = { ...defaultPolicy, hardwareClasses: asked }
  const demand = { ...sampleDemand(), policy, tier: sampleTier({ classes }) }
  assert.equal(
    hardwareGate.required(demand),
    'hardware of class cpu (4 cores, 8 GiB, 20 GB/s) for the tier sample-tier',
  )
})
