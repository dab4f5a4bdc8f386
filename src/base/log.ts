/**
 * Structured logging: one line of JSON per event, on standard error. Prompts and keys never go in.
 */
import type { Clock } from './clock.ts'

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent'
export type LogFields = Readonly<Record<string, string | number | boolean | null | undefined>>

export interface Log {
  debug(message: string, fields?: LogFields): void
  info(message: string, fields?: LogFields): void
  warn(message: string, fields?: LogFields): void
  error(message: string, fields?: LogFields): void
  /** A log whose lines carry these fields too, for example `{ module: 'transport' }`. */
  child(fields: LogFields): Log
}

const severity: Record<LogLevel, number> = { debug: 10, info: 20, warn: 30, error: 40, silent: 99 }

export interface LogOptions {
  readonly level: LogLevel
  readonly clock: Clock
  readonly write: (line: string) => void
}

export function createLog(options: LogOptions, fields: LogFields = {}): Log {
  const at = (level: LogLevel) => (message: string, more?: LogFields) => {
    if (severity[level] < severity[options.level]) return
    const time = new Date(options.clock.now()).toISOString()
    // The event's own three come first, and no field takes their place.
    const own = { time, level, message }
    options.write(`${JSON.stringify(Object.assign({ ...own }, fields, more, own))}\n`)
  }
  return {
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    child: (more) => createLog(options, { ...fields, ...more }),
  }
}

export const silentLog: Log = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  child: () => silentLog,
}
