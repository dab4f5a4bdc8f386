/**
 * The sessions of workers, as this gateway witnesses them: how long each was there, and whether it
 * went with a word or without one.
 *
 * When most go without a word within two seconds, it is this gateway's own network that went: then
 * it counts against nobody, and an operator is told.
 */
import type { Clock, Timer } from '../../base/index.ts'
import type { EvidenceBook, Sighting, SightingStore } from '../../evidence/index.ts'
import type { WorkerId } from '../../protocol/index.ts'
import type { SelfWatch } from './self-watch.ts'

/** How often the evidence learns that a worker is still there. */
const tellMs = 60_000
/** How often it is written down: a crash of the gateway costs a worker this much of its credit. */
const keepMs = 15 * 60_000
/** Connections that break together are found broken within this time. */
const togetherMs = 2_000
const togetherMin = 3
const togetherShare = 0.5

export interface SessionWatchModules {
  readonly clock: Clock
  readonly evidence: Pick<EvidenceBook, 'sight'>
  readonly sightings?: Pick<SightingStore, 'append'> | undefined
  readonly selfWatch: Pick<SelfWatch, 'wasTroubledSince'>
  /** @param population how many there were */
  readonly onLostTogether: (workers: readonly WorkerId[], population: number) => void
}

/** Monotonic ms. */
interface Session {
  toldAtMs: number
  keptAtMs: number
}

interface Loss {
  readonly worker: WorkerId
  readonly session: Session
  readonly atMs: number
}

export class SessionWatch {
  readonly #modules: SessionWatchModules
  readonly #sessions = new Map<WorkerId, Session>()
  /** It is not known yet whether they are the workers' own. */
  #losses: Loss[] = []
  #judging: Timer | undefined
  #timer: Timer | undefined

  constructor(modules: SessionWatchModules) {
    this.#modules = modules
  }

  start(): void {
    this.#timer = this.#modules.clock.after(tellMs, () => {
      for (const [worker, session] of this.#sessions) this.#tell(worker, session)
      this.start()
    })
  }

  /** Who is there now leaves with this gateway, and not by itself. */
  stop(): void {
    this.#timer?.cancel()
    this.#judge()
    for (const worker of [...this.#sessions.keys()]) this.ended(worker, 'left')
  }

  began(worker: WorkerId): void {
    if (this.#sessions.has(worker)) return
    const nowMs = this.#modules.clock.monotonic()
    this.#sessions.set(worker, { toldAtMs: nowMs, keptAtMs: nowMs })
  }

  ended(worker: WorkerId, how: 'left' | 'lost'): void {
    const session = this.#sessions.get(worker)
    if (session === undefined) return
    this.#sessions.delete(worker)
    const atMs = this.#modules.clock.monotonic()
    if (how === 'left') {
      this.#close({ worker, session, atMs }, 'left')
      return
    }
    this.#losses.push({ worker, session, atMs })
    this.#judging ??= this.#modules.clock.after(togetherMs, () => this.#judge())
  }

  #judge(): void {
    this.#judging?.cancel()
    this.#judging = undefined
    const losses = this.#losses
    this.#losses = []
    const [first] = losses
    if (first === undefined) return
    const { onLostTogether, selfWatch } = this.#modules
    const workers = [...new Set(losses.map(({ worker }) => worker))]
    const others = [...this.#sessions.keys()].filter((one) => !workers.includes(one)).length
    const population = workers.length + others
    const isShared = workers.length >= togetherMin && workers.length >= population * togetherShare
    const isOwn = isShared || selfWatch.wasTroubledSince(first.atMs - togetherMs)
    for (const loss of losses) this.#close(loss, isOwn ? 'left' : 'lost')
    if (isShared) onLostTogether(workers, population)
  }

  #close({ worker, session, atMs }: Loss, kind: 'left' | 'lost'): void {
    const { evidence, sightings } = this.#modules
    evidence.sight(this.#sighting({ worker, kind }, session.toldAtMs, atMs))
    sightings?.append(this.#sighting({ worker, kind }, session.keptAtMs, atMs))
  }

  #tell(worker: WorkerId, session: Session): void {
    const { clock, evidence, sightings } = this.#modules
    const nowMs = clock.monotonic()
    const about = { worker, kind: 'present' as const }
    evidence.sight(this.#sighting(about, session.toldAtMs, nowMs))
    session.toldAtMs = nowMs
    if (nowMs - session.keptAtMs < keepMs) return
    sightings?.append(this.#sighting(about, session.keptAtMs, nowMs))
    session.keptAtMs = nowMs
  }

  /** By the wall clock as it is now: a clock that was set in the meantime lengthens nothing. */
  #sighting(about: Pick<Sighting, 'worker' | 'kind'>, fromMs: number, atMs: number): Sighting {
    const { clock } = this.#modules
    const skewMs = clock.now() - clock.monotonic()
    return { ...about, fromMs: fromMs + skewMs, atMs: atMs + skewMs }
  }
}
