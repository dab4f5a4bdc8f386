/**
 * Incidents by their ids, and those that are open by the workers that they are about; bounded. Of a
 * quarantine that has no room an outline is left, and it is read from the disk when it is needed.
 */
import type { NodeId, WorkerId } from '../../protocol/index.ts'
import { isConfined } from './exit.ts'
import {
  type Incident,
  type IncidentCause,
  type IncidentId,
  type IncidentState,
  modelOf,
  type SignedStep,
  type Standing,
  type Step,
  standingOf,
  weightOf,
} from './incident.ts'
import type { WorkerTraits } from './mass-guard.ts'
import { type Outline, Outlines, outlinesMaxDefault } from './outlines.ts'
import { hashOf, isVouchedFor, readStep, verifiedPart, withStep } from './steps.ts'

export interface IncidentShelfOptions {
  readonly incidentsMax: number
  readonly outlinesMax?: number | undefined
  /** Whose signatures count. */
  readonly gateway: NodeId
  /** The steps of an incident that was kept. */
  readonly recall?: ((id: IncidentId) => Iterable<SignedStep>) | undefined
}

export type Forgotten = Pick<Incident, 'id' | 'subject'>

export class IncidentShelf {
  readonly #options: IncidentShelfOptions
  /** Oldest first. */
  readonly #incidents = new Map<IncidentId, Incident>()
  readonly #open = new Map<WorkerId, Set<IncidentId>>()
  readonly #rows = rows.map(() => new Row())
  readonly #outlines: Outlines
  #isRestoring = false
  #refused = 0

  constructor(options: IncidentShelfOptions) {
    this.#options = options
    this.#outlines = new Outlines(options.outlinesMax ?? outlinesMaxDefault)
  }

  /** Those that are there in full; oldest first. */
  all(): IterableIterator<Incident> {
    return this.#incidents.values()
  }

  outlines(): IterableIterator<Outline> {
    return this.#outlines.all()
  }

  find(id: IncidentId): Incident | undefined {
    return this.#incidents.get(id) ?? this.#recalled(this.#outlines.get(id))
  }

