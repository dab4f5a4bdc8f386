import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createLog, ManualClock } from '../../base/index.ts'
import { RationedLog } from './rationed-log.ts'

function begin() {
  const clock = new ManualClock()
  const lines: { message: string; leftOut?: number; member?: number }[] = []
  const write = (line: string) => void lines.push(JSON.parse(line))
  const log = createLog({ level: 'info', clock, write })
  const rationed = new RationedLog({ burstMax: 3, perSecondMax: 0.5 }, { clock, log })
  return { clock, lines, rationed }
}

test('of one kind so many lines are written, and how many were left out', () => {
  const { clock, lines, rationed } = begin()
  const join = (member: number) =>
    rationed.info({ kind: 'joined', message: 'a member joined', fields: { member } })
  for (let member = 0; member < 1_000; member += 1) join(member)
  assert.deepEqual(
    lines.map(({ member }) => member),
    [0, 1, 2],
  )
  rationed.warn({ kind: 'other', message: 'something else' })
  assert.equal(lines.length, 4)
  clock.advance(2_000)
  join(1_000)
  assert.equal(lines[4]?.member, 1_000)
  assert.equal(lines[4]?.leftOut, 997)
})

test('what was left out is said also when nothing follows', () => {
  const { clock, lines, rationed } = begin()
  for (let i = 0; i < 5; i += 1) rationed.warn({ kind: 'fault', message: 'refused' })
  rationed.flush()
  assert.equal(lines.length, 3)
  clock.advance(2_000)
  rationed.flush()
  assert.deepEqual(
    [lines[3]?.message, lines[3]?.leftOut],
    ['refused: more of these were left out', 2],
  )
  clock.advance(60_000)
  rationed.flush()
  assert.equal(lines.length, 4)
})
