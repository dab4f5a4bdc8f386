/**
 * Signs what this member says, and checks what others say: with Ed25519, in this network, in the
 * cluster that it is said of; and whether they were admitted at all.
 */
import type { Clock } from '../../base/index.ts'
import {
  type Identity,
  type NodeId,
  type Signed,
  type Statement,
  type StatementBody,
  signClaim,
  signerOf,
  signStatement,
  type Verification,
  verifyClaim,
  verifyStatement,
} from '../../protocol/index.ts'
import type { Claim, ClaimSeal } from '../clusters/claims.ts'
import type { AddressBook } from './address-book.ts'
import { type Admission, decodeCard } from './card.ts'

export interface SealsModules {
  readonly identity: Identity
  readonly clock: Clock
  readonly admission: Admission
  /** Learns what checked cards say. */
  readonly book: AddressBook
  /** Who signs from this machine's future: one of both clocks is wrong. */
  readonly onSkew?: (id: NodeId) => void
}

export class Seals {
  readonly claims: ClaimSeal
  readonly #network: string
  readonly #modules: SealsModules

  constructor(network: string, modules: SealsModules) {
    this.#network = network
    this.#modules = modules
    const { clock, identity } = modules
    this.claims = {
      sign: (body) => signClaim(identity, body, { scope: network, now: clock.now() }),
      verify: (claim) => this.#verifyClaim(claim),
    }
  }

  sign<Body extends StatementBody>(cluster: string, body: Body): Signed<Body> {
    return signStatement(this.#modules.identity, body, this.#within(cluster))
  }

  verify(cluster: string, statement: Statement): Verification {
    const verification = verifyStatement(statement, this.#within(cluster))
    if (verification === 'expired') this.#noteSkew(signerOf(statement), statement.issuedAtMs)
    return verification
  }

  admits(id: NodeId, contact: Uint8Array): boolean {
    return this.#modules.admission.admits(id, contact)
  }

  wallMs(): number {
    return this.#modules.clock.now()
  }

  #within(cluster: string) {
    const network = this.#network
    // With its length first, or the network "a/b" and its cluster "c" would be "a" and "b/c".
    const scope = `${network.length}:${network}/${cluster}`
    return { scope, now: this.#modules.clock.now() }
  }

  #noteSkew(id: NodeId, issuedAtMs: number): void {
    if (issuedAtMs > this.#modules.clock.now()) this.#modules.onSkew?.(id)
  }

  /** A card is worth something only if its node was admitted; then it also says where that is. */
  #verifyClaim(claim: Claim): Verification {
    const { admission, book, clock } = this.#modules
    // First, because it costs a twentieth of a signature's check.
    if (claim.kind === 'card' && !admission.admits(claim.id, claim.contact)) return 'forged'
    const verification = verifyClaim(claim, { scope: this.#network, now: clock.now() })
    if (verification === 'expired' && claim.kind === 'card') {
      this.#noteSkew(claim.id, claim.issuedAtMs)
    }
    if (claim.kind !== 'card' || verification !== 'valid') return verification
    const card = decodeCard(claim.contact)
    if (card !== undefined) book.put(claim.id, card)
    return 'valid'
  }
}
