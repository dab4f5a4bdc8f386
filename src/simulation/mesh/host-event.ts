/** What the simulation of a mesh is told by a host. */
import type { NodeId } from '../../protocol/index.ts'
import type { Belief } from '../checkers/beliefs.ts'

export type HostEvent =
  | { readonly kind: 'belief'; readonly subject: NodeId; readonly belief: Belief }
  /** Which cluster the host is in from now on. */
  | { readonly kind: 'cluster'; readonly id: string }
  /** A peer answered a probe: the round trip to it is known. */
  | { readonly kind: 'measured'; readonly peer: NodeId }
  /** Something to be counted by its name. */
  | { readonly kind: 'seen'; readonly what: string }
