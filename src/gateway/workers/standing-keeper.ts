/**
 * Keeps who stands how: hears of faults, lets the book judge them, brings what follows into the
 * registry at once, and has every step written down.
 */
import type { Clock, Log, Random, Timer } from '../../base/index.ts'
import {
  causeInWords,
  classOf,
  digestEvidence,
  type EvidenceBook,
  type Fault,
  type FaultKind,
  type Incident,
  type IncidentId,
  type IncidentState,
  type IncidentStore,
  incidentStates,
  type Observation,
  type Ruling,
  type SightingStore,
  type SignedStep,
  type SlowFault,
  type Standing,
  StandingBook,
  type WorkerTraits,
} from '../../evidence/index.ts'
import type { FaultListener, MeshAgent } from '../../mesh/index.ts'
import {
  type Identity,
  isNodeId,
  type JsonObject,
  type NodeId,
  shortId,
  type WorkerId,
} from '../../protocol/index.ts'
import { gossipFault } from './gossip-faults.ts'
import type { KnownWorker, WorkerRegistry } from './registry.ts'
import type { SelfWatch } from './self-watch.ts'

export interface StandingKeeperModules {
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly identity: Identity
  readonly evidence: Pick<EvidenceBook, 'sight' | 'remeasure'>
  readonly registry: Pick<WorkerRegistry, 'all' | 'find' | 'stand'>
  readonly selfWatch: Pick<SelfWatch, 'wasTroubledSince'>
  readonly sightings?: Pick<SightingStore, 'append'> | undefined
  readonly incidents?: IncidentStore | undefined
  readonly mesh?: Pick<MeshAgent, 'isKnown'> | undefined
  /** Told of every step, and of who comes: other gateways are to know, or have said something. */
  readonly onStep?: (incident: Incident) => void
  readonly onJoined?: (worker: NodeId) => void
}

/** Trouble of this gateway's own that is over since then still explains what comes in late. */
const troubleMs = 5_000
/** Faults of one worker are told apart on disk when they lie so far apart. */
const keptEachMs = 1_000

export class StandingKeeper {
  readonly book: StandingBook
  readonly #modules: StandingKeeperModules
  readonly #faults = new Map<FaultKind, number>()
  #timer: Timer | undefined
  #wakeAtMs = Number.POSITIVE_INFINITY

