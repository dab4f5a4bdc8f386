/**
 * Whether nodes can be where they say: light in fibre refutes a location from which an answer
 * could not have come so soon.
 *
 * An answer can always be late and never early, so a round trip bounds the distance from above. If
 * it contradicts two declared locations, one of the two nodes lies, or the witness about its
 * measurement; two nodes alone cannot tell which. A location counts as refuted when, for a minute
 * or more, more than half of a node's witnesses contradict it, at least three of them, and so many
 * agree on some other place where it could be. Refuted nodes are witnesses no more. While no more
 * than half of an honest node's witnesses lie, in whatever way, it is not refuted: the honest ones
 * cannot contradict it.
 *
 * Who is far away contradicts nobody. Witnesses are therefore only those with an answer within
 * `witnessRoundTripMsMax`: the members of one's own cluster, for most.
 */
import type { NodeId } from '../../protocol/index.ts'
import { type Cell, type CellGrid, distanceKm, type Place } from './cells.ts'
import { type Disc, haveCommonPoint } from './disc-overlap.ts'
import { leastRoundTripMs, reachKm } from './light.ts'

export type LocationInput =
  /** null: no longer declared, or the node is gone. */
  | { readonly kind: 'declared'; readonly id: NodeId; readonly cell: Cell | null }
  /** The shortest of the witness's latest round trips to the node. */
  | {
      readonly kind: 'measured'
      readonly witness: NodeId
      readonly id: NodeId
      readonly roundTripMs: number
    }
  | { readonly kind: 'tick' }

export interface Contradiction {
  readonly witness: NodeId
  readonly witnessCell: Cell
  readonly roundTripMs: number
  /** What light in fibre takes at the least. */
  readonly leastMs: number
  readonly distanceKm: number
}

export type LocationEvent =
  | {
      readonly kind: 'location-refuted'
      readonly id: NodeId
      readonly cell: Cell
      readonly witnesses: readonly Contradiction[]
      /** Those who contradict it included. */
      readonly witnessesAsked: number
    }
  /** It was refuted, and is no longer: another cell was declared, or the witnesses are gone. */
  | { readonly kind: 'location-restored'; readonly id: NodeId }
  | { readonly kind: 'location-rejected'; readonly id: NodeId; readonly cell: string }

export interface LocationOutputs {
  readonly sends: readonly never[]
  readonly events: readonly LocationEvent[]
  readonly wakeAtMs: number
}

export interface LocationVerdict {
  readonly cell: Cell
  readonly status: 'consistent' | 'disputed' | 'refuted'
  readonly contradictions: readonly Contradiction[]
  readonly witnesses: number
}

export const locationLimits = {
  /** Nodes with a location: as many as a gateway takes, and its cluster's. */
  nodesMax: 10_000,
  /** Of one node; the first to come, so that nobody is crowded out by better-looking ones. */
  witnessesMax: 64,
  /** Two can be the liar and its friend. */
  witnessesMin: 3,
  /**
   * 6,000 km at the most. Who is farther away cannot contradict a lie within half the earth and
   * would only outvote those who can. On cloud regions 60 to 80 ms found the most lies.
   */
  witnessRoundTripMsMax: 60,
  /** A measurement that nobody repeats. Links are probed every few seconds. */
  measurementLifeMs: 30 * 60_000,
  /**
   * After a move the links' windows still hold round trips of the old place (64 probes, two
   * minutes); they are not taken. Once an hour: who moves always would never be judged.
   */
  settlingMs: 3 * 60_000,
  settlingEveryMs: 60 * 60_000,
  /**
   * Verdicts are given so often, and nobody is refuted who was not to be at the last review: the
   * first to be heard are not all who have something to say.
   */
  reviewIntervalMs: 60_000,
} as const

interface Subject {
  readonly id: NodeId
  place: Place
  /** Until then measurements may be of the place before. */
  settledAtMs: number
  lastMoveAtMs: number
  /** The last review would have refuted it. */
  suspected: boolean
  refuted: boolean
  /** Round trips with others, from either side: it is the same path. */
  readonly trips: Map<Subject, Trip>
}

interface Trip {
  /** What light in fibre takes at the least. */
  readonly leastMs: number
  roundTripMs: number
  atMs: number
}

const nothing: readonly never[] = []

