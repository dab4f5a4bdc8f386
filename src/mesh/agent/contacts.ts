/** The last view of the mesh, kept for the next start. */
import type { NodeId } from '../../protocol/index.ts'
import type { MemberRole } from './card.ts'

export interface Contact {
  readonly id: NodeId
  /** As it said; a node, where this is not known. */
  readonly role?: MemberRole | undefined
  readonly addresses: readonly string[]
  /** It was in the same cluster, whatever its card says yet. */
  readonly isFellow?: boolean | undefined
  /** What it said of itself and signed, encoded; undefined: not known. */
  readonly card?: Uint8Array | undefined
}

/** Where contacts are kept; on disk, for whoever has one. */
export interface ContactStore {
  load(): readonly Contact[]
  /** While the member goes on: a disk may take seconds. Rejects where it cannot be kept. */
  save(contacts: readonly Contact[]): Promise<void>
}