  constructor(modules: StandingKeeperModules) {
    this.#modules = modules
    this.book = new StandingBook({
      clock: modules.clock,
      random: modules.random,
      identity: modules.identity,
      populationOf: (trait, value) => {
        const all = modules.registry.all().filter(({ view }) => view.connected)
        return all.filter((one) => this.#traitsOf(one)[trait] === value).length
      },
      onStep: (incident, signed) => this.#stepped(incident, signed),
      onForgotten: (worker) => this.#stand(worker),
      recall: (id) => modules.incidents?.of(id) ?? [],
    })
  }

  /** Takes over what was kept, before the first worker is there. */
  start(): void {
    const refused = this.book.restore(this.#modules.incidents?.all() ?? [])
    if (refused > 0) {
      const message = 'steps of incidents are not signed by this gateway, or one is missing'
      this.#modules.log.error(message, { refused })
    }
    for (const incident of this.book.incidents()) {
      if (incident.state === 'shut') this.#wakeAt(incident.shutUntilMs ?? 0)
      if (incident.state === 'trial') this.#remeasure(incident)
    }
  }

  stop(): void {
    this.#timer?.cancel()
  }

  /** A worker is there from now on: as it stood before. */
  joined(worker: WorkerId): void {
    this.#stand(worker)
    if (isNodeId(worker)) this.#modules.onJoined?.(worker)
  }

  /** Found in an answer, which is an observation of its own. */
  answer(worker: NodeId, kind: FaultKind, evidence: JsonObject): void {
    this.#report(worker, kind, { evidence })
  }

  /** Found in something else that it sent. */
  conduct(worker: NodeId, kind: FaultKind, evidence: JsonObject): void {
    if (!this.#report(worker, kind, { evidence })) return
    const atMs = this.#modules.clock.now()
    const sighting = { worker, kind: 'fault' as const, fromMs: atMs, atMs }
    this.#modules.evidence.sight(sighting)
    // The file has one for a time: a flood is one in a second, and what it keeps of others stays.
    const keptAtMs = atMs - (atMs % keptEachMs)
    this.#modules.sightings?.append({ ...sighting, fromMs: keptAtMs, atMs: keptAtMs })
  }

  /**
   * Found by the mesh in what a peer sent. Of those only who joined or was admitted: identities are
   * free, and incidents about strangers would push out those about workers.
   */
  gossip(...[peer, found, shown]: Parameters<FaultListener>): void {
    const { mesh, registry } = this.#modules
    const isStranger = registry.find(peer) === undefined && mesh?.isKnown(peer) !== true
    const kind = isStranger ? undefined : gossipFault(found)
    if (kind === undefined) return
    this.conduct(peer, kind, { found, ...(shown === undefined ? {} : digestEvidence(shown)) })
  }

  /** Found in how fast it answers. */
  slow(worker: WorkerId, { kind, ...fault }: SlowFault): void {
    const { clock, selfWatch } = this.#modules
    // A gateway that is late itself measures itself.
    if (selfWatch.wasTroubledSince(clock.monotonic() - troubleMs)) return
    this.#report(worker, kind, fault)
  }

  lostTogether(workers: readonly WorkerId[], population: number): void {
    this.book.lostTogether(workers, this.#modules.identity.id, population)
  }

  /** Every observation: almost always there is nobody on trial. */
  seen({ blame, outcome, worker }: Observation): void {
    if (!this.book.hasTrials) return
    if (outcome.kind === 'completed') this.book.answered(worker)
    else if (blame === 'node') this.book.failed(worker)
  }

  /** Resolves when the decision is on the disk. */
  async rule(id: IncidentId, ruling: Ruling): Promise<Incident> {
    const incident = this.book.rule(id, ruling)
    await this.#modules.incidents?.flush()
    return incident
  }

  /** How often each kind was found. */
  faults(): ReadonlyMap<FaultKind, number> {
    return this.#faults
  }

  counts(): ReadonlyMap<IncidentState, number> {
    const counts = new Map<IncidentState, number>(incidentStates.map((state) => [state, 0]))
    for (const { state } of [...this.book.incidents(), ...this.book.outlines()]) {
      counts.set(state, (counts.get(state) ?? 0) + 1)
    }
    return counts
  }

  /** @returns whether it counts */
  #report(worker: WorkerId, kind: FaultKind, fault: Omit<Fault, 'kind'>): boolean {
    const { clock, registry, selfWatch } = this.#modules
    // A gateway in trouble may be late or misjudge times; it does not invent a forged signature.
    const isExcused = selfWatch.wasTroubledSince(clock.monotonic() - troubleMs)
    if (isExcused && classOf(kind) === 'minor') return false
    this.#faults.set(kind, (this.#faults.get(kind) ?? 0) + 1)
    const known = registry.find(worker)
    this.book.report(worker, { kind, ...fault }, known === undefined ? {} : this.#traitsOf(known))
    return true
  }

  #traitsOf({ view }: KnownWorker): WorkerTraits {
    const { models, record } = view
    const engine = models[0]?.runtime
    return {
      gateway: this.#modules.identity.id,
      ...(engine === undefined ? {} : { engine }),
      ...(record === null ? {} : { version: record.softwareVersion }),
    }
  }

  #stepped(incident: Incident, signed: SignedStep): void {
    const { incidents, log } = this.#modules
    const { cause, id, shutUntilMs, state, steps, subject } = incident
    // First: from here on no request goes there.
    if (subject.kind === 'worker') this.#stand(subject.worker)
    const isLifted = state === 'closed' && steps.at(-1)?.step.kind === 'ruled'
    if (state === 'trial' || isLifted) this.#remeasure(incident)
    incidents?.append(signed, { incident: id, step: steps.length })
    this.#modules.onStep?.(incident)
    if (state === 'shut') this.#wakeAt(shutUntilMs ?? 0)
    const about =
      subject.kind === 'worker'
        ? { worker: isNodeId(subject.worker) ? shortId(subject.worker) : subject.worker }
        : { shared: `${subject.trait} ${subject.value}` }
    const fields = { incident: id, ...about, state, cause: causeInWords(cause) }
    if (state === 'asked') log.error('many workers failed together: an operator is asked', fields)
    else if (state === 'quarantined') log.error('a worker is quarantined', fields)
    else log.warn('the standing of a worker changes', fields)
  }

  #stand(worker: WorkerId): void {
    const slow = new Map<string, Standing>()
    for (const model of this.book.modelsOf(worker)) {
      const standing = this.book.of(worker, model)
      if (standing !== undefined) slow.set(model, standing)
    }
    const ofModels = slow.size === 0 ? undefined : slow
    this.#modules.registry.stand(worker, this.book.of(worker), ofModels)
  }

  /** What is re-checked is how fast it is from now on. */
  #remeasure({ subject }: Incident): void {
    if (subject.kind !== 'worker' || subject.model === undefined) return
    this.#modules.evidence.remeasure(subject.worker, subject.model)
  }

  #wakeAt(atMs: number): void {
    if (atMs >= this.#wakeAtMs) return
    this.#wakeAtMs = atMs
    this.#timer?.cancel()
    const { clock } = this.#modules
    this.#timer = clock.after(Math.max(0, atMs - clock.now()), () => this.#tick())
  }

  #tick(): void {
    this.#wakeAtMs = Number.POSITIVE_INFINITY
    this.book.tick()
    for (const { shutUntilMs, state } of this.book.incidents()) {
      if (state === 'shut') this.#wakeAt(shutUntilMs ?? 0)
    }
  }
}
