/** What the simulation of a mesh wants to know of a host, whatever runs on it. */
import type { Random } from '../../base/index.ts'
import type { FederationView } from '../../mesh/index.ts'
import type { NodeId } from '../../protocol/index.ts'
import type { Actor } from '../actor.ts'
import type { CheapSeal } from '../seal.ts'
import type { HostEvent } from './host-event.ts'

export interface MeshHost<TMessage> extends Actor<TMessage, HostEvent> {
  /** Of a gateway. */
  readonly view?: FederationView | undefined
}

export interface HostSetting {
  readonly host: number
  readonly id: NodeId
  /** 1 is the first process on this host. */
  readonly life: number
  readonly random: Random
  readonly seal: CheapSeal
  readonly isGateway: boolean
  /** The others, the nearest first. */
  readonly gateways: readonly NodeId[]
  readonly region: string
  /** Members that it knows from before. */
  readonly seeds: readonly NodeId[]
  nowMs(): number
  /** Wall-clock ms since 1970. */
  wallMs(): number
}

/** How hosts of one kind are made, and what their messages weigh. */
export interface HostKind<TMessage> {
  make(setting: HostSetting): MeshHost<TMessage>
  bytesOf(message: TMessage): number
  /** What messages are counted as. */
  readonly subjects: readonly string[]
  /** The message's place in `subjects`. */
  subjectOf(message: TMessage): number
}
