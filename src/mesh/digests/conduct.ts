/**
 * How peers behaved: who lied in what, and who sends more than anybody honest would.
 *
 * A peer that was caught lying several times is not listened to for a while, each time for longer:
 * to find a lie costs the finder more than it costs the liar. Nothing here reaches a node's
 * standing by itself; the events do, where they are judged.
 */
import type { ClusterDigest, NodeId, Sealed } from '../../protocol/index.ts'
import { floodLimits } from './limits.ts'

export type LieKind =
  /** A digest that its coordinator did not sign. */
  | 'forged-digest'
  /** A node's anchor that the node did not sign. */
  | 'forged-anchor'
  /** A load that the node did not show. */
  | 'forged-tick'
  /** What a node said earlier, after something newer was already told. */
  | 'replay'
  /** A node that speaks, left out. */
  | 'omission'
  /** A node of another cluster. */
  | 'misplaced'
  /** A node that was called dead and spoke on. */
  | 'false-death'
  /** One who says two things at once of itself. */
  | 'contradiction'
  /** What only somebody else may say. */
  | 'not-its-own'
  | 'flooding'

export interface Lie {
  readonly by: NodeId
  readonly kind: LieKind
  /** Whom it concerns, where it is a node. */
  readonly about?: string
  /** What shows it to anybody: the liar has signed it. */
  readonly shown?: Sealed<ClusterDigest>
}

interface Peer {
  /** What it sent is used up then: a token bucket in one number. */
  busyUntilMs: number
  floods: boolean
  mutedUntilMs: number
  muteMs: number
  lies: number
}

export type Hearing = 'heard' | 'muted' | 'flooding' | 'flooding-again'

/** Mistakes that an honest peer can make: counted, and not silenced for. */
const forgivable: ReadonlySet<LieKind> = new Set(['omission', 'false-death', 'replay'])

export class Conduct {
  readonly #peers = new Map<NodeId, Peer>()
  readonly #peersMax: number
  #counts = new Map<LieKind, number>()

  constructor(peersMax: number) {
    this.#peersMax = peersMax
  }

  get size(): number {
    return this.#peers.size
  }

  /** How often each kind was caught, of anybody. */
  get counts(): ReadonlyMap<LieKind, number> {
    return this.#counts
  }

  /** Whether a message of this peer is to be read, before anything in it is looked at. */
  hear(id: NodeId, isGateway: boolean, nowMs: number): Hearing {
    const peer = this.#peer(id)
    if (nowMs < peer.mutedUntilMs) return 'muted'
    const { gatewayMessagesBurst, gatewayMessagesPerSecond, messagesBurst, messagesPerSecond } =
      floodLimits
    const eachMs = 1_000 / (isGateway ? gatewayMessagesPerSecond : messagesPerSecond)
    const burstMs = eachMs * (isGateway ? gatewayMessagesBurst : messagesBurst)
    const busyMs = Math.max(0, peer.busyUntilMs - nowMs)
    if (busyMs + eachMs > burstMs) {
      const again = peer.floods
      peer.floods = true
      return again ? 'flooding-again' : 'flooding'
    }
    if (busyMs <= burstMs / 2) peer.floods = false
    peer.busyUntilMs = nowMs + busyMs + eachMs
    return 'heard'
  }

  caught({ by, kind }: Lie, nowMs: number): void {
    this.#counts.set(kind, (this.#counts.get(kind) ?? 0) + 1)
    const peer = this.#peer(by)
    if (forgivable.has(kind) || kind === 'flooding') return
    peer.lies += 1
    if (peer.lies % floodLimits.liesUntilMuted !== 0) return
    peer.mutedUntilMs = nowMs + peer.muteMs
    peer.muteMs = Math.min(2 * peer.muteMs, floodLimits.mutedMsMax)
  }

  isMuted(id: NodeId, nowMs: number): boolean {
    return nowMs < (this.#peers.get(id)?.mutedUntilMs ?? 0)
  }

  liesOf(id: NodeId): number {
    return this.#peers.get(id)?.lies ?? 0
  }

  #peer(id: NodeId): Peer {
    let peer = this.#peers.get(id)
    if (peer === undefined) {
      if (this.#peers.size >= this.#peersMax) this.#forgetOne()
      const { mutedMs: muteMs } = floodLimits
      peer = { busyUntilMs: 0, floods: false, mutedUntilMs: 0, muteMs, lies: 0 }
      this.#peers.set(id, peer)
    }
    return peer
  }

  /** The one that is known longest and never lied; a liar does not wash itself by newcomers. */
  #forgetOne(): void {
    let first: NodeId | undefined
    for (const [id, peer] of this.#peers) {
      first ??= id
      if (peer.lies > 0) continue
      this.#peers.delete(id)
      return
    }
    if (first !== undefined) this.#peers.delete(first)
  }
}
