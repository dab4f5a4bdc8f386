import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { latencyMapChecks } from './latency-map.ts'

test('without the data, what could not be measured is said, and falls short', async () => {
  const lines: string[] = []
  const nowhere = join(import.meta.dirname, 'no-such-folder')
  const checks = await latencyMapChecks(nowhere, 1, (line) => lines.push(line))
  assert.ok(checks.length >= 4)
  for (const { value, pass } of checks) assert.deepEqual([value, pass], [null, false])
  assert.match(lines.join('\n'), /not measured: there is no .*skyplane/)
})
