/**
 * Roots of trees of envelopes whose signatures were verified a moment ago: the envelopes that come
 * with the same root need no other verification.
 *
 * Only what was verified is remembered, and each sender's apart: a sender can neither use another's
 * roots nor push them out. What is remembered lies in two generations; when the younger one is old
 * enough it takes the place of the older, which is dropped. The worst that a hostile peer can do
 * is to be verified anew.
 */
import { assert, type Clock } from '../base/index.ts'
import type { NodeId } from './ids.ts'

export interface VerifiedRootsOptions {
  /** Senders whose roots are remembered, each generation by itself; a sender takes about 1 kB. */
  readonly sendersMax: number
  readonly clock: Clock
}

export const verifiedRootsLimits = {
  /** The envelopes of one tree leave together, and a connection keeps their order. */
  rootsPerSenderMax: 8,
  /** A generation; a root is remembered for one to two of them. Far more than a slow path needs. */
  generationMs: 5_000,
} as const

export class VerifiedRoots {
  readonly #sendersMax: number
  readonly #clock: Clock
  #young = new Map<NodeId, RootRing>()
  #old = new Map<NodeId, RootRing>()
  #beganAtMs: number

  constructor({ sendersMax, clock }: VerifiedRootsOptions) {
    assert(sendersMax >= 1, 'roots of at least one sender are remembered')
    this.#sendersMax = sendersMax
    this.#clock = clock
    this.#beganAtMs = clock.monotonic()
  }

  /** Senders of whom something is remembered; one that is in both generations counts twice. */
  get size(): number {
    return this.#young.size + this.#old.size
  }

  /** @param statement what was signed: the root, and all that is said of it */
  has(sender: NodeId, statement: Uint8Array, signature: Uint8Array): boolean {
    this.#turnGenerations()
    const isYoung = this.#young.get(sender)?.has(statement, signature) ?? false
    return isYoung || (this.#old.get(sender)?.has(statement, signature) ?? false)
  }

  /** To be called only when `signature` has been verified as the sender's over `statement`. */
  add(sender: NodeId, statement: Uint8Array, signature: Uint8Array): void {
    this.#turnGenerations()
    let ring = this.#young.get(sender)
    if (ring === undefined) {
      if (this.#young.size >= this.#sendersMax) return
      ring = new RootRing(statement.length + signature.length)
      this.#young.set(sender, ring)
    }
    ring.add(statement, signature)
  }

  #turnGenerations(): void {
    const { generationMs } = verifiedRootsLimits
    const ageMs = this.#clock.monotonic() - this.#beganAtMs
    if (ageMs < generationMs) return
    this.#old = ageMs < 2 * generationMs ? this.#young : new Map()
    this.#young = new Map()
    this.#beganAtMs += Math.floor(ageMs / generationMs) * generationMs
  }
}

/** In one piece of memory, which stays: a root lives for too short to be an object. */
class RootRing {
  readonly #entryBytes: number
  readonly #entries: Buffer
  #next = 0
  #length = 0

  constructor(entryBytes: number) {
    this.#entryBytes = entryBytes
    this.#entries = Buffer.alloc(entryBytes * verifiedRootsLimits.rootsPerSenderMax)
  }

  has(statement: Uint8Array, signature: Uint8Array): boolean {
    if (statement.length + signature.length !== this.#entryBytes) return false
    const { rootsPerSenderMax } = verifiedRootsLimits
    // The last one first: it is the one most often.
    for (let age = 1; age <= this.#length; age += 1) {
      const slot = (this.#next - age + rootsPerSenderMax) % rootsPerSenderMax
      const at = slot * this.#entryBytes
      if (this.#isAt(at, statement) && this.#isAt(at + statement.length, signature)) return true
    }
    return false
  }

  add(statement: Uint8Array, signature: Uint8Array): void {
    const { rootsPerSenderMax } = verifiedRootsLimits
    assert(statement.length + signature.length === this.#entryBytes, 'all statements are as long')
    const at = this.#next * this.#entryBytes
    this.#entries.set(statement, at)
    this.#entries.set(signature, at + statement.length)
    this.#next = (this.#next + 1) % rootsPerSenderMax
    this.#length = Math.min(this.#length + 1, rootsPerSenderMax)
  }

  #isAt(at: number, bytes: Uint8Array): boolean {
    return this.#entries.compare(bytes, 0, bytes.length, at, at + bytes.length) === 0
  }
}
