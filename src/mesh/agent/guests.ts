/**
 * What peers tell this member, before anything is believed: how much of it is looked at, and who
 * did what wrong how often.
 */
import type { Clock, Log } from '../../base/index.ts'
import { type NodeId, shortId } from '../../protocol/index.ts'
import type { ClusterFault } from '../clusters/context.ts'
import type { RejectionFault } from '../membership/step.ts'
import type { AgentLimits } from './limits.ts'
import { WorkAllowance } from './work-allowance.ts'

export type PeerFault = RejectionFault | ClusterFault | 'relay-forged' | 'relay-repeated' | 'lie'

/** One per packet, and one per so many bytes of it: a statement may cost a verification. */
const bytesPerWork = 128

/** Gateways exchange what they know of the whole federation: hashes to check, few signatures. */
const bytesPerWorkOfGateways = 2_048

/** What a forged statement costs who brought it, besides: honest bearers have verified theirs. */
const forgedWork = 50

interface Guest {
  readonly allowance: WorkAllowance
  faultLoggedAtMs: number
}

export interface GuestsModules {
  readonly clock: Clock
  readonly log: Log
  /** Whether this member and the peer are gateways, both. */
  readonly areGateways: (peer: NodeId) => boolean
}

export class Guests {
  readonly #limits: AgentLimits
  readonly #modules: GuestsModules
  /** The one that was met first makes room. */
  readonly #guests = new Map<NodeId, Guest>()
  readonly #faults = new Map<PeerFault, number>()

  constructor(limits: AgentLimits, modules: GuestsModules) {
    this.#limits = limits
    this.#modules = modules
  }

  /** How often each fault was found. */
  faults(): ReadonlyMap<PeerFault, number> {
    return this.#faults
  }

  /** Whether a packet of this length from the peer is to be looked at. */
  admits(peer: NodeId, bytes: number): boolean {
    const { allowance } = this.#guest(peer)
    const work = 1 + this.#workOf(peer, bytes)
    if (allowance.take(work, this.#modules.clock.monotonic())) return true
    this.note(peer, 'flood')
    return false
  }

  /**
   * What is said because of the peer's words is its work as well, or a few short questions could
   * make this member write without end. @returns whether it may say more
   */
  charge(peer: NodeId, bytes: number): boolean {
    const { allowance } = this.#guest(peer)
    const work = this.#workOf(peer, bytes)
    if (allowance.take(work, this.#modules.clock.monotonic())) return true
    this.note(peer, 'flood')
    return false
  }

  /** It has flooded for so long that its stream is to be ended. */
  isOut(peer: NodeId): boolean {
    return this.#guest(peer).allowance.isSpent
  }

  note(peer: NodeId, fault: PeerFault): void {
    this.#faults.set(fault, (this.#faults.get(fault) ?? 0) + 1)
    const guest = this.#guest(peer)
    const nowMs = this.#modules.clock.monotonic()
    if (fault === 'forged') guest.allowance.take(forgedWork, nowMs)
    if (nowMs - guest.faultLoggedAtMs < this.#limits.faultLogIntervalMs) return
    guest.faultLoggedAtMs = nowMs
    this.#modules.log.warn('a peer’s gossip is refused', { peer: shortId(peer), fault })
  }

  #workOf(peer: NodeId, bytes: number): number {
    const perWork = this.#modules.areGateways(peer) ? bytesPerWorkOfGateways : bytesPerWork
    return Math.ceil(bytes / perWork)
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
