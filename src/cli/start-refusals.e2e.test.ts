/** What keeps a network from starting: each time one line that says what and how to mend it. */
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { runCli } from './start.fixture.ts'

describe('what keeps a network from starting', () => {
  test('a busy port: one line that names it and says how to mend it', async () => {
    const squatter = createServer().listen(0, '127.0.0.1')
    await new Promise((resolve) => squatter.once('listening', resolve))
    const { port } = squatter.address() as AddressInfo
    const folder = mkdtempSync(join(tmpdir(), 'isochrone-busy-'))
    const { code, err } = await runCli(['start', '--port', String(port), '--data', folder], {
      folder,
    })
    squatter.close()
    assert.ok(!existsSync(join(folder, 'models')), 'nothing was prepared for it')
    rmSync(folder, { recursive: true, force: true })
    assert.equal(code, 1)
    const errors = err.split('\n').filter((line) => line.startsWith('error:'))
    assert.equal(errors.length, 1, err)
    assert.match(errors[0] ?? '', new RegExp(`${port}.*--port`))
  })

  test('a data folder that cannot be: one line', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'isochrone-file-'))
    writeFileSync(join(folder, 'file'), '')
    const { code, err } = await runCli(['start', '--data', join(folder, 'file')], { folder })
    rmSync(folder, { recursive: true, force: true })
    assert.equal(code, 1)
    assert.match(err.trim(), /^error: cannot create the data folder .*--data DIR$/)
  })

  test('a data folder that the system will not have: one line, at once', {
    skip: process.platform !== 'linux' && 'there is no /proc',
  }, async () => {
    const folder = mkdtempSync(join(tmpdir(), 'isochrone-proc-'))
    const { code, err } = await runCli(['start', '--data', '/proc/isochrone'], { folder })
    rmSync(folder, { recursive: true, force: true })
    assert.equal(code, 1)
    assert.match(err.trim(), /^error: cannot create the data folder \/proc\/.*--data DIR$/)
  })

  test('a missing native library: one line, and no process stays', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'isochrone-library-'))
    // Stands for a package that is not there: resolving it fails as it does then.
    const preload = join(folder, 'preload.mjs')
    writeFileSync(
      preload,
      `import { registerHooks } from 'node:module'
      registerHooks({
        resolve(specifier, context, next) {
          if (specifier === 'onnxruntime-node') throw new Error('libonnxruntime.so.1 is missing')
          return next(specifier, context)
        },
      })`,
    )
    const args = ['start', '--nodes', '2', '--port', '0', '--data', join(folder, 'data')]
    const { code, err } = await runCli(args, {
      folder,
      env: { NODE_OPTIONS: `--import=${pathToFileURL(preload)}` },
    })
    rmSync(folder, { recursive: true, force: true })
    assert.equal(code, 1)
    const errors = err.split('\n').filter((line) => line.startsWith('error:'))
    assert.equal(errors.length, 1, err)
    assert.match(errors[0] ?? '', /libonnxruntime\.so\.1 is missing/)
    assert.match(err, /Every process has ended/)
  })
})
