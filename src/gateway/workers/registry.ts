/**
 * The workers that this gateway knows, what it has under way at each, and the snapshot that routing
 * gets.
 */
import type { Clock } from '../../base/index.ts'
import { Breakers, type EvidenceBook, type Standing } from '../../evidence/index.ts'
import type { UnreadPrompt } from '../../mesh/index.ts'
import { IsochroneError, isNodeId, type OfferedModel, type WorkerId } from '../../protocol/index.ts'
import type { Candidate } from '../../routing/index.ts'
import { type Asked, CandidateViews, type Present } from './candidate-views.ts'
import { Foreseen } from './foreseen.ts'
import { ProbationRests } from './probation-rests.ts'
import { RemoteWorker } from './remote-worker.ts'
import { type KeptCandidate, type Machine, offerIn, offerOf } from './viewed.ts'
import type { Worker, WorkerView } from './worker.ts'

export interface RegistryOptions {
  readonly workersMax: number
  readonly disconnectedKeptMs: number
}

export interface RegistryModules {
  readonly clock: Clock
  readonly evidence: EvidenceBook
}

interface Entry {
  readonly worker: Worker
  inFlight: number
  /** undefined: nothing stands against it. */
  standing: Standing | undefined
  /** By model, what stands against it for that one alone. */
  slow: ReadonlyMap<string, Standing> | undefined
  /** undefined: an upstream, whose load is always as it is now, and which is in no mesh. */
  readonly foreseen: Foreseen | undefined
  /** Monotonic ms; undefined while it is connected. */
  goneSinceMs: number | undefined
  /** By the number of the view. */
  readonly candidates: (KeptCandidate | undefined)[]
  machine: Machine | undefined
}

export interface KnownWorker {
  readonly worker: Worker
  readonly view: WorkerView
  readonly inFlight: number
  /** undefined: an upstream. */
  readonly foreseen: Pick<Foreseen, 'cluster' | 'verdict'> | undefined
  /** When its connection ended, monotonic ms; undefined while it is connected. */
  readonly goneSinceMs: number | undefined
}

/** A joined node, and what is foreseen of it. */
export interface KnownNode {
  readonly worker: RemoteWorker
  readonly foreseen: Foreseen
}

export class WorkerRegistry {
  readonly #options: RegistryOptions
  readonly #modules: RegistryModules
  readonly #entries = new Map<WorkerId, Entry>()
  /** Upstreams: nobody tells when something about them changes. */
  readonly #untold = new Set<Entry>()
  /** Who gets nothing for a while, by what came of the requests before. */
  readonly breakers: Breakers
  readonly #views: CandidateViews
  readonly #rests = new ProbationRests<Entry>()

  constructor(options: RegistryOptions, modules: RegistryModules) {
    this.#options = options
    this.#modules = modules
    this.breakers = new Breakers(modules.clock)
    this.#views = new CandidateViews(() => modules.clock.now())
  }

  /** Adds a worker; one of the same id gives way, with what is under way there still counted. */
  put(worker: Worker): void {
    this.#forgetGone()
    const before = this.#entries.get(worker.id)
    if (before === undefined && this.#entries.size >= this.#options.workersMax) {
      const message = `This gateway already knows ${this.#entries.size} workers, its limit.`
      throw new IsochroneError('join_refused', message)
    }
    const inFlight = before?.inFlight ?? 0
    const entry: Entry = {
      worker,
      inFlight,
      standing: before?.standing,
      slow: before?.slow,
      foreseen: before?.foreseen ?? (isNodeId(worker.id) ? new Foreseen() : undefined),
      goneSinceMs: undefined,
      candidates: before?.candidates ?? [],
      machine: undefined,
    }
    this.#entries.set(worker.id, entry)
    if (before !== undefined) {
      this.#untold.delete(before)
      this.#rests.move(before, entry)
    }
    if (!(worker instanceof RemoteWorker)) this.#untold.add(entry)
    this.#views.restructured()
  }

  /** The worker's connection is gone; it is named as not connected for a while. */
  markGone(worker: Worker): void {
    const entry = this.#entries.get(worker.id)
    if (entry?.worker !== worker) return
    entry.goneSinceMs = this.#modules.clock.monotonic()
    this.#views.changed(entry)
  }

