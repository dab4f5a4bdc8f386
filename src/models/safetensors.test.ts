import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { test } from 'node:test'
import fc from 'fast-check'
import { IsochroneError } from '../protocol/index.ts'
import {
  joinSafetensors,
  randomTensors,
  safetensors,
  smallConfig,
  temporaryFolder,
} from './checkpoint.fixture.ts'
import { openCheckpoint, parseIndex } from './checkpoint.ts'
import { parseSafetensorsHeader } from './safetensors.ts'

const file = 'model.safetensors'

function parse(header: string, dataBytes: number) {
  const bytes = new TextEncoder().encode(header)
  return parseSafetensorsHeader(bytes, { file, fileBytes: 8 + bytes.length + dataBytes })
}

function entry(dtype: string, shape: readonly number[], offsets: readonly number[]): string {
  return JSON.stringify({ a: { dtype, shape, data_offsets: offsets } })
}

test('a header tells where each tensor lies', () => {
  const header = entry('BF16', [2, 3], [0, 12])
  const { a } = Object.fromEntries(parse(header, 12))
  assert.equal(a?.offset, 8 + header.length)
  assert.deepEqual([a?.bytes, a?.dtype, a?.shape], [12, 'BF16', [2, 3]])
})

const hostile: Readonly<Record<string, readonly [header: string, dataBytes: number]>> = {
  'no JSON': ['{"a":', 0],
  'a list': ['[]', 0],
  null: ['null', 0],
  'an unknown dtype': [entry('Q4', [2], [0, 8]), 8],
  'a shape that is no list': ['{"a":{"dtype":"F32","shape":8,"data_offsets":[0,8]}}', 8],
  'a negative size': [entry('F32', [-2], [0, 8]), 8],
  'a broken size': [entry('F32', [1.5], [0, 6]), 6],
  'sizes that overflow': [entry('F32', [2 ** 40, 2 ** 40], [0, 8]), 8],
  'too many dimensions': [entry('F32', new Array(9).fill(1), [0, 4]), 4],
  'data beyond the end': [entry('F32', [4], [0, 16]), 8],
  'data before the start': [entry('F32', [2], [8, 0]), 8],
  'data of another size': [entry('F32', [3], [0, 8]), 8],
  'a hole': [entry('F32', [1], [4, 8]), 8],
  'data that belongs to nothing': [entry('F32', [1], [0, 4]), 8],
  'offsets as text': ['{"a":{"dtype":"F32","shape":[1],"data_offsets":["0","4"]}}', 4],
}

for (const [name, [header, dataBytes]] of Object.entries(hostile)) {
  test(`a header with ${name} is corrupt`, () => {
    assert.throws(() => parse(header, dataBytes), isCorrupt)
  })
}

test('overlapping tensors are corrupt', () => {
  const tensor = { dtype: 'F32', shape: [2], data_offsets: [0, 8] }
  const other = { dtype: 'F32', shape: [2], data_offsets: [4, 12] }
  assert.throws(() => parse(JSON.stringify({ a: tensor, b: other }), 12), isCorrupt)
})

test('any JSON as a header is read or refused, never worse', () => {
  fc.assert(
    fc.property(fc.json(), fc.nat(64), (header, dataBytes) => {
      refuseOrAccept(() => parse(header, dataBytes), dataBytes)
    }),
  )
})

test('a good header with any bytes changed is read or refused, never worse', () => {
  const good = JSON.stringify({
    a: { dtype: 'F32', shape: [2], data_offsets: [0, 8] },
    b: { dtype: 'F16', shape: [2, 2], data_offsets: [8, 16] },
  })
  const change = fc.tuple(fc.nat(good.length - 1), fc.nat(255))
  fc.assert(
    fc.property(fc.array(change, { minLength: 1, maxLength: 4 }), (changes) => {
      const bytes = new TextEncoder().encode(good)
      for (const [at, value] of changes) bytes[at] = value
      const from = { file, fileBytes: 8 + bytes.length + 16 }
      refuseOrAccept(() => parseSafetensorsHeader(bytes, from), 16)
    }),
    { numRuns: 500 },
  )
})

