import assert from 'node:assert/strict'
import { test } from 'node:test'
import { commandLine, dataFlag } from './command-line.ts'

test('a hint is spelled as the person can type it', () => {
  const ours = { npm_package_name: 'isochrone' }
  for (const script of ['isochrone', 'start']) {
    const spelled = commandLine('keys list', { ...ours, npm_lifecycle_event: script })
    assert.equal(spelled, 'npm run --silent isochrone -- keys list')
  }
  // Another package's own script of that name knows no script of ours.
  const others = { npm_package_name: 'shop', npm_lifecycle_event: 'start' }
  for (const env of [{}, { ...ours, npm_lifecycle_event: 'test' }, others]) {
    assert.equal(commandLine('keys list', env), 'isochrone keys list')
  }
})

test('a folder other than the default one is part of the hint, quoted for a shell', () => {
  assert.equal(dataFlag('.isochrone'), '')
  assert.equal(dataFlag('./my-data'), ' --data ./my-data')
  assert.equal(dataFlag("it's mine"), String.raw` --data 'it'\''s mine'`)
})
