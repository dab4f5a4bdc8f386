/**
 * A node that does nothing but keep its coordinate: one probe a second, to whom its coordinates
 * choose, and an answer to each probe that comes in. Both carry the sender's coordinate.
 */
import type { Random } from '../../src/base/index.ts'
import type { Coordinate, RoundTripSample } from '../../src/mesh/index.ts'
import type { NodeId } from '../../src/protocol/index.ts'
import type { Actor, ActorInput, ActorOutputs } from '../../src/simulation/index.ts'

export interface ProbeMessage {
  readonly kind: 'ping' | 'ack'
  readonly number: number
  readonly coordinate: Coordinate
}

/** What keeps a coordinate: the product's, or one to compare with. */
export interface CoordinateKeeper {
  readonly own: Coordinate
  hear(peer: NodeId, coordinate: Coordinate, nowMs: number): unknown
  observe(sample: RoundTripSample, nowMs: number): unknown
  probeTarget(stranger: NodeId | undefined): NodeId | undefined
}

export interface ProberOptions {
  /** All nodes: strangers are drawn from them, as a peer sampling service would. */
  readonly ids: readonly NodeId[]
}

export interface ProberModules {
  readonly keeper: CoordinateKeeper
  readonly random: Random
}

export const probeIntervalMs = 1_000

export class CoordinateProber implements Actor<ProbeMessage, never> {
  readonly #options: ProberOptions
  readonly #modules: ProberModules
  #number = 0
  #sentAtMs = 0
  #target: NodeId | undefined
  #nextAtMs: number

  constructor(options: ProberOptions, modules: ProberModules) {
    this.#options = options
    this.#modules = modules
    this.#nextAtMs = modules.random.float() * probeIntervalMs
  }

  get coordinate(): Coordinate {
    return this.#modules.keeper.own
  }

  /** Probes so far. */
  get sent(): number {
    return this.#number
  }

  step(input: ActorInput<ProbeMessage>, nowMs: number): ActorOutputs<ProbeMessage, never> {
    const sends: { to: NodeId; message: ProbeMessage }[] = []
    if (input.kind === 'message') {
      const reply = this.#hear(input.from, input.message, nowMs)
      if (reply !== undefined) sends.push({ to: input.from, message: reply })
    } else if (nowMs >= this.#nextAtMs) {
      this.#nextAtMs += probeIntervalMs
      this.#target = this.#modules.keeper.probeTarget(this.#stranger())
      if (this.#target !== undefined) {
        this.#number += 1
        this.#sentAtMs = nowMs
        sends.push({ to: this.#target, message: this.#message('ping', this.#number) })
      }
    }
    return { sends, events: [], wakeAtMs: this.#nextAtMs }
  }

  #hear(from: NodeId, message: ProbeMessage, nowMs: number): ProbeMessage | undefined {
    const { kind, number, coordinate } = message
    const { keeper } = this.#modules
    keeper.hear(from, coordinate, nowMs)
    if (kind === 'ping') return this.#message('ack', number)
    if (from === this.#target && number === this.#number) {
      const roundTripMs = nowMs - this.#sentAtMs
      keeper.observe({ peer: from, roundTripMs, coordinate }, nowMs)
      this.#target = undefined
    }
    return undefined
  }

  #message(kind: ProbeMessage['kind'], number: number): ProbeMessage {
    return { kind, number, coordinate: this.coordinate }
  }

  #stranger(): NodeId | undefined {
    const { ids } = this.#options
    return ids[this.#modules.random.below(ids.length)]
  }
}
