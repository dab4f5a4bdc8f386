/** Gateways that a coordinator tells: the nearest that answer. */
import type { NodeId, NodeKey } from '../../protocol/index.ts'
import { digestTimes, viewLimits } from './limits.ts'

/** What a gateway was told, and has said that it knows. */
export interface Receiver {
  readonly id: NodeId
  /** Of the fresh ones. */
  readonly anchors: Map<NodeKey, ToldAnchor>
  /** -Infinity: never, and it lacks everything. */
  toldAtMs: number
  acknowledged: number
  ackAtMs: number
}

export interface ToldAnchor {
  readonly sequence: number
  readonly inDigest: number
  readonly atMs: number
  acknowledged: boolean
}

export class Receivers {
  #gateways: readonly NodeId[] = []
  #all: readonly Receiver[] = []
  #told: readonly NodeId[] = []
  /** Gateways that acknowledged nothing, and since when they wait for another turn. */
  readonly #silent = new Map<NodeId, number>()

  get all(): readonly Receiver[] {
    return this.#all
  }

  /** Their ids. */
  get told(): readonly NodeId[] {
    return this.#told
  }

  clear(): void {
    this.#tell([])
  }

  /** However often the row is named anew: what says nothing back is tried now and then. */
  name(named: readonly NodeId[], nowMs: number): void {
    const gateways = named.slice(0, viewLimits.gatewaysMax)
    for (const [id, atMs] of this.#silent) {
      const isOver = nowMs - atMs > digestTimes.silentAgainMs
      if (isOver || !gateways.includes(id)) this.#silent.delete(id)
    }
    const isSilent = (id: NodeId) => this.#silent.has(id)
    const answering = gateways.filter((id) => !isSilent(id))
    this.#gateways = [...answering, ...gateways.filter(isSilent)]
  }

  /** As many, the nearest that answer; one that is silent goes to the end of the row. */
  choose(count: number, nowMs: number): void {
    const silentMs = digestTimes.gatewaySilentMs
    const silent = this.#all.find(({ ackAtMs }) => nowMs - ackAtMs > silentMs)
    if (silent !== undefined && this.#gateways.length > 1) {
      this.#silent.set(silent.id, nowMs)
      this.#gateways = [...this.#gateways.filter((id) => id !== silent.id), silent.id]
    }
    if (silent === undefined && this.#isAsBefore(count)) return
    const toldAtMs = Number.NEGATIVE_INFINITY
    this.#tell(
      this.#gateways.slice(0, count).map((id) => {
        const known = this.#all.find((receiver) => receiver.id === id)
        if (known !== undefined && known !== silent) return known
        return { id, anchors: new Map(), toldAtMs, acknowledged: 0, ackAtMs: nowMs }
      }),
    )
  }

  #isAsBefore(count: number): boolean {
    if (this.#told.length !== Math.min(count, this.#gateways.length)) return false
    return this.#told.every((id, i) => this.#gateways[i] === id)
  }

  #tell(receivers: readonly Receiver[]): void {
    this.#all = receivers
    this.#told = receivers.map(({ id }) => id)
  }
}
