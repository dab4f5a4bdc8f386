/**
 * What other gateways have seen of workers, as far as it may count here: the counts that each said
 * last, faded as one's own are, at a quarter of the weight, and no more than a few for each gateway
 * and for all of them. In the record it counts beside as much that this gateway has seen itself: a
 * gateway that lies makes others surer of what they see, and shows them nothing that is not there.
 */
import type { Clock } from '../base/index.ts'
import type { Experience, NodeId } from '../protocol/index.ts'
import { completionHalfLifeMs, type Heard } from './record.ts'

export const hearsayLimits = {
  /** Of what this gateway saw itself: other ways to a worker, other requests, another judgement. */
  weight: 0.25,
  /** Of one gateway, for a worker and model, in requests of one's own. */
  perGatewayMax: 4,
  /** Of all gateways: two that agree are heard out, ten that lie are no more. */
  totalMax: 8,
  /** Gateways that are heard; as many as are relied on. The one heard of the longest ago goes. */
  gatewaysMax: 16,
  /** Workers and models of one gateway, at 100 bytes; the one named the longest ago goes. */
  rowsPerGatewayMax: 4_096,
  /** What is older says little, and a gateway says it each minute or so. */
  ageMaxMs: 10 * 60_000,
  /** Clocks that are further ahead are wrong: what is said when they are right would be old. */
  aheadMaxMs: 60_000,
} as const

export interface HearsayModules {
  readonly clock: Pick<Clock, 'now'>
  /** Whether the worker is here and serves this model: names are free. */
  readonly isKnown: (worker: NodeId, model: string) => boolean
  /** What counts of a worker and model from now on. */
  readonly count: (worker: NodeId, model: string, heard: Heard) => void
}

interface Row {
  readonly right: number
  readonly failed: number
  readonly atMs: number
}

interface Teller {
  issuedAtMs: number
  readonly rows: Map<string, Row>
}

export class Hearsay {
  readonly #modules: HearsayModules
  /** The one heard of last at the end. */
  readonly #tellers = new Map<NodeId, Teller>()

  constructor(modules: HearsayModules) {
    this.#modules = modules
  }

  /**
   * @param experience of a gateway that this one relies on, which has signed it
   * @returns whether it is news
   */
  hear({ gateway, issuedAtMs, rows }: Experience): boolean {
    const now = this.#modules.clock.now()
    const teller = this.#teller(gateway)
    const ageMs = now - issuedAtMs
    if (issuedAtMs <= teller.issuedAtMs || ageMs > hearsayLimits.ageMaxMs) return false
    if (-ageMs > hearsayLimits.aheadMaxMs) return false
    // A time to come would fade later than it ought to.
    const atMs = Math.min(issuedAtMs, now)
    teller.issuedAtMs = issuedAtMs
    for (const { failed, model, node, right } of rows) {
      if (!this.#modules.isKnown(node, model)) continue
      const key = keyOf(node, model)
      teller.rows.delete(key)
      teller.rows.set(key, { right, failed, atMs })
      const oldest = teller.rows.keys().next().value
      if (teller.rows.size > hearsayLimits.rowsPerGatewayMax && oldest !== undefined) {
        teller.rows.delete(oldest)
      }
      this.#modules.count(node, model, this.#sum(key, now))
    }
    return true
  }

  #sum(key: string, now: number): Heard {
    const { perGatewayMax, totalMax, weight } = hearsayLimits
    let [successes, failures] = [0, 0]
    for (const { rows } of this.#tellers.values()) {
      const row = rows.get(key)
      if (row === undefined) continue
      const left = weight * 2 ** (Math.min(0, row.atMs - now) / completionHalfLifeMs)
      const share = shareOf((row.right + row.failed) * left, perGatewayMax) * left
      successes += row.right * share
      failures += row.failed * share
    }
    const share = shareOf(successes + failures, totalMax)
    return { atMs: now, successes: successes * share, failures: failures * share }
  }

  #teller(gateway: NodeId): Teller {
    const teller = this.#tellers.get(gateway) ?? { issuedAtMs: 0, rows: new Map() }
    this.#tellers.delete(gateway)
    this.#tellers.set(gateway, teller)
    const first = this.#tellers.keys().next().value
    if (this.#tellers.size > hearsayLimits.gatewaysMax && first !== undefined) {
      this.#tellers.delete(first)
    }
    return teller
  }
}

/** By what it is multiplied so that it is no more than that. */
function shareOf(amount: number, amountMax: number): number {
  return amount > amountMax ? amountMax / amount : 1
}

/** A node's id has no space in it. */
function keyOf(node: NodeId, model: string): string {
  return `${node} ${model}`
}
