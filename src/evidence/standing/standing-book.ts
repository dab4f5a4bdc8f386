/**
 * Who stands how, and why. Faults come in; incidents open, change and close; each change is a
 * signed step.
 *
 *   minor     counted; several within a while are a degraded cause
 *   degraded  the gate shuts, each time for longer; then the worker is on trial, and some right
 *             answers in a row close the incident
 *   severe    quarantined, until an operator lifts it
 *
 * Many that fail together are suspended instead of shut, and an operator is asked about what they
 * share. A proven severe fault stays the worker's own: no bug of an engine forges a signature.
 */
import type { Clock, Random } from '../../base/index.ts'
import {
  type Identity,
  IsochroneError,
  type JsonObject,
  type WorkerId,
} from '../../protocol/index.ts'
import { classOf, type FaultKind } from './fault.ts'
import {
  type Incident,
  type IncidentCause,
  type IncidentId,
  type IncidentState,
  modelOf,
  type Ruling,
  type SignedStep,
  type Standing,
  type Subject,
  standingOf,
  type Trait,
} from './incident.ts'
import { incidentIdOf } from './incident-id.ts'
import { MassGuard, type Suspicion, type WorkerTraits } from './mass-guard.ts'
import { MinorFaults } from './minor-faults.ts'
import { shutTimeMs } from './shut-time.ts'
import { signStep, stepAfter, type Taken, verifiedStep, withStep } from './steps.ts'

/** Right answers in a row that end a trial. */
const trialAnswers = 5
/** At up to 10 KB each; the oldest that is closed goes first, quarantines go last. */
const incidentsMaxDefault = 10_000
/** What comes again within this time is the same occasion: a flood of faults is one step. */
const recurrenceMs = 1_000
/** Then the record is long enough; what follows changes nothing. */
const stepsMax = 200

export interface StandingBookModules {
  readonly clock: Clock
  readonly random: Random
  /** Signs every step. */
  readonly identity: Identity
  /** How many workers have something in common. */
  readonly populationOf: (trait: Trait, value: string) => number
  /** Every step that is taken, with the incident as it is then. */
  readonly onStep: (incident: Incident, signed: SignedStep) => void
  /** There was no room for an incident of it: from now on it stands as if there were none. */
  readonly onForgotten?: (worker: WorkerId) => void
}

export interface Fault {
  readonly kind: FaultKind
  /** What shows it: signatures, hashes, ids; no text of a prompt. */
  readonly evidence: JsonObject
  /** Of this model alone: nothing follows for others. */
  readonly model?: string
}

export class StandingBook {
  readonly #modules: StandingBookModules
  readonly #incidentsMax: number
  /** Oldest first. */
  readonly #incidents = new Map<IncidentId, Incident>()
  /** Those that are not closed. */
  readonly #open = new Map<WorkerId, Set<IncidentId>>()
  readonly #trials = new Map<WorkerId, { readonly incident: IncidentId; answers: number }>()
  readonly #minor = new MinorFaults()
  readonly #guard = new MassGuard()
  readonly #severe = new MassGuard()

  constructor(modules: StandingBookModules, incidentsMax = incidentsMaxDefault) {
    this.#modules = modules
    this.#incidentsMax = incidentsMax
  }

  /** Somebody is re-checked: only then `answered` has anything to do. */
  get hasTrials(): boolean {
    return this.#trials.size > 0
  }

