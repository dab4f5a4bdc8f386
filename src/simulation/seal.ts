/**
 * The simulator's stand-in for Ed25519: a checksum over what is signed and by whom. It catches what
 * was changed or mixed up and costs a tenth of a microsecond. It is no signature: whoever can run
 * this code can make one. Nothing outside of simulations and tests may use it.
 */
import type { NodeId } from '../protocol/index.ts'

const sealBytes = 8
/** Names of clusters, while they last. */
const textsMax = 65_536

export class CheapSeal {
  readonly #hashOf = new Map<NodeId, number>()
  readonly #texts = new Map<string, number>()

  constructor(ids: readonly NodeId[]) {
    for (const id of ids) this.#hashOf.set(id, hashText(id))
  }

  /** A number for an id, to be sealed. */
  of(id: NodeId): number {
    return this.#hashOf.get(id) ?? hashText(id)
  }

  /** A number for a name, to be sealed. */
  ofText(text: string): number {
    if (this.#texts.size >= textsMax) this.#texts.clear()
    let hash = this.#texts.get(text)
    if (hash === undefined) {
      hash = hashText(text)
      this.#texts.set(text, hash)
    }
    return hash
  }

  make(signer: NodeId, parts: readonly number[], bytes: Uint8Array = nothing): Uint8Array {
    const seal = new Uint8Array(sealBytes)
    this.#write(seal, [signer, parts, bytes])
    return seal
  }

  holds(
    seal: Uint8Array,
    signer: NodeId,
    [parts, bytes]: readonly [parts: readonly number[], bytes: Uint8Array],
  ): boolean {
    const expected = scratch
    this.#write(expected, [signer, parts, bytes])
    if (seal.length !== sealBytes) return false
    for (let i = 0; i < sealBytes; i += 1) if (seal[i] !== expected[i]) return false
    return true
  }

  #write(
    target: Uint8Array,
    [signer, parts, bytes]: readonly [NodeId, readonly number[], Uint8Array],
  ): void {
    let high = this.of(signer)
    let low = 0x811c9dc5
    for (const part of parts) {
      high = stir(high, part % 2 ** 32)
      low = stir(low, high ^ (part / 2 ** 32))
    }
    for (const byte of bytes) low = Math.imul(low ^ byte, 0x01000193)
    high = stir(high, low)
    low = stir(low, high)
    for (let i = 0; i < 4; i += 1) {
      target[i] = high >>> (8 * i)
      target[4 + i] = low >>> (8 * i)
    }
  }
}

const nothing = new Uint8Array(0)
const scratch = new Uint8Array(sealBytes)

function stir(hash: number, value: number): number {
  let x = Math.imul(hash ^ (value | 0), 0x85ebca6b)
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35)
  return x ^ (x >>> 16)
}

/** FNV-1a. */
function hashText(text: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i += 1) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return hash
}
