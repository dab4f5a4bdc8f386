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
    return verifyStatement(statement, this.#within(cluster))
  }

  admits(id: NodeId, contact: Uint8Array): boolean {
    return this.#modules.admission.admits(id, contact)
  }

  wallMs(): number {
    return this.#modules.clock.now()
  }

  #within(cluster: string) {
    return { scope: `${this.#network}/${cluster}`, now: this.#modules.clock.now() }
  }

  /** A card is worth something only if its node was admitted; then it also says where that is. */
  #verifyClaim(claim: Claim): Verification {
    const { admission, book, clock } = this.#modules
    // First, because it costs a twentieth of a signature's check.
    if (claim.kind === 'card' && !admission.admits(claim.id, claim.contact)) return 'forged'
    const verification = verifyClaim(claim, { scope: this.#network, now: clock.now() })
    if (claim.kind !== 'card' || verification !== 'valid') return verification
    const card = decodeCard(claim.contact)
    if (card !== undefined) book.put(claim.id, card)
    return 'valid'
  }
}
