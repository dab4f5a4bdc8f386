/**
 * What peers tell this member, before anything is believed: how much of it is looked at, and who
 * did what wrong how often.
 */
import type { Clock } from '../../base/index.ts'
import { type ClusterDigest, type NodeId, type Sealed, shortId } from '../../protocol/index.ts'
import type { ClusterFault } from '../clusters/context.ts'
import type { Lie, LieKind } from '../digests/conduct.ts'
import type { RejectionFault } from '../membership/step.ts'
import type { AddressBook } from './address-book.ts'
import type { MemberRole } from './card.ts'
import type { AgentLimits } from './limits.ts'
import type { RationedLog } from './rationed-log.ts'
import { WorkAllowance } from './work-allowance.ts'

export type PeerFault = RejectionFault | ClusterFault | 'relay-forged' | 'relay-repeated' | 'lie'

/** One per packet, and one per so many bytes of it: a statement may cost a verification. */
const bytesPerWork = 128

/**
 * Gateways exchange what they know of the whole federation: hashes to check, few signatures. And
 * what is said about load costs whoever says it no checks at all.
 */
const bytesPerWorkOfGateways = 2_048

/**
 * What a peer is to this gateway. Whoever may join can say that it is a gateway, under as many
 * names as it likes: those who merely say so share what gateways are let off.
 */
export type Standing = 'other' | 'declared-gateway' | 'trusted-gateway'

/** @param role of this member: to a node, gateways are peers like others */
export function standings(
  role: MemberRole,
  {
    book,
    choice,
  }: { readonly book: CardBook; readonly choice: { isTrusted(id: NodeId): boolean } },
): (peer: NodeId) => Standing {
  return (peer) => {
    if (role !== 'gateway' || book.card(peer)?.role !== 'gateway') return 'other'
    return choice.isTrusted(peer) ? 'trusted-gateway' : 'declared-gateway'
  }
}

type CardBook = Pick<AddressBook, 'card'>

/** What a forged statement costs who brought it, besides: honest bearers have verified theirs. */
const forgedWork = 50

interface Guest {
  readonly allowance: WorkAllowance
  faultLoggedAtMs: number
}

/** @param shown what proves it to others as well, where there is such a thing */
export type FaultListener = (
  peer: NodeId,
  fault: PeerFault | LieKind,
  shown?: Sealed<ClusterDigest>,
) => void

export interface GuestsModules {
  readonly clock: Clock
  readonly log: RationedLog
  readonly standingOf: (peer: NodeId) => Standing
  /** Told of every fault. */
  readonly onFault?: FaultListener
}

export class Guests {
  readonly #limits: AgentLimits
  readonly #modules: GuestsModules
  /** The one that was met first makes room. */
  readonly #guests = new Map<NodeId, Guest>()
  readonly #faults = new Map<PeerFault, number>()
  readonly #declared: WorkAllowance

  constructor(limits: AgentLimits, modules: GuestsModules) {
    this.#limits = limits
    this.#modules = modules
    const { declaredWorkBurstMax: burstMax, declaredWorkPerSecondMax: perSecondMax } = limits
    this.#declared = new WorkAllowance(
      { burstMax, perSecondMax, debtMax: 0 },
      modules.clock.monotonic(),
    )
  }

  /** How often each fault was found. */
  faults(): ReadonlyMap<PeerFault, number> {
    return this.#faults
  }

  /** Whether a packet of this length from the peer is to be looked at. */
  admits(peer: NodeId, bytes: number): boolean {
    return this.#take(peer, 1 + this.#workOf(peer, bytes))
  }

  /**
   * What a relay brought is the work of who wrote it, whose signature was found to be right: the
   * relay gets back what it paid for these bytes, but not for the look at them.
   * @returns whether its writer may cause that work
   */
  admitsRelayed(relay: NodeId, writer: NodeId, bytes: number): boolean {
    const isOther = this.#modules.standingOf(relay) === 'other'
    const perWork = isOther ? bytesPerWork : bytesPerWorkOfGateways
    this.#guest(relay).allowance.giveBack(Math.floor(bytes / perWork))
    return this.admits(writer, bytes)
  }

  /**
   * What is said because of the peer's words is its work as well, or a few short questions could
   * make this member write without end. @returns whether it may say more
   */
  charge(peer: NodeId, bytes: number): boolean {
    return this.#take(peer, this.#workOf(peer, bytes))
  }

  /** The same for what is said about load: much of it, and cheap to say. */
  chargeLoad(peer: NodeId, bytes: number): boolean {
    return this.#take(peer, Math.ceil(bytes / bytesPerWorkOfGateways))
  }

  /** It has flooded for so long that its stream is to be ended. */
  isOut(peer: NodeId): boolean {
    return this.#guest(peer).allowance.isSpent
  }

  /** @param lie which one, where it is one */
  note(peer: NodeId, fault: PeerFault, lie?: Pick<Lie, 'kind' | 'shown'>): void {
    this.#modules.onFault?.(peer, lie?.kind ?? fault, lie?.shown)
    this.#faults.set(fault, (this.#faults.get(fault) ?? 0) + 1)
    const guest = this.#guest(peer)
    const nowMs = this.#modules.clock.monotonic()
    if (fault === 'forged') guest.allowance.take(forgedWork, nowMs)
    if (nowMs - guest.faultLoggedAtMs < this.#limits.faultLogIntervalMs) return
    guest.faultLoggedAtMs = nowMs
    const fields = { peer: shortId(peer), fault }
    this.#modules.log.warn({ kind: 'refused', message: 'a peer’s gossip is refused', fields })
  }

  #take(peer: NodeId, work: number): boolean {
    const { allowance } = this.#guest(peer)
    if (allowance.take(work, this.#modules.clock.monotonic())) return true
    this.note(peer, 'flood')
    return false
  }

  #workOf(peer: NodeId, bytes: number): number {
    const work = Math.ceil(bytes / bytesPerWork)
    const standing = this.#modules.standingOf(peer)
    if (standing === 'other') return work
    const reduced = Math.ceil(bytes / bytesPerWorkOfGateways)
    if (standing === 'trusted-gateway') return reduced
    const nowMs = this.#modules.clock.monotonic()
    return this.#declared.takeIfCovered(work - reduced, nowMs) ? reduced : work
  }

  #guest(peer: NodeId): Guest {
    const known = this.#guests.get(peer)
    if (known !== undefined) return known
    const { workPerSecondMax, workBurstMax, workDebtMax, peersMax } = this.#limits
    if (this.#guests.size >= peersMax) {
      const first = this.#guests.keys().next().value
      if (first !== undefined) this.#guests.delete(first)
    }
    const bounds = {
      perSecondMax: workPerSecondMax,
      burstMax: workBurstMax,
      debtMax: workDebtMax,
    }
    const allowance = new WorkAllowance(bounds, this.#modules.clock.monotonic())
    const guest: Guest = { allowance, faultLoggedAtMs: Number.NEGATIVE_INFINITY }
    this.#guests.set(peer, guest)
    return guest
  }
}
