import assert from 'node:assert/strict'
import { mkdir, readdir, readFile, truncate, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { test } from 'node:test'
import { hasCode, IsochroneError } from '../protocol/index.ts'
import {
  randomTensors,
  safetensors,
  smallConfig,
  temporaryFolder,
  writeCheckpoint,
} from './checkpoint.fixture.ts'
import { importModel, listModels, openModel, removeModel, verifyModel } from './index.ts'
import { storageFault } from './store.ts'

async function importSmall(storeDir: string, folder: string, name = 'small') {
  await mkdir(folder, { recursive: true })
  await writeCheckpoint(folder, smallConfig)
  return importModel(folder, { storeDir, name })
}

test('an imported model is listed, opened by name and digest, verified and removed', async (t) => {
  const root = await temporaryFolder(t)
  const storeDir = path.join(root, 'store')
  assert.deepEqual(await listModels(storeDir), [])
  const manifest = await importSmall(storeDir, `${root}/hf`)
  assert.deepEqual(
    (await listModels(storeDir)).map((model) => model.manifest),
    [manifest],
  )
  const model = await openModel(storeDir, manifest.digest)
  assert.deepEqual(model, await openModel(storeDir, 'small'))
  await verifyModel(model)
  await removeModel(storeDir, 'small')
  assert.deepEqual(await readdir(storeDir), [])
  await assert.rejects(openModel(storeDir, 'small'), (e) => hasCode(e, 'model_not_found'))
  await assert.rejects(removeModel(storeDir, 'small'), (e) => hasCode(e, 'model_not_found'))
})

test('the digest is the model’s, whatever its name, and the quantisation’s', async (t) => {
  const root = await temporaryFolder(t)
  const storeDir = path.join(root, 'store')
  const one = await importSmall(storeDir, `${root}/hf`, 'one')
  const two = await importSmall(storeDir, `${root}/hf`, 'two')
  const half = await importModel(`${root}/hf`, { storeDir, quantisation: 'float16' })
  assert.equal(one.digest, two.digest)
  assert.notEqual(one.digest, half.digest)
  assert.equal(half.name, 'hf-float16')
})

test('the same model again is no error, another under its name is', async (t) => {
  const root = await temporaryFolder(t)
  const storeDir = path.join(root, 'store')
  const first = await importSmall(storeDir, `${root}/hf`)
  assert.deepEqual(await importSmall(storeDir, `${root}/hf`), first)
  const other = importModel(`${root}/hf`, { storeDir, name: 'small', quantisation: 'float16' })
  await assert.rejects(other, (e) => hasCode(e, 'invalid_configuration'))
  assert.deepEqual(await readdir(storeDir), ['small'])
})

test('names that lead elsewhere are refused', async (t) => {
  const root = await temporaryFolder(t)
  await writeCheckpoint(root, smallConfig)
  for (const name of ['..', '.', '../x', 'a/b', '', '.hidden', 'x'.repeat(97), 'a\0b', 'a b']) {
    const imported = importModel(root, { storeDir: `${root}/store`, name })
    await assert.rejects(imported, (e) => hasCode(e, 'invalid_configuration'), name)
    await assert.rejects(openModel(`${root}/store`, name), (e) => hasCode(e, 'model_not_found'))
  }
})

test('a truncated, incomplete or foreign checkpoint leaves nothing half-imported', async (t) => {
  const root = await temporaryFolder(t)
  const storeDir = path.join(root, 'store')
  const weights = `${root}/model.safetensors`
  const attempt = async (pattern: RegExp) => {
    await assert.rejects(importModel(root, { storeDir, name: 'small' }), (error) => {
      assert.ok(error instanceof IsochroneError && error.code === 'model_corrupt', String(error))
      assert.match(error.message, pattern)
      return true
    })
    assert.deepEqual(await readdir(storeDir), [])
  }
  await attempt(/config\.json: the file is missing/)
  await writeCheckpoint(root, smallConfig)
  await truncate(weights, 5000)
  await attempt(/model\.safetensors: tensor model\.embed_tokens\.weight: its data/)
  const tensors = new Map(randomTensors(smallConfig, 'F32'))
  const write = () => writeFile(weights, safetensors(tensors, 'F32'))
  const norm = tensors.get('model.norm.weight')
  assert.ok(norm !== undefined)
  tensors.delete('model.norm.weight')
  await write()
  await attempt(/tensor model\.norm\.weight: it is missing/)
  tensors.set('model.norm.weight', { shape: [2, 24], values: norm.values })
  await write()
  await attempt(/tensor model\.norm\.weight: its shape is \[2, 24\]; config\.json asks for \[48\]/)
  tensors.set('model.norm.weight', norm)
  tensors.set('model.layers.0.self_attn.q_norm.weight', norm)
  await write()
  await attempt(
    /tensor model\.layers\.0\.self_attn\.q_norm\.weight: the checkpoint has this tensor/,
  )
  tensors.delete('model.layers.0.self_attn.q_norm.weight')
  tensors.set('model.norm.weight', { ...norm, values: norm.values.map(() => Number.NaN) })
  await write()
  await attempt(/tensor model\.norm\.weight: the value at 0 is not a finite number/)
})

test('a value that float16 cannot hold is refused by tensor', async (t) => {
  const root = await temporaryFolder(t)
  await writeCheckpoint(root, smallConfig)
  const tensors = new Map(randomTensors(smallConfig, 'F32'))
  const name = 'model.layers.1.mlp.up_proj.weight'
  const up = tensors.get(name)
  assert.ok(up !== undefined)
  up.values[7] = 1e6
  await writeFile(`${root}/model.safetensors`, safetensors(tensors, 'F32'))
  const options = { storeDir: `${root}/store`, name: 'small', quantisation: 'float16' } as const
  await assert.rejects(importModel(root, options), (error) => hasCode(error, 'model_unsupported'))
  assert.deepEqual(await readdir(`${root}/store`), [])
})

test('changed files are found: size on opening, content on demand', async (t) => {
  const root = await temporaryFolder(t)
  const storeDir = path.join(root, 'store')
  await importSmall(storeDir, `${root}/hf`)
  const model = await openModel(storeDir, 'small')
  const weights = path.join(model.folder, 'weights.bin')
  const bytes = await readFile(weights)
  bytes[1000] = (bytes[1000] ?? 0) ^ 1
  await writeFile(weights, bytes)
  await openModel(storeDir, 'small')
  await assert.rejects(verifyModel(model), /weights\.bin: its content has changed/)
  await truncate(weights, bytes.length - 1)
  await assert.rejects(openModel(storeDir, 'small'), /weights\.bin: it has \d+ bytes instead of/)
})

test('a manifest that was changed or damaged is corrupt, and not listed', async (t) => {
  const root = await temporaryFolder(t)
  const storeDir = path.join(root, 'store')
  const manifest = await importSmall(storeDir, `${root}/hf`)
  const file = path.join(storeDir, 'small', 'manifest.json')
  const damaged = [
    '',
    'null',
    '{}',
    JSON.stringify({ ...manifest, parameters: manifest.parameters + 1 }),
    JSON.stringify({ ...manifest, name: 'other' }),
    JSON.stringify({ ...manifest, extra: 1 }),
    JSON.stringify({ ...manifest, files: [{ path: '../x', bytes: 1, sha256: '0'.repeat(64) }] }),
  ]
  for (const text of damaged) {
    await writeFile(file, text)
    await assert.rejects(openModel(storeDir, 'small'), (e) => hasCode(e, 'model_corrupt'), text)
    assert.deepEqual(await listModels(storeDir), [])
  }
})

test('what an import that died has left is swept by the next', async (t) => {
  const root = await temporaryFolder(t)
  const storeDir = path.join(root, 'store')
  // No process has this id: it is above the greatest that Linux gives.
  await mkdir(`${storeDir}/.incoming-99999999-abc`, { recursive: true })
  await writeFile(`${storeDir}/.incoming-99999999-abc/weights.bin`, 'half')
  assert.deepEqual(await listModels(storeDir), [])
  await importSmall(storeDir, `${root}/hf`)
  assert.deepEqual(await readdir(storeDir), ['small'])
})

test('an aborted import leaves nothing', async (t) => {
  const root = await temporaryFolder(t)
  await writeCheckpoint(root, smallConfig)
  const abort = new AbortController()
  const imported = importModel(root, {
    storeDir: `${root}/store`,
    name: 'small',
    signal: abort.signal,
    onProgress: () => abort.abort(),
  })
  await assert.rejects(imported, { name: 'AbortError' })
  assert.deepEqual(await readdir(`${root}/store`), [])
})

test('a full disk is said in words', () => {
  const fault = storageFault(Object.assign(new Error('x'), { code: 'ENOSPC' }), 'data')
  assert.ok(fault instanceof IsochroneError && fault.code === 'storage_failed')
  assert.match(fault.message, /data: the disk is full\. Free some space/)
})
