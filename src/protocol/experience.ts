/**
 * What a gateway has seen of nodes, in short, for other gateways: of each node and model how many
 * requests came back and how many failed, as they weigh with it by then. It signs that, for one
 * network, so that who was told can show who said it.
 */
import type { NodeId } from './ids.ts'

export interface ExperienceRow {
  readonly node: NodeId
  /** By its name. */
  readonly model: string
  /** Decayed counts. */
  readonly right: number
  readonly failed: number
}

export interface Experience {
  readonly gateway: NodeId
  /** Wall-clock ms since 1970: what the counts are of. */
  readonly issuedAtMs: number
  readonly rows: readonly ExperienceRow[]
}

export interface SealedExperience {
  /** FlatBuffers; what is signed. */
  readonly bytes: Uint8Array
  /** 64 bytes. */
  readonly signature: Uint8Array
}
