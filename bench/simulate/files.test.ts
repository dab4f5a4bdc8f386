// Files that are named to a simulation, and what it says of those that are not there.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { readBytes } from './files.ts'
import { meshHelp, meshWords } from './mesh-help.ts'
import { routingHelp, routingWords } from './routing.ts'

const source = { option: 'latency', what: 'a matrix', bytesMax: 8 }

test('a file that cannot be read is named in plain words', () => {
  const folder = mkdtempSync(join(tmpdir(), 'isochrone-files-'))
  const file = join(folder, 'matrix')
  const refusal = (path: string) => {
    try {
      readBytes(path, source)
    } catch (error) {
      return (error as Error).message.replaceAll(folder, 'DIR')
    }
    return 'read'
  }
  assert.match(refusal(file), /^--latency DIR\/matrix: there is no such file; .* a matrix\./)
  assert.match(refusal(folder), /that is a folder, not a file/)
  writeFileSync(file, 'matrix')
  assert.equal(refusal(file), 'read')
  assert.match(refusal(join(file, 'below')), /there is no such file/)
  writeFileSync(file, 'too large')
  assert.match(refusal(file), /is larger than 8 bytes/)
  for (const path of [folder, join(folder, 'none')]) {
    assert.doesNotMatch(refusal(path), /ENOENT|EISDIR/)
  }
  rmSync(folder, { recursive: true })
})

test('the help fits a screen', () => {
  for (const line of [...meshHelp, ...meshWords, ...routingHelp, ...routingWords]) {
    assert.ok(line.length <= 100, line)
  }
})
