/** The last view of the mesh, kept for the next start: who was there, and at which addresses. */
import type { NodeId } from '../../protocol/index.ts'

export interface Contact {
  readonly id: NodeId
  readonly addresses: readonly string[]
}

/** Where contacts are kept; on disk, for whoever has one. */
export interface ContactStore {
  load(): readonly Contact[]
  save(contacts: readonly Contact[]): void
}
