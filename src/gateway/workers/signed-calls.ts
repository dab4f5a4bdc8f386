/** Assurance level A0 on the gateway's side: sign what is asked, check what is answered. */
import type { Clock, Random } from '../../base/index.ts'
import {
  hashBody,
  type Identity,
  type ModelDigest,
  type NodeId,
  NonceStore,
  nonceLengthBytes,
  type SignedEnvelope,
  signEnvelope,
  verifyEnvelope,
} from '../../protocol/index.ts'

export interface SignedCallsOptions {
  readonly network: string
  /** A request reaches its node within this time, or it is late for its client too. */
  readonly envelopeLifeMs: number
  /** Results whose nonces are remembered: about 150 bytes each. */
  readonly noncesMax: number
}

export interface SignedCallsModules {
  readonly identity: Identity
  readonly clock: Clock
  readonly random: Random
}

export class SignedCalls {
  readonly #options: SignedCallsOptions
  readonly #modules: SignedCallsModules
  readonly #nonces: NonceStore

  constructor(options: SignedCallsOptions, modules: SignedCallsModules) {
    this.#options = options
    this.#modules = modules
    const { noncesMax: entriesMax } = options
    // One busy node may have all results: there is no one to shut out but itself.
    this.#nonces = new NonceStore({
      entriesMax,
      entriesPerSenderMax: entriesMax,
      clock: modules.clock,
    })
  }

  request(recipient: NodeId, body: Uint8Array, modelDigest: ModelDigest | null): SignedEnvelope {
    const { identity, clock, random } = this.#modules
    const now = clock.now()
    return signEnvelope(identity, {
      domain: 'request',
      network: this.#options.network,
      recipient,
      bodyHash: hashBody(body),
      nonce: random.bytes(nonceLengthBytes),
      issuedAtMs: now,
      expiresAtMs: now + this.#options.envelopeLifeMs,
      modelDigest,
    })
  }

  /** Throws when the result is not the peer's, speaks of another answer, or was seen before. */
  checkResult(result: SignedEnvelope, peer: NodeId, outputHash: Uint8Array): void {
    verifyEnvelope(result, {
      expectedDomain: 'result',
      network: this.#options.network,
      self: this.#modules.identity.id,
      peer,
      bodyHash: outputHash,
      now: this.#modules.clock.now(),
      nonces: this.#nonces,
    })
  }
}
