/** Assurance level A0 on the gateway's side: sign what is asked, check what is answered. */
import { assert, type Clock, type Random, type Turn } from '../../base/index.ts'
import {
  EnvelopeSigner,
  hashBody,
  type Identity,
  type ModelDigest,
  type NodeId,
  NonceStore,
  nonceLengthBytes,
  resultHash,
  type SignedEnvelope,
  VerifiedRoots,
  verifyEnvelope,
} from '../../protocol/index.ts'

export interface SignedCallsOptions {
  readonly network: string
  /** A request reaches its node within this time, or it is late for its client too. */
  readonly envelopeLifeMs: number
  /** Results whose nonces are remembered: up to 60 bytes each. */
  readonly noncesMax: number
  /** Of them, those of one node. */
  readonly noncesPerNodeMax: number
  /** Nodes whose verified signatures are remembered for some seconds. */
  readonly workersMax: number
}

export interface SignedCallsModules {
  readonly identity: Identity
  readonly clock: Clock
  readonly random: Random
  readonly turn: Turn
}

/** An answer as it came. */
export interface Came {
  readonly hash: Uint8Array
  /** By whoever read it. */
  readonly heldUpMs?: number | undefined
}

export class SignedCalls {
  readonly #options: SignedCallsOptions
  readonly #modules: SignedCallsModules
  readonly #signer: EnvelopeSigner
  readonly #nonces: NonceStore
  readonly #roots: VerifiedRoots

  constructor(options: SignedCallsOptions, modules: SignedCallsModules) {
    this.#options = options
    this.#modules = modules
    this.#signer = new EnvelopeSigner(modules.identity, modules.turn)
    this.#roots = new VerifiedRoots({ sendersMax: options.workersMax, clock: modules.clock })
    this.#nonces = new NonceStore({
      entriesMax: options.noncesMax,
      entriesPerSenderMax: options.noncesPerNodeMax,
      clock: modules.clock,
    })
  }

  /** Resolves when this turn of the event loop ends: its requests are signed together. */
  request(
    recipient: NodeId,
    body: Uint8Array,
    modelDigest: ModelDigest | null,
  ): Promise<SignedEnvelope> {
    const { clock, random } = this.#modules
    const now = clock.now()
    return this.#signer.sign({
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

  /**
   * Throws when the result is not of the node that was asked, speaks of another request, answer or
   * model, or was seen before.
   * @param asked the envelope of the request
   */
  checkResult(result: SignedEnvelope, asked: SignedEnvelope, { hash, heldUpMs = 0 }: Came): void {
    const { modelDigest, recipient } = asked.envelope
    assert(recipient !== null, 'a request has a recipient')
    verifyEnvelope(result, {
      expectedDomain: 'result',
      network: this.#options.network,
      self: this.#modules.identity.id,
      peer: recipient,
      bodyHash: resultHash(asked.envelope, hash),
      // Where the gateway knows no digest, a node may still name the one that it has.
      ...(modelDigest === null ? {} : { modelDigest }),
      now: takenAtMs(result, this.#modules.clock.now(), heldUpMs),
      nonces: this.#nonces,
      roots: this.#roots,
    })
  }
}

/**
 * When it would have been taken by a reader that does not pause: how slowly a client reads is not
 * the node's. That it is another request's result shows in its hash, however old it is.
 */
function takenAtMs({ envelope }: SignedEnvelope, nowMs: number, heldUpMs: number): number {
  return Math.min(nowMs, Math.max(envelope.issuedAtMs, nowMs - heldUpMs))
}
