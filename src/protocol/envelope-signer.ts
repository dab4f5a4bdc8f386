/**
 * Signs envelopes, all of one turn of the event loop with one signature.
 *
 * A signature costs as much as some forty hashes, and a verification three times that. Under load a
 * process signs many envelopes within a turn: then the signature is over the root of a tree of
 * them, and each takes with it the proof that it lies in the tree. An envelope that is alone is
 * signed itself, at the end of the same turn.
 * `docs/decisions/0018-one-signature-for-a-turn.md` has the reasons and figures.
 */
import type { Turn } from '../base/index.ts'
import {
  canonicalBytes,
  type Envelope,
  type EnvelopeFields,
  envelopeOf,
  type SignedEnvelope,
  treeStatement,
} from './envelope.ts'
import { envelopeLimits } from './envelope-limits.ts'
import type { Identity } from './identity.ts'
import { leafHash, MerkleTree } from './merkle-tree.ts'

interface Waiting {
  readonly envelope: Envelope
  readonly bytes: Uint8Array
  readonly resolve: (signed: SignedEnvelope) => void
  readonly reject: (error: unknown) => void
}

export class EnvelopeSigner {
  readonly #identity: Identity
  readonly #turn: Pick<Turn, 'beforeSending'>
  #waiting: Waiting[] = []

  constructor(identity: Identity, turn: Pick<Turn, 'beforeSending'>) {
    this.#identity = identity
    this.#turn = turn
  }

  /** Resolves when this turn ends. Asserts that the envelope is well-formed. */
  sign(fields: EnvelopeFields): Promise<SignedEnvelope> {
    const envelope = envelopeOf(this.#identity, fields)
    const bytes = canonicalBytes(envelope)
    const { promise, resolve, reject } = Promise.withResolvers<SignedEnvelope>()
    this.#waiting.push({ envelope, bytes, resolve, reject })
    if (this.#waiting.length === 1) this.#turn.beforeSending(this.#signAll)
    return promise
  }

  readonly #signAll = (): void => {
    const waiting = this.#waiting
    this.#waiting = []
    const { treeLeavesMax } = envelopeLimits
    for (let at = 0; at < waiting.length; at += treeLeavesMax) {
      const together = waiting.slice(at, at + treeLeavesMax)
      try {
        this.#signTogether(together)
      } catch (error) {
        for (const { reject } of together) reject(error)
      }
    }
  }

  #signTogether(waiting: readonly Waiting[]): void {
    const [first] = waiting
    if (waiting.length === 1 && first !== undefined) {
      const signature = this.#identity.sign(first.bytes)
      first.resolve({ envelope: first.envelope, signature, inclusion: null })
      return
    }
    const tree = new MerkleTree(waiting.map(({ bytes }) => leafHash(bytes)))
    const signature = this.#identity.sign(treeStatement(tree.root, waiting.length))
    for (const [index, { envelope, resolve }] of waiting.entries()) {
      resolve({ envelope, signature, inclusion: tree.inclusion(index) })
    }
  }
}
