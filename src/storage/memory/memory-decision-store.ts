/** Decisions in memory: for tests, the simulator, and a gateway without a disk. */
import type { DecisionId } from '../../protocol/index.ts'
import {
  type Decision,
  type DecisionStore,
  type KeptDecision,
  type Signer,
  sealAlone,
  textOfDecision,
  type ViewPiece,
} from '../../routing/index.ts'
import { decisionsMaxDefault, viewBytesMaxDefault } from '../limits.ts'

export interface MemoryDecisionOptions {
  readonly decisionsMax?: number
  readonly viewBytesMax?: number
  /** Signs each decision when it is read; without it, none is signed. */
  readonly signer?: Signer | undefined
}

export class MemoryDecisionStore implements DecisionStore {
  readonly decisionsMax: number
  /** In the order of their last `put`. */
  readonly #decisions = new Map<DecisionId, Decision>()
  readonly #signer: Signer | undefined
  readonly #viewBytesMax: number
  /** The oldest frame first. */
  readonly #views = new Map<string, Buffer>()
  #viewBytes = 0

  constructor(options: MemoryDecisionOptions = {}) {
    this.decisionsMax = options.decisionsMax ?? decisionsMaxDefault
    this.#signer = options.signer
    this.#viewBytesMax = options.viewBytesMax ?? viewBytesMaxDefault
  }

  put(decision: Decision): void {
    this.#decisions.delete(decision.id)
    this.#decisions.set(decision.id, decision)
    if (this.#decisions.size <= this.decisionsMax) return
    const oldest = this.#decisions.keys().next().value
    if (oldest !== undefined) this.#decisions.delete(oldest)
  }

  get(id: DecisionId): Decision | undefined {
    return this.#decisions.get(id)
  }

  kept(id: DecisionId): KeptDecision | undefined {
    const decision = this.#decisions.get(id)
    if (decision === undefined) return undefined
    const text = textOfDecision(decision)
    return { text, seal: this.#signer === undefined ? null : sealAlone(this.#signer, text) }
  }

  putView({ frame, at, bytes }: ViewPiece): void {
    const before = this.#views.get(frame)
    if (at !== (before?.length ?? 0)) return
    this.#views.set(frame, Buffer.concat([before ?? Buffer.alloc(0), bytes]))
    this.#viewBytes += bytes.length
    for (const [oldest, { length }] of this.#views) {
      if (this.#viewBytes <= this.#viewBytesMax || this.#views.size === 1) return
      this.#views.delete(oldest)
      this.#viewBytes -= length
    }
  }

  view(frame: string): Uint8Array | undefined {
    return this.#views.get(frame)
  }

  recent(count: number, keyId?: string): readonly Decision[] {
    const newest = [...this.#decisions.values()].reverse()
    const asked = keyId === undefined ? newest : newest.filter((one) => one.keyId === keyId)
    return asked.slice(0, Math.max(0, count))
  }

  async flush(): Promise<void> {}

  async close(): Promise<void> {}
}
