/**
 * When many fail together, what they share is suspected first. A faulty release of an engine, or a
 * gateway that misreads answers, would otherwise take the whole network away within a minute.
 */
import type { WorkerId } from '../../protocol/index.ts'
import { type Trait, traits } from './incident.ts'

/** What a worker has in common with others; a trait that nobody knows is left out. */
export type WorkerTraits = Readonly<Partial<Record<Trait, string>>>

/** Failures of one cause reach different gateways and requests within this time. */
export const togetherMs = 60_000
/** Two can be chance. */
export const togetherMin = 3
/** Fewer of all that share something are more likely to be bad themselves. */
const togetherShare = 0.5
/** Triggers that are remembered; the oldest goes first. */
const rememberedMax = 10_000

export interface Suspicion {
  readonly trait: Trait
  readonly value: string
  readonly workers: readonly WorkerId[]
  /** All that have it. */
  readonly population: number
}

export class MassGuard {
  #recent: { readonly worker: WorkerId; readonly of: WorkerTraits; readonly atMs: number }[] = []

  /**
   * Notes that one fails now. Gives what it shares with so many that failed lately that this is to
   * be suspected; of several things, the one that the fewest have.
   * @param populationOf how many workers have a trait
   */
  note(
    worker: WorkerId,
    of: WorkerTraits,
    { now, populationOf }: MassGuardModules,
  ): Suspicion | undefined {
    this.#recent = this.#recent.filter(({ atMs }) => now - atMs < togetherMs)
    if (this.#recent.length >= rememberedMax) this.#recent.shift()
    this.#recent.push({ worker, of, atMs: now })
    let found: Suspicion | undefined
    for (const trait of traits) {
      const value = of[trait]
      if (value === undefined) continue
      const alike = this.#recent.filter((one) => one.of[trait] === value)
      const workers = [...new Set(alike.map((one) => one.worker))]
      if (workers.length < togetherMin) continue
      const population = Math.max(workers.length, populationOf(trait, value))
      if (workers.length < population * togetherShare) continue
      if (found === undefined || population < found.population) {
        found = { trait, value, workers, population }
      }
    }
    return found
  }
}

export interface MassGuardModules {
  readonly now: number
  readonly populationOf: (trait: Trait, value: string) => number
}
