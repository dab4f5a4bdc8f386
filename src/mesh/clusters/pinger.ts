/**
 * Measures round trips by probes that are echoed. The nonce is known to none but the probed, so
 * nobody can make a way look shorter than it is; everyone can make it look longer, to its own cost.
 */
import type { Random } from '../../base/index.ts'
import type { NodeId } from '../../protocol/index.ts'
import { clusterLimits, clusterTimes } from './limits.ts'
import type { Trips } from './trips.ts'

interface Probe {
  readonly id: NodeId
  tries: number
  nonce: number
  sentAtMs: number
  dueMs: number
  /** Some echo has come. */
  isHeard: boolean
  /** This process was stalled while it was under way: it shows nothing of the way. */
  isStalled: boolean
}

export interface PingerEffects {
  send(to: NodeId, nonce: number): void
  /** Over; false when nothing came back. */
  done(id: NodeId, isHeard: boolean): void
}

export interface Echoed {
  readonly ms: number
  /** Whether the other has become far or near by this. */
  readonly isNews: boolean
}

export class Pinger {
  readonly #random: Random
  readonly #trips: Trips
  readonly #boundMs: number
  readonly #effects: PingerEffects
  readonly #probes = new Map<NodeId, Probe>()

  constructor(
    modules: { readonly random: Random; readonly trips: Trips; readonly boundMs: number },
    effects: PingerEffects,
  ) {
    this.#random = modules.random
    this.#trips = modules.trips
    this.#boundMs = modules.boundMs
    this.#effects = effects
  }

  get nextDueMs(): number {
    let dueMs = Number.POSITIVE_INFINITY
    if (this.#probes.size === 0) return dueMs // nearly always, and asked at every step
    for (const probe of this.#probes.values()) if (probe.dueMs < dueMs) dueMs = probe.dueMs
    return dueMs
  }

  get isBusy(): boolean {
    return this.#probes.size > 0
  }

  isBusyWith(id: NodeId): boolean {
    return this.#probes.has(id)
  }

  /** @returns whether a probe is under way now */
  measure(id: NodeId, nowMs: number): boolean {
    if (this.#probes.has(id)) return true
    if (this.#probes.size >= clusterLimits.probesMax) return false
    const probe: Probe = {
      id,
      tries: 0,
      nonce: 0,
      sentAtMs: 0,
      dueMs: 0,
      isHeard: false,
      isStalled: false,
    }
    this.#probes.set(id, probe)
    this.#send(probe, nowMs)
    return true
  }

  /** @returns the round trip, when it is an echo of a probe under way */
  hear(from: NodeId, nonce: number, nowMs: number): Echoed | undefined {
    const probe = this.#probes.get(from)
    if (probe === undefined || probe.nonce !== nonce) return undefined
    const ms = nowMs - probe.sentAtMs
    probe.isHeard = true
    if (probe.isStalled) {
      if (probe.tries < clusterLimits.probeTries) this.#send(probe, nowMs)
      else this.#finish(probe)
      return undefined
    }
    const isNews = this.#trips.record(from, ms, nowMs)
    const isSure = probe.tries >= clusterLimits.probeTries || !this.#isDoubtful(from, ms)
    if (isSure) this.#finish(probe)
    else this.#send(probe, nowMs)
    return { ms, isNews }
  }

  /** This process was: what came meanwhile lay there for as long. */
  noteOwnStall(): void {
    for (const probe of this.#probes.values()) probe.isStalled = true
  }

  tick(nowMs: number): void {
    for (const probe of this.#probes.values()) {
      if (nowMs < probe.dueMs) continue
      if (probe.tries >= clusterLimits.probeTries) this.#finish(probe)
      else this.#send(probe, nowMs)
    }
  }

  /** A little above the bound: jitter may have made it so. Or near until now, and not this time. */
  #isDoubtful(id: NodeId, ms: number): boolean {
    if (!this.#trips.isFar(id)) return this.#trips.isDoubt(id, ms)
    return (this.#trips.ms(id) ?? 0) <= clusterLimits.clearlyFarShare * this.#boundMs
  }

  #send(probe: Probe, nowMs: number): void {
    probe.tries += 1
    probe.nonce = this.#random.below(2 ** 32)
    probe.sentAtMs = nowMs
    probe.isStalled = false
    probe.dueMs = nowMs + clusterTimes.probeTimeoutMs
    this.#effects.send(probe.id, probe.nonce)
  }

  #finish(probe: Probe): void {
    this.#probes.delete(probe.id)
    this.#effects.done(probe.id, probe.isHeard)
  }
}
