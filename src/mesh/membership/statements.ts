/**
 * What can be said about a member, and by whom. `alive` and `left` are the subject's own words
 * and carry its signature; an accusation (`suspect`, `dead`) carries its accuser's. So a relay can
 * withhold a statement, but neither make one up nor change it.
 *
 * Sizes are those of the encoded form, for the piggyback budget.
 */
import type { NodeId } from '../../protocol/index.ts'

export interface AliveBody {
  readonly kind: 'alive'
  readonly subject: NodeId
  /** Only the subject raises it (SWIM, section 4.2). A whole number of at most 2^53 - 1. */
  readonly incarnation: number
  /** What others need to know of it: addresses, the hash of its record. Opaque here. */
  readonly payload: Uint8Array
}

export interface LeftBody {
  readonly kind: 'left'
  readonly subject: NodeId
  readonly incarnation: number
}

export interface AccusationBody {
  /** `suspect`: did not answer me. `dead`: was suspect to me and did not refute in time. */
  readonly kind: 'suspect' | 'dead'
  readonly subject: NodeId
  readonly incarnation: number
  readonly accuser: NodeId
}

export type StatementBody = AliveBody | LeftBody | AccusationBody

interface Seal {
  /** Wall-clock ms since 1970, by the signer. */
  readonly issuedAtMs: number
  /** Ed25519, 64 bytes. */
  readonly signature: Uint8Array
}

export type Signed<Body extends StatementBody> = Body & Seal
export type AliveStatement = Signed<AliveBody>
export type LeftStatement = Signed<LeftBody>
export type Accusation = Signed<AccusationBody>
export type Statement = AliveStatement | LeftStatement | Accusation

export type Verification = 'valid' | 'forged' | 'expired'

/** Who must have signed it. */
export function signerOf(statement: StatementBody): NodeId {
  return 'accuser' in statement ? statement.accuser : statement.subject
}

const idBytes = 32
/** Incarnation, time of issue and signature, and a FlatBuffers table around them. */
const sealedTableBytes = 8 + 8 + 64 + 24

export function statementBytes(statement: Statement): number {
  switch (statement.kind) {
    case 'alive':
      return sealedTableBytes + idBytes + 4 + statement.payload.length
    case 'left':
      return sealedTableBytes + idBytes
    case 'suspect':
    case 'dead':
      return sealedTableBytes + 2 * idBytes
  }
}
