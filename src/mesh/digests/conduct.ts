/**
 * How peers behaved: who lied in what, and who sends more than anybody honest would.
 *
 * A peer that was caught lying several times is not listened to for a while, each time for longer:
 * to find a lie costs the finder more than it costs the liar. Nothing here reaches a node's
 * standing by itself; the events do, where they are judged.
 */
import type { NodeId } from '../../protocol/index.ts'
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
}

interface Peer {
  lies: number
  mutedUntilMs: number
  muteMs: number
  tokens: number
  atMs: number
  floods: boolean
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
    const peer = this.#peer(id, isGateway, nowMs)
    if (nowMs < peer.mutedUntilMs) return 'muted'
    const { gatewayMessagesBurst, gatewayMessagesPerSecond, messagesBurst, messagesPerSecond } =
      floodLimits
    const perSecond = isGateway ? gatewayMessagesPerSecond : messagesPerSecond
    const burst = isGateway ? gatewayMessagesBurst : messagesBurst
    peer.tokens = Math.min(burst, peer.tokens + ((nowMs - peer.atMs) * perSecond) / 1_000)
    peer.atMs = nowMs
    if (peer.tokens < 1) {
      const again = peer.floods
      peer.floods = true
      return again ? 'flooding-again' : 'flooding'
    }
    if (peer.tokens >= burst / 2) peer.floods = false
    peer.tokens -= 1
    return 'heard'
  }

  caught({ by, kind }: Lie, nowMs: number): void {
    this.#counts.set(kind, (this.#counts.get(kind) ?? 0) + 1)
    const peer = this.#peer(by, false, nowMs)
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

  #peer(id: NodeId, isGateway: boolean, nowMs: number): Peer {
    let peer = this.#peers.get(id)
    if (peer === undefined) {
      if (this.#peers.size >= this.#peersMax) this.#forgetOne()
      const tokens = isGateway ? floodLimits.gatewayMessagesBurst : floodLimits.messagesBurst
      const { mutedMs: muteMs } = floodLimits
      peer = { lies: 0, mutedUntilMs: 0, muteMs, tokens, atMs: nowMs, floods: false }
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