export class LocationCheck {
  readonly #grid: CellGrid
  readonly #subjects = new Map<NodeId, Subject>()
  /** Those whom someone contradicts. */
  readonly #contradicted = new Set<Subject>()
  #reviewAtMs = Number.POSITIVE_INFINITY
  #events: LocationEvent[] = []

  constructor(grid: CellGrid) {
    this.#grid = grid
  }

  get refuted(): number {
    let count = 0
    for (const { refuted } of this.#contradicted) if (refuted) count += 1
    return count
  }

  isRefuted(id: NodeId): boolean {
    return this.#subjects.get(id)?.refuted === true
  }

  step(input: LocationInput, nowMs: number): LocationOutputs {
    this.#events = []
    if (input.kind === 'declared') this.#declare(input.id, input.cell, nowMs)
    else if (input.kind === 'measured') this.#measure(input, nowMs)
    if (nowMs >= this.#reviewAtMs) this.#review(nowMs)
    if (this.#contradicted.size === 0) this.#reviewAtMs = Number.POSITIVE_INFINITY
    else if (this.#reviewAtMs === Number.POSITIVE_INFINITY) this.#scheduleReview(nowMs)
    return { sends: nothing, events: this.#events, wakeAtMs: this.#reviewAtMs }
  }

  /** How many nodes are of which standing, as of the last review. */
  counts(): Readonly<Record<LocationVerdict['status'], number>> {
    const { refuted } = this
    const contradicted = this.#contradicted.size
    return {
      consistent: this.#subjects.size - contradicted,
      disputed: contradicted - refuted,
      refuted,
    }
  }

  /** Nodes with a location, those whom someone contradicts first. */
  *ids(): Generator<NodeId> {
    for (const { id } of this.#contradicted) yield id
    for (const subject of this.#subjects.values()) {
      if (!this.#contradicted.has(subject)) yield subject.id
    }
  }

  /** undefined: it declares no location. */
  verdict(id: NodeId, nowMs: number): LocationVerdict | undefined {
    const subject = this.#subjects.get(id)
    if (subject === undefined) return undefined
    const { contradictions, witnesses } = hear(subject, nowMs)
    const disputed = contradictions.length > 0 ? 'disputed' : 'consistent'
    const status = subject.refuted ? 'refuted' : disputed
    return { cell: subject.place.cell, status, contradictions, witnesses }
  }

  #declare(id: NodeId, cell: Cell | null, nowMs: number): void {
    const known = this.#subjects.get(id)
    if (cell === known?.place.cell) return
    const place = cell === null ? undefined : this.#grid.place(cell)
    if (cell !== null && place === undefined)
      this.#events.push({ kind: 'location-rejected', id, cell })
    if (known !== undefined) this.#forget(known)
    if (place === undefined) this.#subjects.delete(id)
    else if (known !== undefined) move(known, place, nowMs)
    else if (this.#subjects.size < locationLimits.nodesMax) {
      const timing = { settledAtMs: nowMs, lastMoveAtMs: Number.NEGATIVE_INFINITY }
      const standing = { suspected: false, refuted: false }
      this.#subjects.set(id, { id, place, ...timing, ...standing, trips: new Map() })
    }
  }

  /** What was measured of it holds no longer, for either end. */
  #forget(subject: Subject): void {
    for (const other of subject.trips.keys()) other.trips.delete(subject)
    subject.trips.clear()
    if (subject.refuted) this.#events.push({ kind: 'location-restored', id: subject.id })
    subject.suspected = false
    subject.refuted = false
    this.#contradicted.delete(subject)
  }

  #measure(
    { witness, id, roundTripMs }: Extract<LocationInput, { kind: 'measured' }>,
    nowMs: number,
  ): void {
    const a = this.#subjects.get(witness)
    const b = this.#subjects.get(id)
    if (a === undefined || b === undefined || a === b) return
    if (!(roundTripMs > 0 && roundTripMs <= locationLimits.witnessRoundTripMsMax)) return
    if (nowMs < a.settledAtMs || nowMs < b.settledAtMs) return
    const trip = a.trips.get(b) ?? this.#begin(a, b, nowMs)
    if (trip === undefined) return
    trip.atMs = nowMs
    trip.roundTripMs = Math.min(trip.roundTripMs, roundTripMs)
    if (trip.roundTripMs >= trip.leastMs) return
    if (!b.refuted) this.#contradicted.add(a)
    if (!a.refuted) this.#contradicted.add(b)
  }

  #begin(a: Subject, b: Subject, nowMs: number): Trip | undefined {
    if (!hasRoom(a, nowMs) || !hasRoom(b, nowMs)) return undefined
    const leastMs = leastRoundTripMs(a.place, b.place)
    const trip: Trip = { leastMs, roundTripMs: Number.POSITIVE_INFINITY, atMs: nowMs }
    a.trips.set(b, trip)
    b.trips.set(a, trip)
    return trip
  }

  #review(nowMs: number): void {
    for (const subject of this.#contradicted) {
      const { against, witnesses } = tally(subject, nowMs)
      // Who is contradicted by few costs no more than to count them.
      const hearing = against < enoughOf(witnesses) ? undefined : hear(subject, nowMs)
      const isContradicted = hearing !== undefined && isRefuted(hearing)
      const refuted = isContradicted && (subject.suspected || subject.refuted)
      subject.suspected = isContradicted
      if (refuted !== subject.refuted) {
        subject.refuted = refuted
        this.#events.push(isContradicted ? refutation(subject, hearing) : restored(subject))
      }
      if (against === 0) this.#contradicted.delete(subject)
    }
    this.#scheduleReview(nowMs)
  }

  #scheduleReview(nowMs: number): void {
    this.#reviewAtMs = nowMs + locationLimits.reviewIntervalMs
  }
}

interface Hearing {
  readonly contradictions: readonly Contradiction[]
  /** Where the node can be at all, for each that contradicts it. */
  readonly discs: readonly Disc[]
  readonly witnesses: number
}

function tally(subject: Subject, nowMs: number): { against: number; witnesses: number } {
  let against = 0
  let witnesses = 0
  for (const [{ refuted }, { roundTripMs, leastMs, atMs }] of subject.trips) {
    if (refuted || nowMs - atMs > locationLimits.measurementLifeMs) continue
    witnesses += 1
    if (roundTripMs < leastMs) against += 1
  }
  return { against, witnesses }
}

function hear(subject: Subject, nowMs: number): Hearing {
  const contradictions: Contradiction[] = []
  const discs: Disc[] = []
  let witnesses = 0
  for (const [{ id, place, refuted }, { roundTripMs, leastMs, atMs }] of subject.trips) {
    if (refuted || nowMs - atMs > locationLimits.measurementLifeMs) continue
    witnesses += 1
    if (roundTripMs >= leastMs) continue
    const apartKm = distanceKm(place.direction, subject.place.direction)
    const witness = { witness: id, witnessCell: place.cell }
    contradictions.push({ ...witness, roundTripMs, leastMs, distanceKm: apartKm })
    discs.push({ centre: place.direction, reachKm: reachKm(place, roundTripMs) })
  }
  return { contradictions, discs, witnesses }
}

/** More than half, and not too few. */
function enoughOf(witnesses: number): number {
  return Math.max(locationLimits.witnessesMin, Math.floor(witnesses / 2) + 1)
}

function isRefuted({ contradictions, discs, witnesses }: Hearing): boolean {
  const enough = enoughOf(witnesses)
  return contradictions.length >= enough && haveCommonPoint(discs, enough)
}

function refutation({ id, place }: Subject, hearing: Hearing): LocationEvent {
  const { contradictions, witnesses } = hearing
  const what = { id, cell: place.cell, witnesses: contradictions, witnessesAsked: witnesses }
  return { kind: 'location-refuted', ...what }
}

function restored({ id }: Subject): LocationEvent {
  return { kind: 'location-restored', id }
}

function move(subject: Subject, place: Place, nowMs: number): void {
  const { settlingMs, settlingEveryMs } = locationLimits
  subject.place = place
  if (nowMs - subject.lastMoveAtMs >= settlingEveryMs) {
    subject.settledAtMs = nowMs + settlingMs
    subject.lastMoveAtMs = nowMs
  }
}

function hasRoom(subject: Subject, nowMs: number): boolean {
  if (subject.trips.size < locationLimits.witnessesMax) return true
  dropOld(subject, nowMs)
  return subject.trips.size < locationLimits.witnessesMax
}

function dropOld(subject: Subject, nowMs: number): void {
  for (const [other, { atMs }] of subject.trips) {
    if (nowMs - atMs <= locationLimits.measurementLifeMs) continue
    subject.trips.delete(other)
    other.trips.delete(subject)
  }
}
