/** A node of a run: its engine, its process, and what it does instead of its work. */
import type { Random } from '../../base/index.ts'
import type { LoadWord, ProbeAnswer } from './balancer.ts'
import { Engine } from './engine.ts'
import type { FleetNode } from './fleet.ts'
import { stepMsOf } from './gpu-speed.ts'

/** A node refuses what would wait behind so many per slot. */
const queuePerSlot = 8
const latenciesKept = 32
const latenciesNearest = 8

interface SeenLatency {
  readonly inFlight: number
  readonly ms: number
}

export class SimNode {
  readonly index: number
  readonly host: number
  readonly spec: FleetNode
  readonly engine: Engine
  /** Counts its processes; 0: there was none yet. */
  life = 0
  isUp = false
  /** A report is due. */
  isTelling = false
  /** Engine events that were written down for another state are void. */
  plan = 0
  readonly #latencies: SeenLatency[] = []

  constructor(index: number, host: number, spec: FleetNode) {
    this.index = index
    this.host = host
    this.spec = spec
    this.engine = new Engine(spec.speed, spec.speed.slots * queuePerSlot)
  }

  get isBlackHole(): boolean {
    return this.spec.misbehaviour === 'blackHole' || this.spec.misbehaviour === 'sybil'
  }

  get inFlight(): number {
    return this.engine.running + this.engine.waiting
  }

  corrupts(random: Random, share: number): boolean {
    return this.spec.misbehaviour === 'corrupt' && random.float() < share
  }

  load(nowMs: number): LoadWord {
    const { running, waiting, speed } = this.engine
    const stepMs = stepMsOf(speed, speed.slots * 1_000)
    const tokensPerSecond = (speed.slots * 1_000) / stepMs
    const { unreadTokens } = this.engine
    return { running, waiting, unreadTokens, tokensPerSecond, saidAtMs: nowMs }
  }

  served(inFlight: number, ms: number): void {
    this.#latencies.push({ inFlight, ms })
    if (this.#latencies.length > latenciesKept) this.#latencies.shift()
  }

  /** As Prequal's servers do: the median of what it took recently with about as many in flight. */
  probe(): ProbeAnswer {
    const { inFlight } = this
    const near = [...this.#latencies]
      .sort((a, b) => Math.abs(a.inFlight - inFlight) - Math.abs(b.inFlight - inFlight))
      .slice(0, latenciesNearest)
      .map(({ ms }) => ms)
      .sort((a, b) => a - b)
    return { inFlight, latencyMs: near[Math.floor(near.length / 2)] ?? 0 }
  }
}
