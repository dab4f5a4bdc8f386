/** What the simulation of a mesh wants to know of a host, whatever runs on it. */
import type { Random } from '../../base/index.ts'
import type { NodeId } from '../../protocol/index.ts'
import type { Actor } from '../actor.ts'
import type { Belief } from '../checkers/beliefs.ts'
import type { CheapSeal } from '../seal.ts'

export type HostEvent =
  | { readonly kind: 'belief'; readonly subject: NodeId; readonly belief: Belief }
  /** Which cluster the host is in from now on. */
  | { readonly kind: 'cluster'; readonly id: string }
  /** Something to be counted by its name. */
  | { readonly kind: 'seen'; readonly what: string }

export type MeshHost<TMessage> = Actor<TMessage, HostEvent>

export interface HostSetting {
  readonly host: number
  readonly id: NodeId
  /** 1 is the first process on this host. */
  readonly life: number
  readonly random: Random
  readonly seal: CheapSeal
  nowMs(): number
  /** Wall-clock ms since 1970. */
  wallMs(): number
}

/** How hosts of one kind are made, and what their messages weigh. */
export interface HostKind<TMessage> {
  make(setting: HostSetting): MeshHost<TMessage>
  bytesOf(message: TMessage): number
}
