/**
 * What other gateways say of nodes, and what follows from it here.
 *
 *   proven    the node's own signature shows it: it is judged as if this gateway had seen it
 *   accused   only their word shows it: this gateway asks the node something itself, and sees
 *   ended     an operator of theirs has ended it: their word is taken back
 *
 * A word counts in *clean* besides, if its gateway is one that this one relies on: a quarter of a
 * fault of one's own, once for each gateway and node, however often it is said. So a gateway that
 * lies can make honest nodes work a little, and no more.
 */
import type { Clock } from '../../base/index.ts'
import type { ModelDigest, NodeId } from '../../protocol/index.ts'
import type { BillRules } from './bill.ts'
import type { FaultKind } from './fault.ts'
import type { IncidentId } from './incident.ts'
import type { Notice } from './notice.ts'
import { modelOf, type Proof, proofOf } from './proof.ts'

/** Of a fault that this gateway has seen itself. */
export const accusationWeight = 0.25
/** Of one gateway, at up to 8 kB where they prove something. The oldest goes first. */
export const noticesPerGatewayMax = 64
/** As many as a gateway deals with; of those not relied on the one heard of first goes first. */
export const accusersMax = 64

export interface AccusationsModules {
  readonly clock: Pick<Clock, 'now'>
  readonly network: string
  /** As this gateway's policy has them now. */
  readonly bills: () => BillRules
  /** Who is a node here, and not only a name. */
  readonly isKnown: (worker: NodeId) => boolean
  /** What it did until then an operator here has forgiven; -Infinity: nothing. */
  readonly forgivenUntilMs: (worker: NodeId) => number
  /** Whether this gateway relies on that one. */
  readonly isTrusted: (gateway: NodeId) => boolean
  /** Counts in what is known of the node; what is taken back is below 0. */
  readonly observe: (worker: NodeId, at: { readonly atMs: number; readonly weight: number }) => void
}

/** What is to be done about a node now. */
export type Consequence =
  | { readonly kind: 'condemn'; readonly proof: Proof; readonly said: Said }
  | { readonly kind: 'check'; readonly model: ModelDigest | null; readonly said: Said }

export type Said = Pick<Accusation, 'gateway' | 'incident' | 'worker'>

export type Heard =
  | { readonly kind: 'proven' | 'accused'; readonly follows: Consequence | undefined }
  /** Nothing that is new; or of a time that is forgiven here. */
  | { readonly kind: 'repeated' | 'late' }
  /** Of which node that gateway had spoken. */
  | { readonly kind: 'ended'; readonly worker: NodeId | undefined }

interface Accusation {
  readonly gateway: NodeId
  readonly incident: IncidentId
  readonly worker: NodeId
  readonly atMs: number
  readonly proof: Proof | undefined
  readonly model: ModelDigest | null
  /** A question shows nothing of what a node does besides. */
  readonly isOfAnswers: boolean
  /** Something followed from it: not a second time. */
  isDone: boolean
  isCounted: boolean
}

const answerFaults: ReadonlySet<FaultKind> = new Set<FaultKind>([
  'result-content',
  'result-identity',
  'result-model',
  'result-signature',
  'settlement-mismatch',
])

/** 'ended': what began before that is not heard any more. */
type Kept = Accusation | 'ended'

export class Accusations {
  readonly #modules: AccusationsModules
  /** By gateway; the one heard of last at the end. */
  readonly #said = new Map<NodeId, Map<IncidentId, Kept>>()

  constructor(modules: AccusationsModules) {
    this.#modules = modules
  }

