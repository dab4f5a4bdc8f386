/**
 * Quarantines for which there is no room in full: enough of each to keep its worker out, and to
 * know it again when its steps are read from the disk.
 */
import type { WorkerId } from '../../protocol/index.ts'
import { isConfined } from './exit.ts'
import {
  type Incident,
  type IncidentId,
  type SignedStep,
  type Standing,
  type Step,
  standingOf,
} from './incident.ts'
import { hashOf, isSigned } from './steps.ts'

/** As many as the disk keeps steps, at about 300 bytes each: 60 MB of a flood's. */
export const outlinesMaxDefault = 200_000

type Facts = Pick<Incident, 'id' | 'subject' | 'cause' | 'state' | 'openedAtMs' | 'shutUntilMs'>

export interface Outline extends Facts {
  readonly worker: WorkerId
  /** Of its last step. */
  readonly step: number
  readonly hash: string
  /** Its signatures were looked at while it was there in full. */
  readonly isVerified: boolean
}

export class Outlines {
  readonly #outlinesMax: number
  /** Oldest first. */
  readonly #outlines = new Map<IncidentId, Outline>()
  readonly #byWorker = new Map<WorkerId, IncidentId>()

  constructor(outlinesMax: number) {
    this.#outlinesMax = outlinesMax
  }

  all(): IterableIterator<Outline> {
    return this.#outlines.values()
  }

  get(id: IncidentId): Outline | undefined {
    return this.#outlines.get(id)
  }

  /** A worker is in one quarantine at a time. */
  of(worker: WorkerId): Outline | undefined {
    const id = this.#byWorker.get(worker)
    return id === undefined ? undefined : this.#outlines.get(id)
  }

  standing(worker: WorkerId): Standing | undefined {
    const outline = this.of(worker)
    return outline === undefined ? undefined : standingOf(outline)
  }

  /** @returns the one that had to go for it, or itself where it keeps nobody out */
  add(incident: Incident, isVerified: boolean): Pick<Incident, 'id' | 'subject'> | undefined {
    const { cause, id, openedAtMs, shutUntilMs, state, steps, subject } = incident
    const last = steps.at(-1)
    if (subject.kind !== 'worker' || !isConfined(state) || last === undefined) return incident
    const { worker } = subject
    const facts = { id, subject, cause, state, openedAtMs, shutUntilMs }
    const place = { worker, step: last.step.step, hash: hashOf(last.signed), isVerified }
    this.#outlines.set(id, { ...facts, ...place })
    this.#byWorker.set(worker, id)
    if (this.#outlines.size <= this.#outlinesMax) return undefined
    const [first] = this.#outlines.values()
    if (first !== undefined) this.remove(first)
    return first
  }

  remove({ id, worker }: Outline): void {
    this.#outlines.delete(id)
    if (this.#byWorker.get(worker) === id) this.#byWorker.delete(worker)
  }

  /** @returns whether the step is its next one; one that ends it has to be signed */
  follow(outline: Outline, step: Step, signed: SignedStep): boolean {
    if (step.step !== outline.step + 1 || step.previous !== outline.hash) return false
    const { gateway, shutUntilMs, state } = step
    if (!isConfined(state)) {
      if (!isSigned(signed, gateway)) return false
      this.remove(outline)
    } else {
      const next = { state, shutUntilMs, step: step.step, hash: hashOf(signed) }
      this.#outlines.set(outline.id, { ...outline, ...next, isVerified: false })
    }
    return true
  }
}
