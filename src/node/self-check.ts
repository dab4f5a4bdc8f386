/**
 * The check of its own arithmetic, made anew when a gateway wants to know. All that ask at about
 * the same time are told of one check: nobody makes a node compute for him alone.
 */
import type { Clock } from '../base/index.ts'

/** A check takes some hundred ms of all cores; what a machine computes changes by restarts. */
const foundMs = 60_000

export interface SelfCheck {
  readonly integerExact: boolean
  readonly atMs: number
}

export class SelfChecks {
  readonly #clock: Pick<Clock, 'now'>
  readonly #check: () => Promise<boolean>
  #latest: { readonly beganAtMs: number; readonly found: Promise<SelfCheck> } | undefined

  /** @param check whether products of integer matrices are exact; a failure to tell is no */
  constructor(clock: Pick<Clock, 'now'>, check: () => Promise<boolean>) {
    this.#clock = clock
    this.#check = check
  }

  /** Never rejects. */
  found(): Promise<SelfCheck> {
    const atMs = this.#clock.now()
    const latest = this.#latest
    if (latest !== undefined && Math.abs(atMs - latest.beganAtMs) < foundMs) return latest.found
    const found = this.#check().then(
      (integerExact) => ({ integerExact, atMs }),
      () => ({ integerExact: false, atMs }),
    )
    this.#latest = { beganAtMs: atMs, found }
    return found
  }
}