  /** What stands against it from now on; a quarantine ends what it does for this gateway. */
  stand(id: WorkerId, standing: Standing | undefined, slow?: ReadonlyMap<string, Standing>): void {
    const entry = this.#entries.get(id)
    if (entry === undefined) return
    this.#rests.stand(entry, standing)
    entry.slow = slow
    this.#views.changed(entry)
    const { worker } = entry
    if (!(worker instanceof RemoteWorker)) return
    if (standing?.state === 'quarantined') worker.bar(standing.words)
    else worker.unbar()
  }

  standing(id: WorkerId): Standing | undefined {
    const { standing, slow } = this.#entries.get(id) ?? {}
    return standing ?? slow?.values().next().value
  }

  node(id: WorkerId): KnownNode | undefined {
    const { foreseen, worker } = this.#entries.get(id) ?? {}
    return foreseen !== undefined && worker instanceof RemoteWorker
      ? { worker, foreseen }
      : undefined
  }

  /** Those that are added while one looks may come too. */
  *nodes(): IterableIterator<KnownNode> {
    for (const { worker, foreseen } of this.#entries.values()) {
      if (foreseen !== undefined && worker instanceof RemoteWorker) yield { worker, foreseen }
    }
  }

  get(id: WorkerId): Worker | undefined {
    return this.#entries.get(id)?.worker
  }

  find(id: WorkerId): KnownWorker | undefined {
    const entry = this.#entries.get(id)
    return entry === undefined ? undefined : known(entry)
  }

