/** Observations in memory: for tests, the simulator, and a gateway without a disk. */
import type { Observation, ObservationStore } from '../../evidence/index.ts'
import { observationsMaxDefault } from '../limits.ts'

export class MemoryObservationStore implements ObservationStore {
  readonly #observationsMax: number
  #observations: Observation[] = []

  constructor(options: { readonly observationsMax?: number } = {}) {
    this.#observationsMax = options.observationsMax ?? observationsMaxDefault
  }

  append(observation: Observation): void {
    this.#observations.push(observation)
    // In blocks, since removing one at a time from the front would move all the others each time.
    if (this.#observations.length > this.#observationsMax * 1.25) {
      this.#observations = this.#observations.slice(-this.#observationsMax)
    }
  }

  async flush(): Promise<void> {}

  *since(atMs: number): Iterable<Observation> {
    const newest = this.#observations.slice(-this.#observationsMax)
    yield* newest.filter((one) => one.atMs >= atMs).sort((a, b) => a.atMs - b.atMs)
  }

  async close(): Promise<void> {}
}
