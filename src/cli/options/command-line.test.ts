import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { commandLine, dataFlag, npmHint, storeFlag } from './command-line.ts'

const nowhere = { program: '/any/test.ts', folder: '/app' }

test('a hint is spelled as the person can type it', () => {
  const ours = { npm_package_name: 'isochrone' }
  for (const script of ['isochrone', 'start']) {
    const env = { ...ours, npm_lifecycle_event: script }
    assert.equal(
      commandLine('keys list', { ...nowhere, env, program: '/app/bin/isochrone.js' }),
      'npm run --silent isochrone -- keys list',
    )
  }
  // Another package's own script of that name knows no script of ours.
  const others = { npm_package_name: 'shop', npm_lifecycle_event: 'start' }
  for (const env of [{}, { ...ours, npm_lifecycle_event: 'test' }, others]) {
    assert.equal(commandLine('keys list', { ...nowhere, env }), 'isochrone keys list')
  }
  const npx = { npm_package_name: 'shop', npm_lifecycle_event: 'npx' }
  assert.equal(commandLine('keys list', { ...nowhere, env: npx }), 'npx isochrone keys list')
})

test('whose options npm kept for itself is told where they go', () => {
  const env = { npm_package_name: 'isochrone', npm_lifecycle_event: 'start' }
  assert.match(npmHint(env), /npm start -- --port 9090/)
  assert.equal(npmHint({ ...env, npm_lifecycle_event: 'isochrone' }), '')
})

test('who starts a file of the sources is told the same file, from where they are', () => {
  const told = (program: string) => commandLine('doctor', { env: {}, program, folder: '/app' })
  assert.equal(told('/app/bin/isochrone.js'), 'node bin/isochrone.js doctor')
  assert.equal(told('/app/src/cli/main.ts'), 'node src/cli/main.ts doctor')
  assert.equal(told('/opt/bin/isochrone.js'), 'node /opt/bin/isochrone.js doctor')
  assert.equal(told('/my app/bin/isochrone.js'), "node '/my app/bin/isochrone.js' doctor")
})

test('an installed program goes by its name where the shell finds it, else by its place', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'isochrone-name-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const program = join(folder, 'isochrone')
  writeFileSync(program, '')
  const env = { PATH: `/bin:${folder}` }
  assert.equal(commandLine('nodes', { env, program, folder }), 'isochrone nodes')
  assert.equal(commandLine('nodes', { env: {}, program, folder }), './isochrone nodes')
  assert.equal(commandLine('nodes', { env: {}, program, folder: '/app' }), `${program} nodes`)
})

test('a folder other than the default one is part of the hint, quoted for a shell', () => {
  assert.equal(dataFlag('.isochrone'), '')
  assert.equal(dataFlag('./my-data'), ' --data ./my-data')
  assert.equal(dataFlag("it's mine"), String.raw` --data 'it'\''s mine'`)
  assert.equal(storeFlag({ data: './d', store: undefined }), ' --data ./d')
  assert.equal(storeFlag({ data: './d', store: '/models' }), ' --store /models')
})
