/**
 * The candidates that routing gets: a snapshot, filled anew for every decision into the same
 * objects, since a thousand new ones each time would be work to collect. What changed since the
 * decision before is noted, so that each can be made again (`routing/replay`).
 */
import {
  type BreakerSight,
  newcomer,
  type Standing,
  type WorkerEvidence,
} from '../../evidence/index.ts'
import type { HardwareReport, LoadReport, OfferedModel, WorkerId } from '../../protocol/index.ts'
import {
  type Candidate,
  type HardwareClass,
  hardwareClassOf,
  memoryOf,
  type ViewContext,
  type ViewFrame,
  ViewLog,
} from '../../routing/index.ts'
import { Foreseen } from './foreseen.ts'
import type { Worker, WorkerView } from './worker.ts'

/** What the registry holds of one worker. */
export interface Viewed {
  readonly worker: Worker
  readonly inFlight: number
  readonly standing: Standing | undefined
  readonly foreseen: Foreseen | undefined
  /** Its candidates, by the number of the view. */
  readonly candidates: (KeptCandidate | undefined)[]
  machine: Machine | undefined
}

/** What is said of a worker's machine, and what that was made from. */
export interface Machine {
  readonly classes: readonly HardwareClass[]
  readonly stated: HardwareReport | null
  readonly offer: OfferedModel | null
  readonly hardwareClass: string
  readonly memoryBytes: number | undefined
}

interface Asked {
  readonly model: string
  /** The policy's. */
  readonly classes: readonly HardwareClass[]
  readonly evidenceOf: (id: WorkerId) => WorkerEvidence
  /** undefined: all are closed. */
  readonly breakerOf: ((id: WorkerId) => BreakerSight | undefined) | undefined
  /** Monotonic. */
  readonly nowMs: number
}

export interface KeptCandidate {
  readonly candidate: Writable<Candidate>
  /** Where it is noted. */
  frame: ViewFrame | undefined
  slot: number
}

type Writable<T> = { -readonly [K in keyof T]: T[K] }

/** For one decision, to be made at once. */
export interface Present {
  readonly candidates: readonly Candidate[]
  /**
   * Notes the snapshot.
   * @param withTimes the decision reads the histograms of times
   */
  mark(context: ViewContext, withTimes: boolean): ReturnType<ViewFrame['mark']>
}

/** Models whose candidates are kept apart; all others share one view, which changes more. */
const viewsMax = 32
const unoffered = ''

interface ModelView {
  readonly number: number
  readonly log: ViewLog
}

export class CandidateViews {
  readonly #now: () => number
  readonly #views = new Map<string, ModelView>()
  #framesNamed = 0

  /** @param now ms since 1970 */
  constructor(now: () => number) {
    this.#now = now
    this.#add(unoffered)
  }

  /** @param entries in an order that stays */
  fill(asked: Asked, entries: Iterable<Viewed>): Present {
    const { breakerOf, evidenceOf, model, nowMs } = asked
    const view = this.#views.get(model) ?? this.#views.get(unoffered) ?? this.#add(unoffered)
    const frame = view.log.begin()
    const candidates: Candidate[] = []
    let isOffered = false
    for (const entry of entries) {
      let kept = entry.candidates[view.number]
      if (kept === undefined) {
        kept = { candidate: newCandidate(entry.worker.id), frame: undefined, slot: 0 }
        entry.candidates[view.number] = kept
      }
      const { candidate } = kept
      let isOther = refresh(candidate, entry, asked)
      const evidence = evidenceOf(candidate.id)
      if (candidate.evidence !== evidence) {
        candidate.evidence = evidence
        isOther = true
      }
      const breaker = breakerOf?.(candidate.id)
      // Also the same one has something else to say.
      if (breaker !== undefined || candidate.breaker !== undefined) isOther = true
      candidate.breaker = breaker
      if (kept.frame !== frame) {
        kept.frame = frame
        kept.slot = frame.place()
        isOther = true
      }
      // Of the busy it is another one for each decision.
      const ahead = entry.foreseen?.promptTokensAhead(nowMs)
      const isAhead = candidate.promptTokensAhead !== ahead
      candidate.promptTokensAhead = ahead
      if (isOther) frame.set(kept.slot, candidate)
      else if (isAhead) frame.setPromptTokensAhead(kept.slot, ahead)
      if (candidate.offer !== null) isOffered = true
      candidates.push(candidate)
    }
    // From its next decision on; other names are their clients' inventions.
    const isOwn = isOffered && !this.#views.has(model) && this.#views.size < viewsMax
    if (isOwn) this.#add(model)
    return { candidates, mark: (context, withTimes) => frame.mark(context, withTimes) }
  }