test('a truncated file names itself', async (t) => {
  const folder = await temporaryFolder(t)
  const whole = safetensors(randomTensors(smallConfig, 'F32'), 'F32')
  for (const bytes of [0, 7, 8, 100, whole.length - 1]) {
    await writeFile(`${folder}/${file}`, whole.subarray(0, bytes))
    await assert.rejects(openCheckpoint(folder), isCorrupt)
  }
})

test('a header that claims more than the file, or than memory, is corrupt', async (t) => {
  const folder = await temporaryFolder(t)
  for (const length of [1000n, 2n ** 40n, 2n ** 64n - 1n]) {
    const bytes = joinSafetensors('{}', new Uint8Array(20))
    new DataView(bytes.buffer, bytes.byteOffset).setBigUint64(0, length, true)
    await writeFile(`${folder}/${file}`, bytes)
    await assert.rejects(openCheckpoint(folder), isCorrupt)
  }
})

test('values come out of every type, in any rows', async (t) => {
  for (const dtype of ['F32', 'F16', 'BF16'] as const) {
    const folder = await temporaryFolder(t)
    const values = Float32Array.of(1.5, -2, 0.25, 1024, 0, -0.5)
    const tensors = new Map([['a', { shape: [3, 2], values }]])
    await writeFile(`${folder}/${file}`, safetensors(tensors, dtype))
    const checkpoint = await openCheckpoint(folder)
    const a = checkpoint.entry('a', [3, 2])
    assert.deepEqual([...(await checkpoint.readRows(a, 1, 2))], [0.25, 1024, 0, -0.5])
    await checkpoint.close()
  }
})

test('a value that is not finite names its tensor', async (t) => {
  const folder = await temporaryFolder(t)
  const values = Float32Array.of(1, Number.NaN)
  await writeFile(
    `${folder}/${file}`,
    safetensors(new Map([['bad', { shape: [2], values }]]), 'F32'),
  )
  const checkpoint = await openCheckpoint(folder)
  const entryOfBad = checkpoint.entry('bad', [2])
  await assert.rejects(checkpoint.readRows(entryOfBad, 0, 2), /model\.safetensors: tensor bad/)
  await checkpoint.close()
})

test('an index that leads out of the folder is corrupt', () => {
  for (const name of ['../x.safetensors', '/etc/x.safetensors', 'a/b.safetensors', 'x.bin', 5]) {
    const text = JSON.stringify({ weight_map: { a: name } })
    assert.throws(() => parseIndex(text, 'index.json'), isCorrupt)
  }
})

test('shards named by an index are read as one checkpoint', async (t) => {
  const folder = await temporaryFolder(t)
  const one = (value: number) => ({ shape: [1], values: Float32Array.of(value) })
  await writeFile(`${folder}/1.safetensors`, safetensors(new Map([['a', one(1)]]), 'F32'))
  await writeFile(`${folder}/2.safetensors`, safetensors(new Map([['b', one(2)]]), 'F32'))
  const writeIndex = (map: object) =>
    writeFile(`${folder}/model.safetensors.index.json`, JSON.stringify({ weight_map: map }))
  await writeIndex({ a: '1.safetensors', b: '2.safetensors' })
  const checkpoint = await openCheckpoint(folder)
  const [b] = await checkpoint.readRows(checkpoint.entry('b', [1]), 0, 1)
  assert.equal(b, 2)
  await checkpoint.close()
  await writeIndex({ a: '1.safetensors', b: '1.safetensors' })
  await assert.rejects(openCheckpoint(folder), /1\.safetensors: tensor b/)
  await writeIndex({ a: '1.safetensors', b: '3.safetensors' })
  await assert.rejects(openCheckpoint(folder), /3\.safetensors: the file is missing/)
})

/** What is accepted covers exactly the data. */
function refuseOrAccept(read: () => ReturnType<typeof parse>, dataBytes: number): void {
  try {
    const bytes = [...read().values()].reduce((sum, tensor) => sum + tensor.bytes, 0)
    assert.equal(bytes, dataBytes)
  } catch (error) {
    if (!isCorrupt(error)) throw error
  }
}

function isCorrupt(error: unknown): boolean {
  return (
    error instanceof IsochroneError &&
    error.code === 'model_corrupt' &&
    typeof error.detail['file'] === 'string' &&
    typeof error.detail['reason'] === 'string'
  )
}
