/**
 * Where members can be reached: at addresses, or through relays.
 *
 * Names are free to whoever may join, and cards of a whole federation pass by. So those that have
 * answered this member keep their room; of the others the one that was heard of first makes room.
 */
import type { NodeId } from '../../protocol/index.ts'
import type { MemberCard } from './card.ts'
import type { Contact } from './contacts.ts'

interface Entry {
  readonly card: MemberCard
  /** It said so itself, and was admitted. */
  readonly isProven: boolean
}

/** Of all entries: newcomers always find room. */
const answeredShareMax = 0.75

export class AddressBook {
  readonly #entriesMax: number
  /** Known by their cards alone, the one heard of last at the end. */
  readonly #heardOf = new Map<NodeId, Entry>()
  /** Have answered, the one that answered last at the end. */
  readonly #answered = new Map<NodeId, Entry>()

  constructor(entriesMax: number) {
    this.#entriesMax = entriesMax
  }

  card(id: NodeId): MemberCard | undefined {
    return this.#get(id)?.card
  }

  /** By their own word. */
  gateways(): NodeId[] {
    const ids: NodeId[] = []
    for (const entries of [this.#answered, this.#heardOf]) {
      for (const [id, { card, isProven }] of entries) {
        if (isProven && card.role === 'gateway') ids.push(id)
      }
    }
    return ids
  }

  addressesOf(id: NodeId): readonly string[] {
    return this.#get(id)?.card.addresses ?? []
  }

  /** Whether it said so itself, and was admitted. */
  isProven(id: NodeId): boolean {
    return this.#get(id)?.isProven === true
  }

  /** As it said itself, in a statement or card that was checked. */
  put(id: NodeId, card: MemberCard): void {
    this.#keep(id, { card, isProven: true })
  }

  /** From an earlier life: what members say themselves counts more. */
  putContact({ id, role = 'node', addresses }: Contact): void {
    const card: MemberCard = { role, addresses, relays: [] }
    if (this.#get(id) === undefined) this.#keep(id, { card, isProven: false })
  }

  /** A process behind that name has answered this member. */
  noteAnswer(id: NodeId): void {
    const entry = this.#get(id)
    if (entry === undefined) return
    this.#heardOf.delete(id)
    this.#answered.delete(id)
    this.#answered.set(id, entry)
    if (this.#answered.size <= this.#entriesMax * answeredShareMax) return
    const [silent] = this.#answered
    if (silent === undefined) return
    this.#answered.delete(silent[0])
    this.#heardOf.set(...silent)
  }

  #get(id: NodeId): Entry | undefined {
    return this.#answered.get(id) ?? this.#heardOf.get(id)
  }

  #keep(id: NodeId, entry: Entry): void {
    if (this.#answered.has(id)) {
      this.#answered.set(id, entry)
      return
    }
    this.#heardOf.delete(id)
    this.#heardOf.set(id, entry)
    if (this.#heardOf.size + this.#answered.size <= this.#entriesMax) return
    const [first] = this.#heardOf.keys()
    if (first !== undefined) this.#heardOf.delete(first)
  }
}
