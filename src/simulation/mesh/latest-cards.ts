/** What comes from another thread as a copy of a card that is held here becomes that card. */
import type { Card } from '../../mesh/index.ts'
import type { NodeId } from '../../protocol/index.ts'

export class LatestCards {
  /** Of each node. */
  readonly #cards = new Map<NodeId, Card>()

  note(card: Card): void {
    const known = this.#cards.get(card.id)
    if (known === undefined || known.issuedAtMs < card.issuedAtMs) this.#cards.set(card.id, card)
  }

  /** The one that is known, or this one. */
  one(card: Card): Card {
    const known = this.#cards.get(card.id)
    if (known !== undefined && isSame(known, card)) return known
    this.note(card)
    return card
  }
}

function isSame(one: Card, other: Card): boolean {
  return (
    one.issuedAtMs === other.issuedAtMs &&
    one.epoch === other.epoch &&
    one.signature.every((byte, place) => byte === other.signature[place])
  )
}
