import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createLog, ManualClock, seededRandom } from '../../base/index.ts'
import { nodeIdOf } from '../../protocol/index.ts'
import { RationedLog } from './rationed-log.ts'
import { SkewWatch } from './skew-watch.ts'

test('an operator is told that clocks differ, whose it likely is, and not too often', () => {
  const clock = new ManualClock()
  const lines: { message: string; members: number }[] = []
  const write = (line: string) => void lines.push(JSON.parse(line))
  const log = createLog({ level: 'info', clock, write })
  const watch = new SkewWatch(
    60_000,
    new RationedLog({ burstMax: 9, perSecondMax: 1 }, { clock, log }),
  )
  watch.say(0, 5)
  assert.equal(lines.length, 0)
  const random = seededRandom(2)
  const [one, two] = [nodeIdOf(random.bytes(32)), nodeIdOf(random.bytes(32))]
  for (const id of [one, one]) watch.note(id)
  watch.say(0, 5)
  assert.equal(lines[0]?.members, 1)
  assert.match(lines[0]?.message ?? '', /likely theirs is wrong/)
  for (const id of [one, two]) watch.note(id)
  watch.say(59_999, 1)
  assert.equal(lines.length, 1)
  watch.say(60_000, 1)
  assert.equal(lines[1]?.members, 2)
  assert.match(lines[1]?.message ?? '', /likely this machine’s is wrong/)
})
