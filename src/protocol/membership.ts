/**
 * What members of the mesh say: statements about a member, each signed, and the messages that
 * carry them. `mesh` says what they mean.
 *
 * `alive` and `left` are the subject's own words and carry its signature; an accusation
 * (`suspect`, `dead`) carries its accuser's. So a relay can withhold a statement, but neither make
 * one up nor change it.
 */
import type { NodeId } from './ids.ts'

export interface AliveBody {
  readonly kind: 'alive'
  readonly subject: NodeId
  /** Only the subject raises it (SWIM, section 4.2). A whole number of at most 2^53 - 1. */
  readonly incarnation: number
  /** What others need to know of it: addresses, proof of admission. Opaque to membership. */
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

export type MemberState = Statement['kind']

export interface MemberSummary {
  readonly id: NodeId
  readonly incarnation: number
  readonly state: MemberState
}

export type MembershipMessageBody =
  | { readonly kind: 'ping'; readonly sequence: number }
  | { readonly kind: 'ping-request'; readonly sequence: number; readonly target: NodeId }
  /** Answers a ping, or a ping-request whose target answered. */
  | { readonly kind: 'ack'; readonly sequence: number }
  /** From a proxy: "I am here and asked, but have no answer yet" (Lifeguard, section IV.A). */
  | { readonly kind: 'nack'; readonly sequence: number }
  | { readonly kind: 'gossip' }
  /** Opens a push-pull: what the sender holds, in short. Statements follow where they differ. */
  | { readonly kind: 'sync'; readonly summary: readonly MemberSummary[] }
  | { readonly kind: 'sync-reply'; readonly wants: readonly NodeId[] }

export type MembershipMessage = MembershipMessageBody & { readonly news: readonly Statement[] }

/** Who must have signed it. */
export function signerOf(statement: StatementBody): NodeId {
  return 'accuser' in statement ? statement.accuser : statement.subject
}
