/** Incidents by their ids, and those that are open by the workers that they are about; bounded. */
import type { WorkerId } from '../../protocol/index.ts'
import { isConfined } from './exit.ts'
import type { Incident, IncidentCause, IncidentId } from './incident.ts'
import type { WorkerTraits } from './mass-guard.ts'

export class IncidentShelf {
  readonly #incidentsMax: number
  /** Oldest first. */
  readonly #incidents = new Map<IncidentId, Incident>()
  readonly #open = new Map<WorkerId, Set<IncidentId>>()

  constructor(incidentsMax: number) {
    this.#incidentsMax = incidentsMax
  }

  /** Oldest first. */
  all(): IterableIterator<Incident> {
    return this.#incidents.values()
  }

  find(id: IncidentId): Incident | undefined {
    return this.#incidents.get(id)
  }

  /** Of a worker; oldest first. */
  open(worker: WorkerId): readonly Incident[] {
    const ids = this.#open.get(worker)
    return ids === undefined ? [] : [...ids].flatMap((id) => this.#incidents.get(id) ?? [])
  }

  openOf(worker: WorkerId, fits: (incident: Incident) => boolean): Incident | undefined {
    return this.open(worker).find(fits)
  }

  /** An operator is asked about something of this that several share. */
  asked(of: WorkerTraits, why: IncidentCause): IncidentId | undefined {
    for (const { cause, id, state, subject } of this.#incidents.values()) {
      if (state !== 'asked' || cause !== why || subject.kind !== 'shared') continue
      if (of[subject.trait] === subject.value) return id
    }
    return undefined
  }

  /** @returns the one that had to go for it */
  put(incident: Incident): Incident | undefined {
    const { id, state, subject } = incident
    const gone = this.#incidents.has(id) ? undefined : this.#makeRoom()
    this.#incidents.set(id, incident)
    if (subject.kind === 'shared') return gone
    const { worker } = subject
    const open = this.#open.get(worker) ?? new Set()
    if (state === 'closed') open.delete(id)
    else open.add(id)
    if (open.size === 0) this.#open.delete(worker)
    else this.#open.set(worker, open)
    return gone
  }

  /** The oldest that is closed goes first, quarantines go last. */
  #makeRoom(): Incident | undefined {
    if (this.#incidents.size < this.#incidentsMax) return undefined
    const all = [...this.#incidents.values()]
    const first =
      all.find(({ state }) => state === 'closed') ??
      all.find(({ state }) => !isConfined(state)) ??
      all[0]
    if (first === undefined) return undefined
    this.#incidents.delete(first.id)
    if (first.subject.kind === 'shared') return first
    const { worker } = first.subject
    const open = this.#open.get(worker)
    open?.delete(first.id)
    if (open?.size === 0) this.#open.delete(worker)
    return first
  }
}