  all(): readonly KnownWorker[] {
    this.#forgetGone()
    return [...this.#entries.values()].map(known)
  }

  counts(): { readonly connected: number; readonly disconnected: number } {
    let connected = 0
    for (const { worker } of this.#entries.values()) if (worker.describe().connected) connected += 1
    return { connected, disconnected: this.#entries.size - connected }
  }

  /** Requests there per slot, as they are foreseen; null: it does not offer the model. */
  loadOf(id: WorkerId, model: string): number | null {
    const entry = this.#entries.get(id)
    if (entry === undefined) return null
    const view = entry.worker.describe()
    const slots = offerOf(view, model)?.slots
    if (slots === undefined) return null
    const { inFlight, foreseen } = entry
    const { running, waiting } = view.load
    const others = foreseen?.others ?? Math.max(0, running + waiting - inFlight)
    return (inFlight + others) / Math.max(1, slots)
  }

  /** What it offers and on what machine, as decisions saw it last; undefined: it is no node. */
  offered(
    id: WorkerId,
    model: string,
  ): { readonly offer: OfferedModel; readonly hardwareClass: string } | undefined {
    const entry = this.#entries.get(id)
    if (entry === undefined || !(entry.worker instanceof RemoteWorker)) return undefined
    const offer = offerIn(entry.worker.record.models, model)
    if (offer === null) return undefined
    return { offer, hardwareClass: entry.machine?.hardwareClass ?? '' }
  }

  /** The mesh holds it for suspect or dead, and its link shows nothing newer. */
  isSuspected(id: WorkerId): boolean {
    return this.#entries.get(id)?.foreseen?.verdict !== undefined
  }

  /** Another request is under way there; returns how many were before. */
  begin(id: WorkerId): number {
    const entry = this.#entries.get(id)
    if (entry === undefined) return 0
    entry.inFlight += 1
    this.#rests.began(entry, this.#modules.clock.monotonic())
    this.#views.changed(entry)
    entry.foreseen?.own.sent(this.#modules.clock.monotonic())
    return entry.inFlight - 1
  }

  /** Tokens of prompts there that are not read yet; null: unknown. */
  promptTokensAhead(id: WorkerId): number | null {
    const foreseen = this.#entries.get(id)?.foreseen
    return foreseen?.promptTokensAhead(this.#modules.clock.monotonic()) ?? null
  }

  /** A prompt is under way there, until it was read; undefined: nobody counts them. */
  beginPrompt(id: WorkerId, tokens: number): UnreadPrompt | undefined {
    this.changed(id)
    return this.#entries.get(id)?.foreseen?.prompts.sent(tokens, this.#modules.clock.monotonic())
  }

  /** Its first token came, or it ended without one. */
  endPrompt(id: WorkerId, prompt: UnreadPrompt | undefined): void {
    if (prompt === undefined) return
    this.changed(id)
    this.#entries.get(id)?.foreseen?.prompts.read(prompt, this.#modules.clock.monotonic())
  }

  /** Something was heard or seen of a worker: decisions look at it anew. */
  changed(id: WorkerId): void {
    const entry = this.#entries.get(id)
    if (entry !== undefined) this.#views.changed(entry)
  }

  /**
   * Looks at those that changed now, so that no request has to.
   * @param model undefined: of all models
   */
  catchUp(model?: string): void {
    this.#wake()
    this.#views.catchUp(({ model: of, policy }) => this.#asked(of, policy), model)
  }

  /** Whether its link shows nothing, now, that would shut it out; else it is looked at anew. */
  isStillThere(id: WorkerId): boolean {
    const { worker } = this.#entries.get(id) ?? {}
    if (!(worker instanceof RemoteWorker)) return worker !== undefined
    const { connected, overdue } = worker.describe()
    if (connected && !overdue) return true
    this.changed(id)
    return false
  }

  /** @param tokens of its answer */
  end(id: WorkerId, tokens = 0): void {
    const entry = this.#entries.get(id)
    if (entry === undefined) return
    entry.inFlight = Math.max(0, entry.inFlight - 1)
    this.#views.changed(entry)
    entry.foreseen?.ended(tokens, this.#modules.clock.monotonic())
  }

  /** Whether any worker, also one that just left, offers the model. */
  knows(model: string): boolean {
    for (const { worker } of this.#entries.values()) {
      if (offerOf(worker.describe(), model) !== null) return true
    }
    return false
  }

  /** For one decision, to be made at once: the next call fills the same objects. */
  present(model: string, policy: Asked['policy']): Present {
    for (const entry of this.#untold) this.#views.changed(entry)
    this.#wake()
    return this.#views.present(this.#asked(model, policy))
  }

  /** The same, of everybody as it is now. */
  candidates(model: string, policy: Asked['policy']): readonly Candidate[] {
    this.#views.restructured()
    return this.present(model, policy).candidates
  }

  /** Those on probation whose rest is over. */
  #wake(): void {
    if (this.#rests.size === 0) return
    const woken = this.#rests.wake(this.#modules.clock.monotonic())
    for (const entry of woken) this.#views.changed(entry)
  }

  #asked(model: string, policy: Asked['policy']): Asked {
    return {
      model,
      policy,
      evidenceOf: this.#modules.evidence.of(model),
      breakerOf: this.breakers.of(model),
      nowMs: this.#modules.clock.monotonic(),
      entries: () => this.#entries.values(),
      entryOf: (id) => this.#entries.get(id),
      broken: () => this.breakers.workersOf(model),
    }
  }

  /** Every model that a connected worker offers, with its offers. */
  offers(): ReadonlyMap<string, readonly OfferedModel[]> {
    const offers = new Map<string, OfferedModel[]>()
    for (const { worker } of this.#entries.values()) {
      const { connected, models } = worker.describe()
      if (!connected) continue
      for (const offer of models) {
        const others = offers.get(offer.name)
        if (others === undefined) offers.set(offer.name, [offer])
        else others.push(offer)
      }
    }
    return offers
  }

  #forgetGone(): void {
    const before = this.#modules.clock.monotonic() - this.#options.disconnectedKeptMs
    for (const [id, entry] of this.#entries) {
      const { goneSinceMs, inFlight } = entry
      if (goneSinceMs !== undefined && goneSinceMs < before && inFlight === 0) {
        this.#entries.delete(id)
        this.#rests.forget(entry)
        this.#untold.delete(entry)
        this.#views.forget(entry)
        this.breakers.left(id)
      }
    }
  }
}

function known({ worker, inFlight, foreseen, goneSinceMs }: Entry): KnownWorker {
  return { worker, view: worker.describe(), inFlight, foreseen, goneSinceMs }
}
