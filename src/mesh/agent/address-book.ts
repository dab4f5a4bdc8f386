/** Where members can be reached: at addresses, or through relays. The oldest entry makes room. */
import type { NodeId } from '../../protocol/index.ts'
import type { MemberCard } from './card.ts'
import type { Contact } from './contacts.ts'

export class AddressBook {
  readonly #entriesMax: number
  readonly #cards = new Map<NodeId, MemberCard>()
  readonly #proven = new Set<NodeId>()

  constructor(entriesMax: number) {
    this.#entriesMax = entriesMax
  }

  card(id: NodeId): MemberCard | undefined {
    return this.#cards.get(id)
  }

  /** By their own word. */
  gateways(): NodeId[] {
    return [...this.#proven].filter((id) => this.#cards.get(id)?.role === 'gateway')
  }

  addressesOf(id: NodeId): readonly string[] {
    return this.#cards.get(id)?.addresses ?? []
  }

  /** Whether it said so itself, and was admitted. */
  isProven(id: NodeId): boolean {
    return this.#proven.has(id)
  }

  /** As it said itself, in a statement or card that was checked. */
  put(id: NodeId, card: MemberCard): void {
    this.#proven.add(id)
    this.#keep(id, card)
  }

  /** From an earlier life: what members say themselves counts more. */
  putContact({ id, addresses }: Contact): void {
    if (!this.#cards.has(id)) this.#keep(id, { role: 'node', addresses, relays: [] })
  }

  #keep(id: NodeId, card: MemberCard): void {
    this.#cards.delete(id)
    this.#cards.set(id, card)
    const first = this.#cards.keys().next().value
    if (this.#cards.size <= this.#entriesMax || first === undefined) return
    this.#cards.delete(first)
    this.#proven.delete(first)
  }
}
