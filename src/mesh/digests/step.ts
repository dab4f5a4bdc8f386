/** What comes out of a step of any of the machines for load. */
import type { LoadMessage, NodeId } from '../../protocol/index.ts'
import type { Lie } from './conduct.ts'

export interface LoadSend {
  readonly to: NodeId
  readonly message: LoadMessage
}

export type LoadEvent =
  | ({ readonly kind: 'caught'; readonly lie: Lie['kind'] } & Omit<Lie, 'kind'>)
  /** Not a lie, but not taken either: its clock is far off, or there is no room. */
  | {
      readonly kind: 'refused'
      readonly from: NodeId
      readonly about: NodeId
      readonly why: 'untimely' | 'full'
    }
  /** A node is known that was not. */
  | { readonly kind: 'appeared'; readonly id: NodeId; readonly cluster: string }
  /** A tick of a member of the cluster that one coordinates is overdue. */
  | { readonly kind: 'silent'; readonly id: NodeId }
  /** Nothing was heard of it for long. */
  | { readonly kind: 'expired'; readonly id: NodeId }
  /** Its capabilities' hash is another than before: its record is worth fetching. */
  | { readonly kind: 'changed'; readonly id: NodeId; readonly capabilities: Uint8Array }

export interface LoadOutputs {
  readonly sends: readonly LoadSend[]
  readonly events: readonly LoadEvent[]
  /** Infinity: not at all. */
  readonly wakeAtMs: number
}