  /** Newest first. */
  incidents(): readonly Incident[] {
    return [...this.#incidents.values()].reverse()
  }

  find(id: IncidentId): Incident | undefined {
    return this.#incidents.get(id)
  }

  /**
   * undefined: nothing stands against it.
   * @param model for which more may stand against it; undefined: whatever it serves
   */
  of(worker: WorkerId, model?: string): Standing | undefined {
    let worst: Standing | undefined
    for (const id of this.#open.get(worker) ?? []) {
      const incident = this.#incidents.get(id)
      const only = incident === undefined ? undefined : modelOf(incident)
      const isMeant = only === undefined || only === model
      const standing = incident !== undefined && isMeant ? standingOf(incident) : undefined
      if (standing?.state === 'quarantined') return standing
      worst ??= standing
    }
    return worst
  }

  /** Of what is open about one model of a worker alone. */
  stateOf(worker: WorkerId, model: string): IncidentState | undefined {
    return this.#openOf(worker, (incident) => modelOf(incident) === model)?.state
  }

  /** Models of which something is open that holds for them alone. */
  modelsOf(worker: WorkerId): readonly string[] {
    const open = [...(this.#open.get(worker) ?? [])].map((id) => this.#incidents.get(id))
    return open.flatMap((one) => (one === undefined ? [] : (modelOf(one) ?? [])))
  }

  /** A re-check of one model is passed. */
  kept(worker: WorkerId, model: string): void {
    const incident = this.#openOf(worker, (one) => modelOf(one) === model && one.state === 'trial')
    if (incident !== undefined) this.#take(incident, { kind: 'passed', state: 'closed' })
  }

  /** When an operator last ended an incident of it; -Infinity: never. Looks at all incidents. */
  liftedAtMs(worker: WorkerId): number {
    let latestMs = Number.NEGATIVE_INFINITY
    for (const { closedAtMs, rulings, subject } of this.#incidents.values()) {
      if (closedAtMs === null || subject.kind !== 'worker' || subject.worker !== worker) continue
      if (rulings.at(-1)?.decision === 'lift') latestMs = Math.max(latestMs, closedAtMs)
    }
    return latestMs
  }

  /** A fault that is the worker's own. */
  report(worker: WorkerId, fault: Fault, of: WorkerTraits): void {
    const faultClass = classOf(fault.kind)
    if (faultClass === 'severe') this.#condemn(worker, fault, of)
    else if (faultClass === 'degraded') this.#degrade(worker, fault, of)
    else {
      const { clock } = this.#modules
      const seen = this.#minor.add(worker, fault.kind, clock.now())
      const isOnTrial = this.#trials.has(worker)
      if (seen === undefined && !isOnTrial) return
      const evidence = { faults: seen ?? [fault.kind], latest: fault.evidence }
      this.#degrade(worker, { kind: 'repeated-faults', evidence }, of)
    }
  }

  /** Many connections went at once: this gateway's own network is suspected. */
  lostTogether(workers: readonly WorkerId[], gateway: string, population: number): void {
    this.#ask({ trait: 'gateway', value: gateway, workers, population }, 'lost-together')
  }

  /** It answered a request, and the answer was right. */
  answered(worker: WorkerId): void {
    const trial = this.#trials.get(worker)
    if (trial === undefined) return
    trial.answers += 1
    if (trial.answers < trialAnswers) return
    const incident = this.#incidents.get(trial.incident)
    if (incident !== undefined) this.#take(incident, { kind: 'passed', state: 'closed' })
  }

  /** It failed at a request: right answers are counted anew. */
  failed(worker: WorkerId): void {
    const trial = this.#trials.get(worker)
    if (trial !== undefined) trial.answers = 0
  }

  /** Gates whose time is over open for a trial. */
  tick(): void {
    const now = this.#modules.clock.now()
    for (const ids of this.#open.values()) {
      for (const id of ids) {
        const incident = this.#incidents.get(id)
        if (incident?.state !== 'shut' || (incident.shutUntilMs ?? 0) > now) continue
        this.#take(incident, { kind: 'trial', state: 'trial' })
      }
    }
  }

  /** @throws IsochroneError `not_found`, `invalid_request` */
  rule(id: IncidentId, ruling: Ruling): Incident {
    const incident = this.#incidents.get(id)
    if (incident === undefined) {
      throw new IsochroneError('not_found', `There is no incident ${id} here.`)
    }
    if (incident.state === 'closed') {
      throw new IsochroneError('invalid_request', `The incident ${id} is closed already.`)
    }
    if (incident.subject.kind === 'shared') return this.#ruleShared(incident, ruling)
    if (ruling.decision === 'lift') {
      return this.#take(incident, { kind: 'ruled', state: 'closed', ruling })
    }
    const { shutUntilMs, state } = incident
    const kept = shutUntilMs === null ? { state } : { state, shutUntilMs }
    const next = state === 'suspended' ? this.#shut(incident) : kept
    return this.#take(incident, { kind: 'ruled', ...next, ruling })
  }

  /**
   * Takes over what was kept. @returns how many steps are not of this gateway, or do not follow
   */
  restore(steps: Iterable<SignedStep>): number {
    let refused = 0
    for (const signed of steps) {
      const step = verifiedStep(signed, this.#modules.identity.id)
      const before = step === undefined ? undefined : this.#incidents.get(step.incident)
      const incident = step === undefined ? undefined : withStep(before, step, signed)
      if (incident === undefined) refused += 1
      else this.#put(incident)
    }
    return refused
  }

  #condemn(worker: WorkerId, { kind, evidence }: Fault, of: WorkerTraits): void {
    const known = this.#openOf(worker, ({ state }) => state === 'quarantined')
    if (known !== undefined) this.#recur(known, 'quarantined')
    else {
      const subject: Subject = { kind: 'worker', worker }
      this.#openNew({ kind: 'opened', state: 'quarantined', subject, cause: kind, evidence })
    }
    const suspicion = this.#severe.note(worker, of, this.#together())
    if (suspicion !== undefined) this.#ask(suspicion, 'failed-together')
  }

  #degrade(
    worker: WorkerId,
    { kind, evidence, model }: Omit<Fault, 'kind'> & { readonly kind: IncidentCause },
    of: WorkerTraits,
  ): void {
    if (this.#openOf(worker, ({ state }) => state === 'quarantined') !== undefined) return
    const isSame = (incident: Incident) => modelOf(incident) === model
    const known = this.#openOf(worker, (one) => isSame(one) && one.state !== 'suspended')
    const about = model === undefined ? {} : { model }
    const subject: Subject = { kind: 'worker', worker, ...about }
    const suspicion = this.#guard.note(worker, of, this.#together())
    const because =
      suspicion === undefined ? this.#askedAbout(of, 'failed-together') : this.#suspect(suspicion)
    if (because !== undefined) {
      if (this.#openOf(worker, isSame) !== undefined) return
      const opened = { subject, cause: kind, evidence, because }
      this.#openNew({ kind: 'opened', state: 'suspended', ...opened })
      return
    }
    if (known !== undefined) {
      this.#recur(known, 'shut')
      return
    }
    const shutUntilMs = this.#modules.clock.now() + shutTimeMs(kind, 0)
    this.#openNew({ kind: 'opened', state: 'shut', subject, cause: kind, evidence, shutUntilMs })
  }

  /** Those that failed together are suspended. @returns the incident of what they share */
  #suspect(suspicion: Suspicion): IncidentId {
    const id = this.#ask(suspicion, 'failed-together')
    for (const worker of suspicion.workers) {
      const shut = this.#openOf(worker, ({ state }) => state === 'shut' || state === 'trial')
      if (shut !== undefined)
        this.#take(shut, { kind: 'suspended', state: 'suspended', because: id })
    }
    return id
  }

  /** One incident at a time for each thing that is shared. */
  #ask({ trait, value, workers, population }: Suspicion, cause: IncidentCause): IncidentId {
    const asked = this.#askedAbout({ [trait]: value }, cause)
    if (asked !== undefined) return asked
    const evidence = { workers: workers.slice(0, namedMax), failed: workers.length, population }
    const subject: Subject = { kind: 'shared', trait, value }
    return this.#openNew({ kind: 'opened', state: 'asked', subject, cause, evidence }).id
  }

  #askedAbout(of: WorkerTraits, why: IncidentCause): IncidentId | undefined {
    for (const { cause, id, state, subject } of this.#incidents.values()) {
      if (state !== 'asked' || cause !== why || subject.kind !== 'shared') continue
      if (of[subject.trait] === subject.value) return id
    }
    return undefined
  }

  #together() {
    const { clock, populationOf } = this.#modules
    return { now: clock.now(), populationOf }
  }

