import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { ManualClock } from './clock.ts'
import { createLog, type LogLevel, silentLog } from './log.ts'

const levels = ['debug', 'info', 'warn', 'error'] as const

function gather(level: LogLevel) {
  const lines: string[] = []
  const log = createLog({ level, clock: new ManualClock(0), write: (line) => lines.push(line) })
  return { lines, log }
}

test('an event is one line of JSON with time, level, message and fields', () => {
  const { lines, log } = gather('info')
  log.info('joined', { gateway: 'abc', running: 2, isLost: undefined })
  const own = '"time":"1970-01-01T00:00:00.000Z","level":"info","message":"joined"'
  assert.deepEqual(lines, [`{${own},"gateway":"abc","running":2}\n`])
})

test('only levels at or above the chosen one are written', () => {
  for (const [chosen, level] of ['debug', 'info', 'warn', 'error', 'silent'].entries()) {
    const { lines, log } = gather(level as LogLevel)
    for (const each of levels) log[each]('event')
    assert.equal(lines.length, levels.length - chosen)
  }
})

test('a child adds its fields, the call’s own win', () => {
  const { lines, log } = gather('debug')
  const child = log.child({ module: 'transport', peer: 'a' }).child({ peer: 'b' })
  child.debug('event', { module: 'tls' })
  const { module, peer } = JSON.parse(lines[0] ?? '')
  assert.deepEqual({ module, peer }, { module: 'tls', peer: 'b' })
})

test('any message and field stays on one line and leaves time, level and message alone', () => {
  const key = fc.oneof(fc.constantFrom('time', 'level', 'message'), fc.string({ unit: 'binary' }))
  const value = fc.oneof(fc.string({ unit: 'binary' }), fc.double(), fc.boolean())
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.dictionary(key, value), (message, fields) => {
      const { lines, log } = gather('info')
      log.child(fields).warn(message, fields)
      assert.equal(lines.length, 1)
      assert.equal(lines[0]?.indexOf('\n'), (lines[0]?.length ?? 0) - 1)
      const written = JSON.parse(lines[0] ?? '')
      assert.equal(written.message, message)
      assert.equal(written.level, 'warn')
      assert.equal(written.time, '1970-01-01T00:00:00.000Z')
    }),
  )
})

test('the silent log has silent children', () => {
  assert.equal(silentLog.child({ module: 'x' }), silentLog)
  for (const each of levels) silentLog[each]('event')
})