  /** The worker is none any more. */
  forget({ candidates }: Viewed): void {
    for (const kept of candidates) kept?.frame?.remove(kept.slot)
  }

  #add(model: string): ModelView {
    const view = { number: this.#views.size, log: new ViewLog(() => this.#nameFrame()) }
    this.#views.set(model, view)
    return view
  }

  /** Another one after each start of the gateway. */
  #nameFrame(): string {
    this.#framesNamed += 1
    return `${this.#now().toString(36)}-${this.#framesNamed.toString(36)}`
  }
}

const unforeseen = new Foreseen()

const unknownLoad: LoadReport = { running: 0, waiting: 0, kvTokensFree: 0, draining: false }

/** Before it is filled for the first time. */
function newCandidate(id: WorkerId): Writable<Candidate> {
  return {
    id,
    region: '',
    offer: null,
    load: unknownLoad,
    inFlight: 0,
    others: undefined,
    kvTokensFree: undefined,
    promptTokensAhead: undefined,
    roundTripMs: undefined,
    roundTripSource: 'assumed',
    connected: false,
    overdue: false,
    verdict: undefined,
    standing: undefined,
    breaker: undefined,
    integerExact: false,
    hardwareClass: '',
    memoryBytes: undefined,
    evidence: newcomer,
  }
}

/** @returns whether anything is other than it was */
function refresh(kept: Writable<Candidate>, entry: Viewed, { model, classes }: Asked): boolean {
  const foreseen = entry.foreseen ?? unforeseen
  const view = entry.worker.describe()
  const offer = offerOf(view, model)
  const isMeasured = view.roundTripMs !== undefined
  const roundTripMs = isMeasured ? view.roundTripMs : foreseen.roundTripMs
  const roundTripSource = isMeasured ? 'measured' : foreseen.roundTripSource
  const { hardwareClass, memoryBytes } = machineOf(entry, view, { classes, offer })
  const { load } = kept
  const isSame =
    kept.region === view.region &&
    kept.offer === offer &&
    kept.inFlight === entry.inFlight &&
    kept.others === foreseen.others &&
    kept.kvTokensFree === foreseen.kvTokensFree &&
    kept.verdict === foreseen.verdict &&
    kept.roundTripMs === roundTripMs &&
    kept.roundTripSource === roundTripSource &&
    kept.connected === view.connected &&
    kept.overdue === view.overdue &&
    kept.standing === entry.standing &&
    kept.integerExact === view.integerExact &&
    kept.hardwareClass === hardwareClass &&
    kept.memoryBytes === memoryBytes &&
    (load === view.load || isSameLoad(load, view.load))
  kept.load = view.load
  if (isSame) return false
  kept.region = view.region
  kept.offer = offer
  kept.inFlight = entry.inFlight
  kept.others = foreseen.others
  kept.kvTokensFree = foreseen.kvTokensFree
  kept.verdict = foreseen.verdict
  kept.roundTripMs = roundTripMs
  kept.roundTripSource = roundTripSource
  kept.connected = view.connected
  kept.overdue = view.overdue
  kept.standing = entry.standing
  kept.integerExact = view.integerExact
  kept.hardwareClass = hardwareClass
  kept.memoryBytes = memoryBytes
  return true
}

/** Made anew only when the worker, the model or the policy is another. */
function machineOf(
  entry: Viewed,
  { record }: WorkerView,
  { classes, offer }: Pick<Machine, 'classes' | 'offer'>,
): Machine {
  const stated = record === null ? null : record.hardware
  const kept = entry.machine
  if (kept?.classes === classes && kept.stated === stated && kept.offer === offer) return kept
  const hardwareClass = hardwareClassOf(classes, stated)
  const memoryBytes = memoryOf(stated, offer?.runtime ?? '')
  entry.machine = { classes, stated, offer, hardwareClass, memoryBytes }
  return entry.machine
}

function isSameLoad(a: LoadReport, b: LoadReport): boolean {
  return (
    a.running === b.running &&
    a.waiting === b.waiting &&
    a.kvTokensFree === b.kvTokensFree &&
    a.draining === b.draining
  )
}

export function offerOf(view: WorkerView, model: string): OfferedModel | null {
  for (const offer of view.models) if (offer.name === model) return offer
  return null
}
