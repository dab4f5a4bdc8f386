/** What drivers tell of GPUs counts where it is known which one works; nothing else is said. */
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { gpuOf, systemGpus } from './gpus.ts'

const h200 = '143771, NVIDIA H200\n'

/** @param cards the files of each of the kernel's cards */
function sources(t: TestContext, nvidia: string | null, cards: readonly object[] = []) {
  const folder = mkdtempSync(join(tmpdir(), 'isochrone-gpus-'))
  t.after(() => rmSync(folder, { recursive: true }))
  mkdirSync(join(folder, 'card0-HDMI-A-1'))
  for (const [i, files] of cards.entries()) {
    const device = join(folder, `card${i}`, 'device')
    mkdirSync(device, { recursive: true })
    for (const [name, text] of Object.entries(files)) writeFileSync(join(device, name), text)
  }
  const asked: (readonly string[])[] = []
  const run = async (program: string, args: readonly string[]) => {
    asked.push([program, ...args])
    if (nvidia === null) throw new Error('spawn nvidia-smi ENOENT')
    return nvidia
  }
  return { asked, run, cards: folder }
}

const amd = (memory: string, name = '') => ({
  mem_info_vram_total: `${memory}\n`,
  ...(name === '' ? {} : { product_name: `${name}\n` }),
})

test('NVIDIA’s driver tells name and memory', async (t) => {
  const from = sources(t, h200)
  const found = { name: 'NVIDIA H200', memoryBytes: 143_771 * 1024 * 1024 }
  assert.deepEqual(await gpuOf('cuda', from), found)
  assert.deepEqual(await gpuOf('webgpu', sources(t, h200 + h200)), found)
  const query = ['--query-gpu=memory.total,name', '--format=csv,noheader,nounits']
  assert.deepEqual(from.asked, [['nvidia-smi', ...query]])
})

test('AMD’s tells memory, and the name of some', async (t) => {
  const cards = [amd('17163091968', 'Radeon PRO W7500'), { vendor: '0x8086' }]
  const found = { name: 'Radeon PRO W7500', memoryBytes: 17_163_091_968 }
  assert.deepEqual(await gpuOf('webgpu', sources(t, null, cards)), found)
  const nameless = await gpuOf('webgpu', sources(t, null, [amd('17163091968')]))
  assert.deepEqual(nameless, { name: '', memoryBytes: 17_163_091_968 })
})

test('of several that differ it is not known which one works', async (t) => {
  const both = sources(t, h200, [amd('536870912')])
  assert.deepEqual(await gpuOf('webgpu', both), { name: '', memoryBytes: 0 })
  assert.equal((await gpuOf('cuda', both)).name, 'NVIDIA H200')
  const two = sources(t, `24564, NVIDIA GeForce RTX 4090\n${h200}`)
  assert.deepEqual(await gpuOf('cuda', two), { name: '', memoryBytes: 0 })
})

test('whatever drivers say, nothing else comes of it than names and sizes', async (t) => {
  const none = { name: '', memoryBytes: 0 }
  const texts = ['', '\n\n', 'NVIDIA-SMI has failed because it …', '5 GB', 'x'.repeat(60_000)]
  for (const text of texts) assert.deepEqual(await gpuOf('cuda', sources(t, text)), none, text)
  const unsaid = await gpuOf('cuda', sources(t, '[N/A], NVIDIA GB10\n'))
  assert.deepEqual(unsaid, { name: 'NVIDIA GB10', memoryBytes: 0 })
  for (const memory of ['-1', '1e9', '999999999999999', 'NaN', '']) {
    assert.equal((await gpuOf('cuda', sources(t, `${memory}, GPU\n`))).memoryBytes, 0, memory)
  }
  const { name } = await gpuOf('cuda', sources(t, `1, \u001b[2J${'n'.repeat(500)}\n`))
  assert.match(name, /^\[2Jn{125}$/)
  for (const memory of ['', 'none', '-5', '536870912']) {
    assert.deepEqual(await gpuOf('webgpu', sources(t, null, [amd(memory)])), none)
  }
})

test('a machine without such drivers has none of it', async () => {
  const found = await gpuOf('webgpu', { ...systemGpus, run: () => Promise.reject(new Error('no')) })
  assert.ok(found.memoryBytes >= 0)
  await assert.rejects(systemGpus.run('isochrone-no-such-program', []))
})
