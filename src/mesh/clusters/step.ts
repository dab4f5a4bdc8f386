/** What goes into a step of a neighbourhood's state machine and what comes out of it. */
import type { Random } from '../../base/index.ts'
import type { NodeId } from '../../protocol/index.ts'
import type { Coordinate } from '../coordinates/coordinate.ts'
import type { Card } from '../directory/card.ts'
import type { ClaimSeal } from './claims.ts'
import type { ClusterFault } from './context.ts'
import type { ClusterRules } from './limits.ts'
import type { NeighbourhoodMessage } from './messages.ts'

export interface NeighbourhoodOptions {
  readonly self: NodeId
  /** Above that of any earlier life; ms since 1970 are. */
  readonly epoch: number
  readonly rules?: ClusterRules
}

export interface NeighbourhoodModules {
  readonly random: Random
  readonly seal: ClaimSeal
  /** One's own, as it is now. */
  coordinate(): Coordinate
  /** What a card says of how its node is reached; without it, nothing. */
  contact?(): Uint8Array
}

export type NeighbourhoodInput =
  | { readonly kind: 'tick' }
  | { readonly kind: 'message'; readonly from: NodeId; readonly message: NeighbourhoodMessage }
  | { readonly kind: 'seeds'; readonly seeds: readonly NodeId[] }
  /** Cards from an earlier life. */
  | {
      readonly kind: 'restore'
      readonly cards: readonly Card[]
      /** Who was in the same cluster, whatever their cards say yet. */
      readonly fellows?: readonly NodeId[]
    }
  /** What membership says of fellow members. */
  | { readonly kind: 'alive' | 'lost'; readonly id: NodeId }
  /** Measured by someone else, such as membership's probes. */
  | { readonly kind: 'round-trip'; readonly id: NodeId; readonly ms: number }
  | { readonly kind: 'leave' }

export type PlaceReason = 'started' | 'admitted' | 'unseated' | 'too-far' | 'deserted' | 'left'

export interface Place {
  readonly cluster: string
  readonly epoch: number
  readonly coordinator: NodeId
  /** Those present, in the order of admission. */
  readonly members: readonly NodeId[]
}

export type NeighbourhoodEvent =
  /** One is in another cluster now. */
  | ({ readonly kind: 'placed'; readonly reason: PlaceReason } & Place)
  /** The cluster has other members, or another coordinator. */
  | ({ readonly kind: 'changed' } & Place)
  | {
      readonly kind: 'round-trip'
      readonly id: NodeId
      readonly ms: number
      readonly coordinate: Coordinate
    }
  | { readonly kind: 'rejected'; readonly from: NodeId; readonly fault: ClusterFault }

export interface NeighbourhoodOutputs {
  readonly sends: readonly { readonly to: NodeId; readonly message: NeighbourhoodMessage }[]
  readonly events: readonly NeighbourhoodEvent[]
  readonly wakeAtMs: number
}
