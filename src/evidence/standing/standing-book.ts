/**
 * Who stands how, and why. Faults come in; incidents open, change and close; each change is a
 * signed step.
 *
 *   minor     counted; several within a while are a degraded cause
 *   degraded  the gate shuts, each time for longer; then the worker is on trial, and some right
 *             answers in a row close the incident
 *   severe    quarantined, until an operator lifts it or the node has worked it off (`exit.ts`)
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
import {
  causesOf,
  forgivenUntilMs,
  isConfined,
  isLeaving,
  mayProveItself,
  provesFrom,
  relapse,
  stageAfter,
} from './exit.ts'
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
  type Trait,
} from './incident.ts'
import { incidentIdOf } from './incident-id.ts'
import { IncidentShelf } from './incident-shelf.ts'
import { MassGuard, type Suspicion, type WorkerTraits } from './mass-guard.ts'
import { MinorFaults } from './minor-faults.ts'
import { type Ruled, refusalOf, ruled } from './ruling.ts'
import { shutTimeMs } from './shut-time.ts'
import { signStep, stepAfter, type Taken, withStep } from './steps.ts'
import { Trials } from './trials.ts'

/** At up to 10 KB each. */
const incidentsMaxDefault = 10_000
/** What comes again within this time is the same occasion: a flood of faults is one step. */
const recurrenceMs = 1_000
/** In a quarantine longer and longer: a thousand that go on would fill the file in minutes. */
const doublingsMax = 9
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
  /** The steps of an incident for which there was no room, from where they are kept. */
  readonly recall?: (id: IncidentId) => Iterable<SignedStep>
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
  readonly #incidents: IncidentShelf
  readonly #trials = new Trials()
  readonly #minor = new MinorFaults()
  readonly #guard = new MassGuard()
  readonly #severe = new MassGuard()

  constructor(modules: StandingBookModules, incidentsMax = incidentsMaxDefault) {
    this.#modules = modules
    const { identity, recall } = modules
    this.#incidents = new IncidentShelf({ incidentsMax, gateway: identity.id, recall })
  }

  /** Somebody is re-checked: only then `answered` has anything to do. */
  get hasTrials(): boolean {
    return this.#trials.size > 0
  }

  /** Newest first. */
  incidents(): readonly Incident[] {
    return [...this.#incidents.all()].reverse()
  }

  /** Of quarantines that are on the disk, besides. */
  outlines(): Iterable<Pick<Incident, 'state'>> {
    return this.#incidents.outlines()
  }

  find(id: IncidentId): Incident | undefined {
    return this.#incidents.find(id)
  }

  /**
   * undefined: nothing stands against it.
   * @param model for which more may stand against it; undefined: whatever it serves
   */
  of(worker: WorkerId, model?: string): Standing | undefined {
    return this.#incidents.standing(worker, model)
  }

  /** Quarantined, or on its way out of that, whatever else stands against it. */
  isConfined(worker: WorkerId): boolean {
    return this.#incidents.isConfined(worker)
  }

  /** Of what is open about one model of a worker alone. */
  stateOf(worker: WorkerId, model: string): IncidentState | undefined {
    return this.#incidents.openOf(worker, (incident) => modelOf(incident) === model)?.state
  }

  /** Models of which something is open that holds for them alone. */
  modelsOf(worker: WorkerId): readonly string[] {
    return this.#incidents.open(worker).flatMap((one) => modelOf(one) ?? [])
  }

  /** A re-check of one model is passed. */
  kept(worker: WorkerId, model: string): void {
    const isTried = (one: Incident) => modelOf(one) === model && one.state === 'trial'
    const incident = this.#incidents.openOf(worker, isTried)
    if (incident !== undefined) this.#take(incident, { kind: 'passed', state: 'closed' })
  }

  /**
   * Until when it is forgiven here what it did: an operator ended it, or the node has attested anew
   * since and works it off. -Infinity: nothing. Looks at all incidents.
   */
  forgivenUntilMs(worker: WorkerId): number {
    return forgivenUntilMs(this.#incidents.all(), worker)
  }

  /** Quarantines that the node's work may end, those under way among them. */
  leaving(): readonly Incident[] {
    return [...this.#incidents.all()].filter(isLeaving)
  }

  /**
   * The node has stated anew what it runs. @returns whether it may prove itself now
   * @param evidence the statement, as it was signed
   */
  attested(id: IncidentId, evidence: JsonObject): boolean {
    const incident = this.#incidents.find(id)
    if (incident === undefined || incident.steps.length >= stepsMax) return false
    if (!mayProveItself(incident, this.#modules.clock.now())) return false
    this.#take(incident, { kind: 'attested', state: 'proving', evidence })
    return true
  }

  /** It has shown what this stage asks for. */
  proved(id: IncidentId, evidence: JsonObject): void {
    const incident = this.#incidents.find(id)
    const next = incident === undefined ? undefined : stageAfter(incident)
    if (incident !== undefined && next !== undefined) this.#take(incident, { ...next, evidence })
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
    const ends = this.#trials.answered(worker)
    const incident = ends === undefined ? undefined : this.#incidents.find(ends)
    if (incident !== undefined) this.#take(incident, { kind: 'passed', state: 'closed' })
  }

  /** It failed at a request: right answers are counted anew. */
  failed(worker: WorkerId): void {
    this.#trials.failed(worker)
  }

  /** Gates whose time is over open for a trial. */
  tick(): void {
    const now = this.#modules.clock.now()
    const shut = [...this.#incidents.all()].filter(({ state }) => state === 'shut')
    for (const incident of shut) {
      if ((incident.shutUntilMs ?? 0) > now) continue
      this.#take(incident, { kind: 'trial', state: 'trial' })
    }
  }

  /** @throws IsochroneError `not_found`, `invalid_request` */
  rule(id: IncidentId, ruling: Ruling): Incident {
    const incident = this.#incidents.find(id)
    if (incident === undefined) {
      throw new IsochroneError('not_found', `There is no incident ${id} here.`)
    }
    const refusal = refusalOf(incident, ruling)
    if (refusal !== undefined) throw new IsochroneError('invalid_request', refusal)
    if (incident.subject.kind === 'shared') return this.#ruleShared(incident, ruling)
    const next = this.#next(incident, ruled(incident, ruling, this.#modules.clock.now()))
    return this.#take(incident, { kind: 'ruled', ...next, ruling })
  }

  /**
   * Takes over what was kept. @returns how many steps are not of this gateway, or do not follow
   */
  restore(steps: Iterable<SignedStep>): number {
    const refused = this.#incidents.restore(steps)
    for (const incident of this.#incidents.all()) this.#watch(incident)
    return refused
  }

  #condemn(worker: WorkerId, { kind, evidence }: Fault, of: WorkerTraits): void {
    const known = this.#incidents.openOf(worker, ({ state }) => isConfined(state))
    if (known !== undefined) this.#relapse(worker, known, { kind, evidence })
    else {
      const subject: Subject = { kind: 'worker', worker }
      const from = provesFrom([kind], this.#history(worker, 0))
      const opened = { subject, cause: kind, evidence, ...from }
      this.#take(undefined, { kind: 'opened', state: 'quarantined', ...opened })
    }
    const suspicion = this.#severe.note(worker, of, this.#together())
    if (suspicion !== undefined) this.#ask(suspicion, 'failed-together')
  }

  #degrade(
    worker: WorkerId,
    { kind, evidence, model }: Omit<Fault, 'kind'> & { readonly kind: IncidentCause },
    of: WorkerTraits,
  ): void {
    const confined = this.#incidents.openOf(worker, ({ state }) => isConfined(state))
    if (confined !== undefined && confined.state !== 'probation') return
    const isSame = (one: Incident) => modelOf(one) === model && one !== confined
    const known = this.#incidents.openOf(worker, (one) => isSame(one) && one.state !== 'suspended')
    const about = model === undefined ? {} : { model }
    const subject: Subject = { kind: 'worker', worker, ...about }
    const suspicion = this.#guard.note(worker, of, this.#together())
    const because =
      suspicion === undefined
        ? this.#incidents.asked(of, 'failed-together')
        : this.#suspect(suspicion)
    if (because !== undefined) {
      if (this.#incidents.openOf(worker, isSame) !== undefined) return
      const opened = { subject, cause: kind, evidence, because }
      this.#take(undefined, { kind: 'opened', state: 'suspended', ...opened })
      return
    }
    if (known !== undefined) {
      this.#recur(known)
      return
    }
    const shutUntilMs = this.#modules.clock.now() + shutTimeMs(kind, 0)
    const opened = { subject, cause: kind, evidence, shutUntilMs }
    this.#take(undefined, { kind: 'opened', state: 'shut', ...opened })
  }

  /** Those that failed together are suspended. @returns the incident of what they share */
  #suspect(suspicion: Suspicion): IncidentId {
    const id = this.#ask(suspicion, 'failed-together')
    for (const worker of suspicion.workers) {
      const shut = this.#incidents.openOf(
        worker,
        ({ state }) => state === 'shut' || state === 'trial',
      )
      if (shut !== undefined)
        this.#take(shut, { kind: 'suspended', state: 'suspended', because: id })
    }
    return id
  }

  /** One incident at a time for each thing that is shared. */
  #ask({ trait, value, workers, population }: Suspicion, cause: IncidentCause): IncidentId {
    const asked = this.#incidents.asked({ [trait]: value }, cause)
    if (asked !== undefined) return asked
    const evidence = { workers: workers.slice(0, namedMax), failed: workers.length, population }
    const subject: Subject = { kind: 'shared', trait, value }
    return this.#take(undefined, { kind: 'opened', state: 'asked', subject, cause, evidence }).id
  }

  #together() {
    const { clock, populationOf } = this.#modules
    return { now: clock.now(), populationOf }
  }

  /** Nobody is to blame, or each one is after all. */
  #ruleShared(shared: Incident, ruling: Ruling): Incident {
    for (const incident of [...this.#incidents.all()]) {
      if (incident.state !== 'suspended' || incident.because !== shared.id) continue
      const next = ruling.decision === 'lift' ? { state: 'closed' as const } : 'shut'
      this.#take(incident, { kind: 'ruled', ...this.#next(incident, next), ruling })
    }
    return this.#take(shared, { kind: 'ruled', state: 'closed', ruling })
  }

  #next(incident: Incident, next: Ruled): Pick<Taken, 'state' | 'shutUntilMs'> {
    return next === 'shut' ? this.#shut(incident) : next
  }

  #shut({ cause, recurrences }: Incident) {
    const shutUntilMs = this.#modules.clock.now() + shutTimeMs(cause, recurrences)
    return { state: 'shut' as const, shutUntilMs }
  }

  #recur(incident: Incident): void {
    if (this.#isRepeated(incident, 'shut')) return
    const again = { ...incident, recurrences: incident.recurrences + 1 }
    this.#take(incident, { kind: 'recurred', ...this.#shut(again) })
  }

  /** Another severe fault of one that is quarantined, or that was about to leave. */
  #relapse(worker: WorkerId, incident: Incident, fault: Fault): void {
    // One of a worse kind is never a repetition.
    const isKnown = causesOf(incident).has(fault.kind)
    if (isKnown && this.#isRepeated(incident, 'quarantined')) return
    this.#take(
      incident,
      relapse(incident, fault, (relapses) => this.#history(worker, relapses)),
    )
  }

  #history(worker: WorkerId, relapses: number) {
    const nowMs = this.#modules.clock.now()
    return { worker, relapses, all: this.#incidents.all(), nowMs }
  }

  /** The same occasion as before, or more of it than is kept. */
  #isRepeated(incident: Incident, state: IncidentState): boolean {
    const last = incident.steps.at(-1)?.step
    if (incident.state !== state || last === undefined) return false
    if (incident.steps.length >= stepsMax) return true
    const doublings = state === 'quarantined' ? Math.min(incident.recurrences, doublingsMax) : 0
    return this.#modules.clock.now() - last.atMs < recurrenceMs * 2 ** doublings
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
    const gone = this.#incidents.put(incident)
    if (gone?.subject.kind === 'worker') {
      this.#trials.end(gone.subject.worker, gone.id)
      this.#modules.onForgotten?.(gone.subject.worker)
    }
    this.#watch(incident)
  }

  #watch(incident: Incident): void {
    const { id, state, subject } = incident
    if (subject.kind === 'shared') return
    const { worker } = subject
    // What is about one model is re-checked by how fast it is.
    if (modelOf(incident) !== undefined) return
    if (state === 'trial') this.#trials.begin(worker, id)
    else this.#trials.end(worker, id)
    if (state === 'closed') this.#minor.forget(worker)
  }
}

/** In the evidence of what many share; the count is of all. */
const namedMax = 100
