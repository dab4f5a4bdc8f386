/**
 * One worker as routing sees it: filled anew, in place, when something about it is other than it
 * was.
 */
import { newcomer, type Standing } from '../../evidence/index.ts'
import type { HardwareReport, LoadReport, OfferedModel, WorkerId } from '../../protocol/index.ts'
import {
  type Candidate,
  type HardwareClass,
  hardwareClassOf,
  machineInWords,
  memoryOf,
  type RoutingPolicy,
  type ViewFrame,
} from '../../routing/index.ts'
import { Foreseen } from './foreseen.ts'
import type { Worker, WorkerView } from './worker.ts'

/** What the registry holds of one worker. */
export interface Viewed {
  readonly worker: Worker
  readonly inFlight: number
  readonly standing: Standing | undefined
  /** By model, what stands against it for that one alone. */
  readonly slow: ReadonlyMap<string, Standing> | undefined
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
  /** In words. */
  readonly words: string
  readonly memoryBytes: number | undefined
}

export interface KeptCandidate {
  readonly candidate: Writable<Candidate>
  /** Where it is noted. */
  frame: ViewFrame | undefined
  slot: number
  /** Of the table. */
  row: number
}

type Writable<T> = { -readonly [K in keyof T]: T[K] }

/** What the candidates are asked for. */
export interface Question {
  readonly model: string
  readonly policy: Pick<RoutingPolicy, 'hardwareClasses'>
}

const unforeseen = new Foreseen()

const unknownLoad: LoadReport = { running: 0, waiting: 0, kvTokensFree: 0, draining: false }

/** Before it is filled for the first time. */
export function newCandidate(id: WorkerId): Writable<Candidate> {
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
    machine: '',
    memoryBytes: undefined,
    evidence: newcomer,
  }
}

/** What is other than it was: how busy it is, which changes with each request, or more. */
export type Seen = 'same' | 'busier' | 'other'

export function refresh(
  kept: Writable<Candidate>,
  entry: Viewed,
  { model, policy }: Question,
): Seen {
  const foreseen = entry.foreseen ?? unforeseen
  const view = entry.worker.describe()
  const offer = offerOf(view, model)
  const isMeasured = view.roundTripMs !== undefined
  const roundTripMs = isMeasured ? view.roundTripMs : foreseen.roundTripMs
  const roundTripSource = isMeasured ? 'measured' : foreseen.roundTripSource
  const { hardwareClass, memoryBytes, words } = machineOf(entry, view, {
    classes: policy.hardwareClasses,
    offer,
  })
  const { load } = kept
  const standing = entry.standing ?? entry.slow?.get(model)
  const isBusier = kept.inFlight !== entry.inFlight || isBusierBy(load, view.load)
  const isSame =
    kept.region === view.region &&
    kept.offer === offer &&
    kept.others === foreseen.others &&
    kept.kvTokensFree === foreseen.kvTokensFree &&
    kept.verdict === foreseen.verdict &&
    kept.roundTripMs === roundTripMs &&
    kept.roundTripSource === roundTripSource &&
    kept.connected === view.connected &&
    kept.overdue === view.overdue &&
    kept.standing === standing &&
    kept.integerExact === view.integerExact &&
    kept.hardwareClass === hardwareClass &&
    kept.machine === words &&
    kept.memoryBytes === memoryBytes &&
    (load === view.load || isSameBut(load, view.load))
  kept.load = view.load
  kept.inFlight = entry.inFlight
  if (isSame) return isBusier ? 'busier' : 'same'
  kept.region = view.region
  kept.offer = offer
  kept.others = foreseen.others
  kept.kvTokensFree = foreseen.kvTokensFree
  kept.verdict = foreseen.verdict
  kept.roundTripMs = roundTripMs
  kept.roundTripSource = roundTripSource
  kept.connected = view.connected
  kept.overdue = view.overdue
  kept.standing = standing
  kept.integerExact = view.integerExact
  kept.hardwareClass = hardwareClass
  kept.machine = words
  kept.memoryBytes = memoryBytes
  return 'other'
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
  const words = machineInWords(classes, stated)
  entry.machine = { classes, stated, offer, hardwareClass, words, memoryBytes }
  return entry.machine
}

function isBusierBy(a: LoadReport, b: LoadReport): boolean {
  return a.running !== b.running || a.kvTokensFree !== b.kvTokensFree
}

/** But for how many run, and what that leaves free. */
function isSameBut(a: LoadReport, b: LoadReport): boolean {
  return (
    a.waiting === b.waiting &&
    a.promptTokensUnread === b.promptTokensUnread &&
    a.draining === b.draining
  )
}

export function offerOf(view: WorkerView, model: string): OfferedModel | null {
  return offerIn(view.models, model)
}

export function offerIn(models: readonly OfferedModel[], model: string): OfferedModel | null {
  for (const offer of models) if (offer.name === model) return offer
  return null
}
