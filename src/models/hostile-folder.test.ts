/**
 * Folders that somebody made to hang, fill or confuse an import.
 */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import { promisify } from 'node:util'
import { hasCode, IsochroneError } from '../protocol/index.ts'
import { smallConfig, temporaryFolder, writeCheckpoint } from './checkpoint.fixture.ts'
import { importModel, listModels } from './index.ts'
import { incomingPrefix } from './store.ts'

async function setUp(t: TestContext) {
  const root = await temporaryFolder(t)
  const folder = path.join(root, 'hf')
  await mkdir(folder)
  await writeCheckpoint(folder, smallConfig)
  return { folder, storeDir: path.join(root, 'store') }
}

async function refusal(folder: string, storeDir: string): Promise<IsochroneError> {
  try {
    await importModel(folder, { storeDir, name: 'small' })
  } catch (error) {
    assert.ok(error instanceof IsochroneError, String(error))
    assert.deepEqual(await listModels(storeDir), [])
    return error
  }
  return assert.fail('the import succeeded')
}

const names = ['config.json', 'model.safetensors', 'model.safetensors.index.json'] as const

for (const name of names) {
  test(`a folder in place of ${name} is refused`, async (t) => {
    const { folder, storeDir } = await setUp(t)
    await rm(path.join(folder, name), { force: true })
    await mkdir(path.join(folder, name))
    const error = await refusal(folder, storeDir)
    assert.match(error.message, /not a regular file/)
    assert.deepEqual(await readdir(storeDir), [])
  })

  test(`a pipe in place of ${name} is not waited for`, { skip: isWindows() }, async (t) => {
    const { folder, storeDir } = await setUp(t)
    await rm(path.join(folder, name), { force: true })
    await promisify(execFile)('mkfifo', [path.join(folder, name)])
    assert.equal((await refusal(folder, storeDir)).code, 'model_corrupt')
  })
}

test('names in a file reach no terminal as they are', async (t) => {
  const { folder, storeDir } = await setUp(t)
  const name = `\u001b[2J\n${'A'.repeat(100_000)}`
  const header = Buffer.from(JSON.stringify({ [name]: 1 }))
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(header.length))
  await writeFile(path.join(folder, 'model.safetensors'), Buffer.concat([length, header]))
  const error = await refusal(folder, storeDir)
  const all = JSON.stringify([error.message, error.detail])
  assert.ok(all.length < 5000)
  assert.doesNotMatch(all, /\\u001b|\\n/)
})

test('a configuration that asks for too much is wrong, and the disk is not full', async (t) => {
  const { folder, storeDir } = await setUp(t)
  await edit(folder, { vocab_size: 2_000_000, hidden_size: 65_536 })
  assert.equal((await refusal(folder, storeDir)).code, 'model_corrupt')
})

test('more end tokens than a manifest holds are refused, not stored', async (t) => {
  const { folder, storeDir } = await setUp(t)
  await edit(folder, { eos_token_id: new Array(65).fill(1) })
  assert.match((await refusal(folder, storeDir)).message, /eos_token_id: 65 token ids/)
})

test('a tokenizer that is no JSON is refused before a node tries it', async (t) => {
  const { folder, storeDir } = await setUp(t)
  await writeFile(path.join(folder, 'tokenizer.json'), '{')
  assert.match((await refusal(folder, storeDir)).message, /tokenizer\.json: it is not valid JSON/)
})

test('a folder that is not there is said to be missing, not its files', async (t) => {
  const { folder, storeDir } = await setUp(t)
  const nowhere = `${folder}-nowhere`
  assert.ok((await refusal(nowhere, storeDir)).message.startsWith(`${nowhere}: the folder is`))
})

test('a folder without a tokenizer is refused, with the file and how to make it', async (t) => {
  const { folder, storeDir } = await setUp(t)
  await rm(path.join(folder, 'tokenizer.json'))
  await writeFile(path.join(folder, 'tokenizer.model'), 'sentencepiece')
  const error = await refusal(folder, storeDir)
  assert.equal(error.code, 'model_unsupported')
  assert.equal(error.detail['file'], path.join(folder, 'tokenizer.json'))
  assert.match(error.message, /no tokenizer.*save_pretrained/)
  assert.deepEqual(await readdir(storeDir), [])
})

test('something else under the name is left alone, and named', async (t) => {
  const { folder, storeDir } = await setUp(t)
  await mkdir(path.join(storeDir, 'small'), { recursive: true })
  await writeFile(path.join(storeDir, 'small', 'notes'), 'mine')
  const error = await refusal(folder, storeDir)
  assert.ok(hasCode(error, 'invalid_configuration'))
  assert.match(error.message, /no whole model named small/)
  assert.deepEqual(await readdir(storeDir), ['small'])
})

test('what another process left is swept, also one with this one’s id', async (t) => {
  const { folder, storeDir } = await setUp(t)
  await mkdir(path.join(storeDir, `${incomingPrefix}${process.pid}-abc`), { recursive: true })
  const both = ['one', 'two'].map((name) => importModel(folder, { storeDir, name }))
  await Promise.all(both)
  assert.deepEqual((await readdir(storeDir)).sort(), ['one', 'two'])
})

async function edit(folder: string, changes: object): Promise<void> {
  const file = path.join(folder, 'config.json')
  const config: object = JSON.parse(await readFile(file, 'utf8'))
  await writeFile(file, JSON.stringify({ ...config, ...changes }))
}

function isWindows(): boolean {
  return process.platform === 'win32'
}