  hear(notice: Notice): Heard {
    const kept = this.#of(notice.gateway)
    const before = kept.get(notice.incident)
    if (notice.kind === 'ended') {
      if (before === 'ended') return { kind: 'repeated' }
      if (before !== undefined) this.#takeBack(before)
      this.#keep(kept, notice.incident, 'ended')
      return { kind: 'ended', worker: before?.worker }
    }
    if (before !== undefined) return { kind: 'repeated' }
    const { cause, evidence, gateway, incident, worker } = notice
    const isOfAnswers = answerFaults.has(cause)
    const { bills, clock, forgivenUntilMs, network } = this.#modules
    const proof = proofOf(worker, evidence, { network, bills: bills() })
    const atMs = Math.min(notice.atMs, clock.now())
    if ((proof?.atMs ?? atMs) <= forgivenUntilMs(worker)) return { kind: 'late' }
    const about = { gateway, incident, worker, atMs, proof, model: modelOf(evidence) }
    const accusation: Accusation = { ...about, isOfAnswers, isDone: false, isCounted: false }
    this.#keep(kept, incident, accusation)
    this.#count(accusation)
    const follows = this.#consequence(accusation)
    return { kind: proof === undefined ? 'accused' : 'proven', follows }
  }

  /** A node is here from now on. @returns what was to be done as soon as it came */
  joined(worker: NodeId): readonly Consequence[] {
    const all: Consequence[] = []
    for (const accusation of this.#all()) {
      if (accusation.worker !== worker) continue
      this.#count(accusation)
      const follows = this.#consequence(accusation)
      if (follows !== undefined) all.push(follows)
    }
    return all
  }

  /** Now and then: gateways become trusted after a while, and what they have said counts then. */
  tick(): void {
    for (const accusation of this.#all()) this.#count(accusation)
  }

  #consequence(accusation: Accusation): Consequence | undefined {
    const { model, proof, worker } = accusation
    const { forgivenUntilMs, isKnown } = this.#modules
    if (accusation.isDone || !isKnown(worker)) return undefined
    accusation.isDone = true
    if ((proof?.atMs ?? accusation.atMs) <= forgivenUntilMs(worker)) return undefined
    if (proof !== undefined) return { kind: 'condemn', proof, said: accusation }
    return accusation.isOfAnswers ? { kind: 'check', model, said: accusation } : undefined
  }

  /** What is proven is judged, and needs no weight. */
  #count(accusation: Accusation): void {
    const { atMs, gateway, isCounted, proof, worker } = accusation
    const { isKnown, isTrusted, observe } = this.#modules
    if (isCounted || proof !== undefined || !isTrusted(gateway) || !isKnown(worker)) return
    for (const other of this.#said.get(gateway)?.values() ?? []) {
      if (other !== 'ended' && other.worker === worker && other.isCounted) return
    }
    accusation.isCounted = true
    observe(worker, { atMs, weight: accusationWeight })
  }

  #takeBack(accusation: Accusation): void {
    if (!accusation.isCounted) return
    const { atMs, worker } = accusation
    accusation.isCounted = false
    this.#modules.observe(worker, { atMs, weight: -accusationWeight })
  }

  *#all(): IterableIterator<Accusation> {
    for (const kept of this.#said.values()) {
      for (const one of kept.values()) if (one !== 'ended') yield one
    }
  }

  #of(gateway: NodeId): Map<IncidentId, Kept> {
    const kept = this.#said.get(gateway) ?? new Map<IncidentId, Kept>()
    this.#said.delete(gateway)
    this.#said.set(gateway, kept)
    if (this.#said.size > accusersMax) this.#forgetOne(gateway)
    return kept
  }

  /** Names are free: many that nobody relies on push out none that somebody does. */
  #forgetOne(but: NodeId): void {
    const others = [...this.#said.keys()].filter((id) => id !== but)
    const first = others.find((id) => !this.#modules.isTrusted(id)) ?? others[0]
    if (first === undefined) return
    for (const one of this.#said.get(first)?.values() ?? []) {
      if (one !== 'ended') this.#takeBack(one)
    }
    this.#said.delete(first)
  }

  #keep(kept: Map<IncidentId, Kept>, incident: IncidentId, one: Kept): void {
    kept.delete(incident)
    kept.set(incident, one)
    const [first] = kept
    if (kept.size <= noticesPerGatewayMax || first === undefined) return
    if (first[1] !== 'ended') this.#takeBack(first[1])
    kept.delete(first[0])
  }
}