  /** Of a worker; oldest first. */
  open(worker: WorkerId): readonly Incident[] {
    this.#recalled(this.#outlines.of(worker))
    const ids = this.#open.get(worker)
    return ids === undefined ? [] : [...ids].flatMap((id) => this.#incidents.get(id) ?? [])
  }

  openOf(worker: WorkerId, fits: (incident: Incident) => boolean): Incident | undefined {
    return this.open(worker).find(fits)
  }

  isConfined(worker: WorkerId): boolean {
    const isOpen = this.openOf(worker, ({ state }) => isConfined(state)) !== undefined
    return isOpen || this.#outlines.of(worker) !== undefined
  }

  /** The worst of what is open. @param model as `StandingBook` has it */
  standing(worker: WorkerId, model?: string): Standing | undefined {
    let worst: Standing | undefined
    for (const incident of this.open(worker)) {
      const only = modelOf(incident)
      const standing = only === undefined || only === model ? standingOf(incident) : undefined
      if (standing !== undefined && weightOf(standing) > weightOf(worst)) worst = standing
    }
    // Of what cannot be read from the disk.
    const outlined = this.#outlines.standing(worker)
    return weightOf(outlined) > weightOf(worst) ? outlined : worst
  }

  /** An operator is asked about something of this that several share. */
  asked(of: WorkerTraits, why: IncidentCause): IncidentId | undefined {
    for (const { cause, id, state, subject } of this.#incidents.values()) {
      if (state !== 'asked' || cause !== why || subject.kind !== 'shared') continue
      if (of[subject.trait] === subject.value) return id
    }
    return undefined
  }

  /** @returns the one of which nothing is left for it */
  put(incident: Incident): Forgotten | undefined {
    const { id, state, subject } = incident
    const before = this.#incidents.get(id)
    const gone = before === undefined ? this.#makeRoom() : undefined
    this.#incidents.set(id, incident)
    if (before?.state !== state) {
      if (before !== undefined) this.#rows[rowOf(before.state)]?.delete(id)
      this.#rows[rowOf(state)]?.add(id)
    }
    if (subject.kind === 'shared') return gone
    const { worker } = subject
    const open = this.#open.get(worker) ?? new Set()
    if (state === 'closed') open.delete(id)
    else open.add(id)
    if (open.size === 0) this.#open.delete(worker)
    else this.#open.set(worker, open)
    return gone
  }

  /**
   * Takes over what was kept. The last signature of an incident vouches for all of its steps, since
   * each names the one before; and only for what is here in full it is looked at now.
   * @returns how many steps are not of this gateway, or do not follow
   */
  restore(steps: Iterable<SignedStep>): number {
    const forgotten = new Set<IncidentId>()
    this.#refused = 0
    this.#isRestoring = true
    for (const signed of steps) {
      const step = readStep(signed, this.#options.gateway)
      if (step === undefined) this.#refused += 1
      else if (!forgotten.has(step.incident)) {
        const gone = this.#follow(step, signed)
        if (gone !== undefined) forgotten.add(gone.id)
      }
    }
    this.#isRestoring = false
    for (const incident of [...this.#incidents.values()]) this.#verify(incident)
    return this.#refused
  }

  #follow(step: Step, signed: SignedStep): Forgotten | undefined {
    const outline = this.#outlines.get(step.incident)
    if (outline !== undefined) {
      if (!this.#outlines.follow(outline, step, signed)) this.#refused += 1
      return undefined
    }
    const incident = withStep(this.#incidents.get(step.incident), step, signed)
    if (incident !== undefined) return this.put(incident)
    this.#refused += 1
    return undefined
  }

  /** Leaves of it what is signed. @returns whether that is all of it */
  #verify(incident: Incident): boolean {
    const { gateway } = this.#options
    if (isVouchedFor(incident, gateway)) return true
    const part = verifiedPart(incident, gateway)
    this.#remove(incident)
    if (part !== undefined) this.put(part)
    this.#refused += incident.steps.length - (part?.steps.length ?? 0)
    return false
  }

  /** In full, where all of it is on the disk. What is there behind it was refused. */
  #recalled(outline: Outline | undefined): Incident | undefined {
    const { gateway, recall } = this.#options
    if (outline === undefined || recall === undefined) return undefined
    let incident: Incident | undefined
    for (const signed of recall(outline.id)) {
      const step = readStep(signed, gateway)
      const next = step?.incident === outline.id ? withStep(incident, step, signed) : undefined
      if (next === undefined) break
      incident = next
      if (incident.steps.length === outline.step) break
    }
    const last = incident?.steps.at(-1)?.signed
    const isSame = last !== undefined && hashOf(last) === outline.hash
    if (incident !== undefined && isSame && isVouchedFor(incident, gateway)) {
      return this.#inPlaceOf(outline, incident)
    }
    // What was here in full is more than the disk still has.
    if (outline.isVerified) return undefined
    // As at a restart: what nobody has ever seen signed by this gateway keeps nobody out.
    return this.#inPlaceOf(outline, incident && verifiedPart(incident, gateway))
  }

  #inPlaceOf(outline: Outline, incident: Incident | undefined): Incident | undefined {
    this.#outlines.remove(outline)
    if (incident !== undefined) this.put(incident)
    return incident
  }

  #makeRoom(): Forgotten | undefined {
    while (this.#incidents.size >= this.#options.incidentsMax) {
      const incident = this.#first()
      if (incident === undefined) return undefined
      // An end of a quarantine that is not signed would be gone with it before it was looked at.
      const isEnd = incident.state === 'closed' && incident.steps[0]?.step.state === 'quarantined'
      if (this.#isRestoring && isEnd && !this.#verify(incident)) continue
      this.#remove(incident)
      return this.#outlines.add(incident, !this.#isRestoring)
    }
    return undefined
  }

  #first(): Incident | undefined {
    for (const row of this.#rows) {
      const id = row.first()
      if (id !== undefined) return this.#incidents.get(id)
    }
    return undefined
  }

  #remove({ id, state, subject }: Incident): void {
    this.#incidents.delete(id)
    this.#rows[rowOf(state)]?.delete(id)
    if (subject.kind === 'shared') return
    const { worker } = subject
    const open = this.#open.get(worker)
    open?.delete(id)
    if (open?.size === 0) this.#open.delete(worker)
  }
}

/** Those of the first row go first: what is over, then what ends soon, and quarantines last. */
const rows: readonly ((state: IncidentState) => boolean)[] = [
  (state) => state === 'closed',
  (state) => !isConfined(state),
  (state) => state === 'quarantined',
  () => true,
]

function rowOf(state: IncidentState): number {
  return rows.findIndex((isOf) => isOf(state))
}

/** In the order in which they came; its first is found without passing those that are gone. */
class Row {
  readonly #ids = new Set<IncidentId>()
  #ahead = this.#ids.values()

  add(id: IncidentId): void {
    this.#ids.add(id)
  }

  delete(id: IncidentId): void {
    this.#ids.delete(id)
  }

  /** To be taken out. */
  first(): IncidentId | undefined {
    const next = this.#ahead.next()
    if (next.done !== true) return next.value
    this.#ahead = this.#ids.values()
    return this.#ahead.next().value
  }
}
