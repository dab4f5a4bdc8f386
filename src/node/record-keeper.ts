/**
 * The node's own record: what it says of itself, and when it must be signed anew. Pure but for the
 * signature.
 */
import {
  type HardwareReport,
  type Identity,
  type NodeRecord,
  type OfferedModel,
  type SignedNodeRecord,
  signNodeRecord,
} from '../protocol/index.ts'

export interface RecordOptions {
  readonly network: string
  readonly softwareVersion: string
  readonly region: string
  readonly cell: string
  readonly lifeMs: number
}

export class RecordKeeper {
  readonly #options: RecordOptions
  readonly #identity: Identity
  readonly #hardware: HardwareReport
  #addresses: readonly string[] = []
  #current: SignedNodeRecord | undefined
  #modelsAsText = ''

  constructor(
    options: RecordOptions,
    modules: { readonly identity: Identity; readonly hardware: HardwareReport },
  ) {
    this.#options = options
    this.#identity = modules.identity
    this.#hardware = modules.hardware
  }

  /** Where the node can be dialled, once it listens. */
  setAddresses(addresses: readonly string[]): void {
    this.#addresses = addresses
    this.#current = undefined
  }

  /**
   * The present record; a new one with a higher sequence when models changed or half of its life
   * is over.
   */
  record(models: readonly OfferedModel[], now: number): SignedNodeRecord {
    const asText = JSON.stringify(models)
    const current = this.#current
    const halfLifeAt = (current?.record.issuedAtMs ?? 0) + this.#options.lifeMs / 2
    if (current !== undefined && asText === this.#modelsAsText && now < halfLifeAt) return current
    const signed = signNodeRecord(this.#identity, this.#compose(models, now))
    this.#sequence = signed.record.sequence
    this.#current = signed
    this.#modelsAsText = asText
    return signed
  }

  #sequence = 0

  #compose(models: readonly OfferedModel[], now: number): NodeRecord {
    return {
      id: this.#identity.id,
      network: this.#options.network,
      // The time makes it rise across restarts without a file; +1 also when the clock stands or
      // steps back.
      sequence: Math.max(this.#sequence + 1, now),
      issuedAtMs: now,
      expiresAtMs: now + this.#options.lifeMs,
      softwareVersion: this.#options.softwareVersion,
      region: this.#options.region,
      cell: this.#options.cell,
      addresses: this.#addresses,
      hardware: this.#hardware,
      models,
    }
  }
}
