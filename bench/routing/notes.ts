/** Notes what decisions see, as a gateway does: before each of them one candidate has changed. */
import {
  type Candidate,
  defaultPolicy,
  type ViewFrame,
  ViewLog,
  type ViewReference,
} from '../../src/routing/index.ts'

const context = { policy: defaultPolicy, software: 'bench' }

export class Notes {
  readonly #log: ViewLog
  readonly #candidates: readonly Candidate[]
  /** The same with one request more, so that each change is one. */
  readonly #busier: readonly Candidate[]
  #frame: ViewFrame | undefined
  #turn = 0

  constructor(candidates: readonly Candidate[]) {
    let frames = 0
    this.#log = new ViewLog(() => `bench-${frames++}`)
    this.#candidates = candidates
    this.#busier = candidates.map((one) => ({ ...one, inFlight: one.inFlight + 1 }))
  }

  /** For the next decision. */
  mark(): ViewReference {
    const frame = this.#log.begin()
    if (frame !== this.#frame) {
      this.#frame = frame
      for (const candidate of this.#candidates) frame.set(frame.place(), candidate)
    }
    const size = this.#candidates.length
    const slot = this.#turn % size
    const shown = Math.floor(this.#turn / size) % 2 === 0 ? this.#busier : this.#candidates
    const candidate = shown[slot]
    if (candidate !== undefined) frame.set(slot, candidate)
    this.#turn += 1
    return frame.mark(context, false)
  }
}