  /** Nobody is to blame, or each one is after all. */
  #ruleShared(shared: Incident, ruling: Ruling): Incident {
    for (const incident of [...this.#incidents.values()]) {
      if (incident.state !== 'suspended' || incident.because !== shared.id) continue
      const next = ruling.decision === 'lift' ? { state: 'closed' as const } : this.#shut(incident)
      this.#take(incident, { kind: 'ruled', ...next, ruling })
    }
    return this.#take(shared, { kind: 'ruled', state: 'closed', ruling })
  }

  #shut({ cause, recurrences }: Incident) {
    const shutUntilMs = this.#modules.clock.now() + shutTimeMs(cause, recurrences)
    return { state: 'shut' as const, shutUntilMs }
  }

  #recur(incident: Incident, state: 'quarantined' | 'shut'): void {
    const { clock } = this.#modules
    const last = incident.steps.at(-1)?.step
    if (last === undefined) return
    const isSame = incident.state === state
    if (isSame && clock.now() - last.atMs < recurrenceMs) return
    if (isSame && incident.steps.length >= stepsMax) return
    const again = { ...incident, recurrences: incident.recurrences + 1 }
    const next = state === 'shut' ? this.#shut(again) : { state }
    this.#take(incident, { kind: 'recurred', ...next })
  }

  #openOf(worker: WorkerId, fits: (incident: Incident) => boolean): Incident | undefined {
    for (const id of this.#open.get(worker) ?? []) {
      const incident = this.#incidents.get(id)
      if (incident !== undefined && fits(incident)) return incident
    }
    return undefined
  }

  #openNew(taken: Taken): Incident {
    return this.#take(undefined, taken)
  }

  #take(before: Incident | undefined, taken: Taken): Incident {
    const { clock, identity, onStep, random } = this.#modules
    const id = before?.id ?? incidentIdOf(random.bytes(16))
    const about = { incident: id, atMs: clock.now(), gateway: identity.id }
    const step = stepAfter(before, taken, about)
    const signed = signStep(identity, step)
    const incident = withStep(before, step, signed)
    if (incident === undefined) throw new Error('a step that was just made follows')
    this.#put(incident)
    onStep(incident, signed)
    return incident
  }

  #put(incident: Incident): void {
    const { id, state, subject } = incident
    if (!this.#incidents.has(id)) this.#makeRoom()
    this.#incidents.set(id, incident)
    if (subject.kind === 'shared') return
    const { worker } = subject
    const open = this.#open.get(worker) ?? new Set()
    if (state === 'closed') open.delete(id)
    else open.add(id)
    if (open.size === 0) this.#open.delete(worker)
    else this.#open.set(worker, open)
    // What is about one model is re-checked by how fast it is.
    if (modelOf(incident) !== undefined) return
    if (state === 'trial') this.#trials.set(worker, { incident: id, answers: 0 })
    else if (this.#trials.get(worker)?.incident === id) this.#trials.delete(worker)
    if (state === 'closed') this.#minor.forget(worker)
  }

  #makeRoom(): void {
    if (this.#incidents.size < this.#incidentsMax) return
    const all = [...this.#incidents.values()]
    const first =
      all.find(({ state }) => state === 'closed') ??
      all.find(({ state }) => state !== 'quarantined') ??
      all[0]
    if (first === undefined) return
    this.#incidents.delete(first.id)
    if (first.subject.kind === 'shared') return
    const { worker } = first.subject
    const open = this.#open.get(worker)
    open?.delete(first.id)
    if (open?.size === 0) this.#open.delete(worker)
    if (this.#trials.get(worker)?.incident === first.id) this.#trials.delete(worker)
    this.#modules.onForgotten?.(worker)
  }
}

/** In the evidence of what many share; the count is of all. */
const namedMax = 100
