/** Requests that come to a simulated node and go: what it has to say of its load. */
import type { Random } from '../../base/index.ts'
import type { LoadPartInput } from '../../mesh/index.ts'

export type NodeFacts = Extract<LoadPartInput, { kind: 'facts' }>['facts']

/** The figures change about as often. */
const changeEveryMs = 3_000
const slots = 16
const kvTokensTotal = 131_072
const kvTokensPerRequest = 4_096
const tokensPerSecond = 1_000
const capabilities = new Uint8Array(32)

export class SimulatedWork {
  readonly #region: string
  readonly #random: Random
  #running = 0
  #changeAtMs: number

  constructor(region: string, random: Random, nowMs: number) {
    this.#region = region
    this.#random = random
    this.#changeAtMs = nowMs
  }

  get changeAtMs(): number {
    return this.#changeAtMs
  }

  /** A request more or less. */
  change(nowMs: number): NodeFacts {
    this.#changeAtMs = nowMs + changeEveryMs * (0.5 + this.#random.float())
    const step = this.#random.below(2) === 0 ? -1 : 1
    this.#running = Math.min(slots, Math.max(0, this.#running + step))
    const kvTokensFree = kvTokensTotal - this.#running * kvTokensPerRequest
    return {
      region: this.#region,
      capabilities,
      slots,
      kvTokensTotal,
      tokensPerSecond,
      health: 'good',
      load: { running: this.#running, waiting: 0, kvTokensFree },
    }
  }
}
