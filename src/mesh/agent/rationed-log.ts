/**
 * A log that nobody can fill from afar: of each kind so many lines at once and so many a minute.
 * How many were left out is said with the next, or when there is room again.
 */
import type { Clock, Log, LogFields } from '../../base/index.ts'
import { WorkAllowance, type WorkBounds } from './work-allowance.ts'

export type LogLine = {
  /** Lines of one kind share one ration. */
  readonly kind: string
  readonly message: string
  readonly fields?: LogFields
}

interface Ration {
  readonly allowance: WorkAllowance
  readonly level: 'info' | 'warn'
  readonly message: string
  leftOut: number
}

export class RationedLog {
  readonly #bounds: WorkBounds
  readonly #log: Log
  readonly #clock: Pick<Clock, 'monotonic'>
  /** By kind: those that the program has. */
  readonly #rations = new Map<string, Ration>()

  constructor(
    { burstMax, perSecondMax }: Pick<WorkBounds, 'burstMax' | 'perSecondMax'>,
    { clock, log }: { readonly clock: Pick<Clock, 'monotonic'>; readonly log: Log },
  ) {
    this.#bounds = { burstMax, perSecondMax, debtMax: 0 }
    this.#clock = clock
    this.#log = log
  }

  info(line: LogLine): void {
    this.#say('info', line)
  }

  warn(line: LogLine): void {
    this.#say('warn', line)
  }

  /** Says what was left out and never followed; to be called now and then. */
  flush(): void {
    for (const ration of this.#rations.values()) {
      const { allowance, leftOut, level, message } = ration
      if (leftOut === 0 || !allowance.takeIfCovered(1, this.#clock.monotonic())) continue
      ration.leftOut = 0
      this.#log[level](`${message}: more of these were left out`, { leftOut })
    }
  }

  #say(level: Ration['level'], { fields, kind, message }: LogLine): void {
    const nowMs = this.#clock.monotonic()
    let ration = this.#rations.get(kind)
    if (ration === undefined) {
      const allowance = new WorkAllowance(this.#bounds, nowMs)
      ration = { allowance, level, message, leftOut: 0 }
      this.#rations.set(kind, ration)
    }
    if (!ration.allowance.takeIfCovered(1, nowMs)) {
      ration.leftOut += 1
      return
    }
    const { leftOut } = ration
    ration.leftOut = 0
    this.#log[level](message, leftOut === 0 ? fields : { ...fields, leftOut })
  }
}
