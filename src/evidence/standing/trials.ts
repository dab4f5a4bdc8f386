/** Who is re-checked by requests, and how many right answers each has given in a row. */
import type { WorkerId } from '../../protocol/index.ts'
import type { IncidentId } from './incident.ts'

/** Right answers in a row that end a trial. */
const trialAnswers = 5

export class Trials {
  readonly #trials = new Map<WorkerId, { readonly incident: IncidentId; answers: number }>()

  get size(): number {
    return this.#trials.size
  }

  has(worker: WorkerId): boolean {
    return this.#trials.has(worker)
  }

  begin(worker: WorkerId, incident: IncidentId): void {
    this.#trials.set(worker, { incident, answers: 0 })
  }

  /** @param incident the trial of another one goes on */
  end(worker: WorkerId, incident: IncidentId): void {
    if (this.#trials.get(worker)?.incident === incident) this.#trials.delete(worker)
  }

  /** @returns the incident that this ends */
  answered(worker: WorkerId): IncidentId | undefined {
    const trial = this.#trials.get(worker)
    if (trial === undefined) return undefined
    trial.answers += 1
    return trial.answers < trialAnswers ? undefined : trial.incident
  }

  failed(worker: WorkerId): void {
    const trial = this.#trials.get(worker)
    if (trial !== undefined) trial.answers = 0
  }
}
