/** The log of a program: lines of JSON on standard error. */
import { createLog, type Log, type LogLevel, systemClock } from '../../base/index.ts'
import type { Terminal } from '../terminal/terminal.ts'

export function programLog(level: string, terminal: Terminal): Log {
  return createLog({
    level: level as LogLevel,
    clock: systemClock,
    write: (line) => terminal.note(line),
  })
}
