/**
 * Progress of long work: a bar with rate and remaining time on a screen, plain lines elsewhere.
 */
import type { Clock } from '../../base/index.ts'
import type { Terminal } from './terminal.ts'

export interface Progress {
  /** @param done and @param total in bytes; a total of 0 is unknown */
  update(done: number, total: number): void
  /** An empty message leaves nothing behind. */
  finish(message: string): void
}

/** Redrawing more often costs time and is not seen. */
const redrawIntervalMs = 80
/** Plain lines come rarely: they stay in a log. */
const lineIntervalMs = 5_000
const barWidth = 24
/** Before that a rate is chance. */
const rateAfterMs = 300

export function createProgress(label: string, terminal: Terminal, clock: Clock): Progress {
  const startedMs = clock.monotonic()
  let doneBefore: number | null = null
  let drawnMs = Number.NEGATIVE_INFINITY
  const interval = terminal.redraws ? redrawIntervalMs : lineIntervalMs
  if (!terminal.redraws) drawnMs = startedMs
  return {
    update(done, total) {
      const now = clock.monotonic()
      doneBefore ??= done
      if (now - drawnMs < interval) return
      drawnMs = now
      const line = renderProgress(label, {
        done,
        total,
        elapsedMs: now - startedMs,
        doneBefore,
      })
      terminal.note(terminal.redraws ? `\r\u001b[2K${line}` : `${line}\n`)
    },
    finish(message) {
      if (terminal.redraws) terminal.note('\r\u001b[2K')
      if (message !== '') terminal.note(`${message}\n`)
    },
  }
}

export interface ProgressState {
  readonly done: number
  readonly total: number
  readonly elapsedMs: number
  /** What was there already: work that is continued was not done in this time. */
  readonly doneBefore?: number
}

export function renderProgress(label: string, state: ProgressState): string {
  const { done, total, elapsedMs, doneBefore = 0 } = state
  const rate = elapsedMs >= rateAfterMs ? ((done - doneBefore) / elapsedMs) * 1000 : 0
  const speed = rate > 0 ? `${formatBytes(rate)}/s` : '– B/s'
  if (total <= 0) return `${label}  ${formatBytes(done)}  ${speed}`
  const share = Math.min(1, done / total)
  const filled = Math.round(share * barWidth)
  const bar = '█'.repeat(filled) + '░'.repeat(barWidth - filled)
  const left = rate > 0 ? formatDuration(((total - done) / rate) * 1000) : '–'
  const percent = `${Math.floor(share * 100)} %`.padStart(5)
  const amount = `${formatBytes(done)} of ${formatBytes(total)}`
  return `${label}  ${bar} ${percent}  ${amount}  ${speed}  ${left} left`
}

export function formatBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  let value = Math.max(0, bytes)
  let unit = 0
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000
    unit += 1
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`
}

export function formatDuration(durationMs: number): string {
  if (durationMs < 1000) return `${Math.round(durationMs)} ms`
  const seconds = Math.round(durationMs / 1000)
  if (seconds < 60)
    return durationMs < 10_000 ? `${(durationMs / 1000).toFixed(1)} s` : `${seconds} s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return `${minutes} min ${seconds % 60} s`
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`
}
