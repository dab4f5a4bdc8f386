/**
 * A gateway that lies, and is relied on by all others: it tells as much as the protocol lets it, as
 * often as helps it, and nothing of it is true. It praises nodes that fail, and says of others that
 * they do, and that it has quarantined them.
 */
import type { Notice } from '../../evidence/index.ts'
import { type Experience, messageLimits, type NodeId } from '../../protocol/index.ts'

/** Sooner than what it said fades by a fifth of a percent. */
export const liesEveryMs = 10_000

export interface LyingGatewayOptions {
  readonly gateway: NodeId
  readonly model: string
  readonly praised: readonly NodeId[]
  readonly slandered: readonly NodeId[]
}

export class LyingGateway {
  readonly #options: LyingGatewayOptions
  #incidents = 0

  constructor(options: LyingGatewayOptions) {
    this.#options = options
  }

  experience(nowMs: number): Experience {
    const { gateway, model, praised, slandered } = this.#options
    const many = messageLimits.experienceCountMax
    const rows = [
      ...praised.map((node) => ({ node, model, right: many, failed: 0 })),
      ...slandered.map((node) => ({ node, model, right: 0, failed: many })),
    ]
    return { gateway, issuedAtMs: Math.floor(nowMs), rows }
  }

  /** That it has found each of them to sign what it did not say; there is nothing to show. */
  accusations(nowMs: number): readonly Notice[] {
    const { gateway, slandered } = this.#options
    return slandered.map((worker): Notice => {
      this.#incidents += 1
      const incident = `inc_${this.#incidents.toString(32).padStart(26, 'a')}` as const
      const said = { gateway, incident, atMs: nowMs, worker, evidence: {} }
      return { kind: 'quarantined', cause: 'result-content', ...said }
    })
  }
}
