/** Whom this member's cluster holds for what, and who wants to know when that changes. */
import type { MemberState, NodeId } from '../../protocol/index.ts'
import type { MachineEvent } from './machine.ts'

export type StateListener = (id: NodeId, state: MemberState) => void

export class MemberStates {
  readonly #statesMax: number
  readonly #states = new Map<NodeId, MemberState>()
  readonly #listeners: StateListener[] = []

  constructor(statesMax: number) {
    this.#statesMax = statesMax
  }

  watch(listener: StateListener): void {
    this.#listeners.push(listener)
  }

  /** undefined: it was never a member of this cluster, as far as is remembered. */
  of(id: NodeId): MemberState | undefined {
    return this.#states.get(id)
  }

  take(event: MachineEvent): void {
    switch (event.kind) {
      case 'placed':
        // Another cluster says itself who is in it.
        this.#states.clear()
        return
      case 'displaced':
        this.#states.delete(event.id)
        return
      case 'joined':
      case 'returned':
      case 'refuted':
        this.#set(event.id, 'alive')
        return
      case 'suspected':
        this.#set(event.id, 'suspect')
        return
      case 'died':
        this.#set(event.id, 'dead')
        return
      case 'left':
        this.#set(event.id, 'left')
        return
      default:
        return
    }
  }

  #set(id: NodeId, state: MemberState): void {
    // The one that changed longest ago makes room.
    this.#states.delete(id)
    this.#states.set(id, state)
    const oldest = this.#states.keys().next().value
    if (this.#states.size > this.#statesMax && oldest !== undefined) this.#states.delete(oldest)
    for (const listener of this.#listeners) listener(id, state)
  }
}
