/**
 * What goes into a step of the membership's state machine and what comes out of it.
 */
import type { Random } from '../../base/index.ts'
import type { NodeId } from '../../protocol/index.ts'
import type { Message } from './messages.ts'
import type { MembershipPreset } from './presets.ts'
import type { RosterEvent, RosterModules, StatementFault } from './roster.ts'
import type { Signed, StatementBody } from './statements.ts'

export interface MembershipOptions {
  readonly self: NodeId
  /** Above that of any earlier life; ms since 1970 do, however fast one restarts. */
  readonly incarnation: number
  readonly payload: Uint8Array
  readonly preset: MembershipPreset
}

export interface MembershipModules extends RosterModules {
  readonly random: Random
  /** Signs with one's own key, and says when. */
  sign<Body extends StatementBody>(body: Body): Signed<Body>
}

export type MembershipInput =
  /** The time that was asked for has come. */
  | { readonly kind: 'tick' }
  | { readonly kind: 'message'; readonly from: NodeId; readonly message: Message }
  /** Members to start from. They are tried until one answers, and again when all are gone. */
  | { readonly kind: 'join'; readonly seeds: readonly NodeId[] }
  | { readonly kind: 'update'; readonly payload: Uint8Array }
  /** It is heard of regularly, and was not lately: that accuses nobody, but is worth a probe. */
  | { readonly kind: 'silent'; readonly id: NodeId }
  | { readonly kind: 'leave' }

export type RejectionFault = StatementFault | 'oversized-message'

export type MembershipEvent =
  | RosterEvent
  /** Measured by a probe that its target answered itself. */
  | { readonly kind: 'round-trip'; readonly id: NodeId; readonly ms: number }
  /** The target did not answer a probe itself, whether it answered others or not. */
  | { readonly kind: 'unanswered'; readonly id: NodeId }
  /** One was accused and has said otherwise. */
  | { readonly kind: 'self-refuted'; readonly incarnation: number }
  /** Another process speaks with the same key: a copied identity. Told whenever it is heard. */
  | { readonly kind: 'twin' }
  | { readonly kind: 'rejected'; readonly from: NodeId; readonly fault: RejectionFault }
  /** Leaving is over: the process may end. */
  | { readonly kind: 'departed' }

export interface Send {
  readonly to: NodeId
  readonly message: Message
}

export interface MembershipOutputs {
  readonly sends: readonly Send[]
  readonly events: readonly MembershipEvent[]
  /** Infinity: not at all. */
  readonly wakeAtMs: number
}

/** A ping without news is answered, and that is all: half of what a member hears. */
export function isBarePing(input: MembershipInput): boolean {
  return (
    input.kind === 'message' && input.message.kind === 'ping' && input.message.news.length === 0
  )
}
