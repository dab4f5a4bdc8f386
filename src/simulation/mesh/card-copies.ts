/**
 * Does away with copies of cards: what comes from another thread is a copy each time, a card is
 * held by a hundred nodes, and so many copies would take gigabytes.
 */
import type { Card, NeighbourhoodMessage } from '../../mesh/index.ts'
import type { NodeId } from '../../protocol/index.ts'

export class CardCopies {
  /** The latest of each node. */
  readonly #cards = new Map<NodeId, Card>()

  without(message: NeighbourhoodMessage): NeighbourhoodMessage {
    switch (message.kind) {
      case 'shuffle':
      case 'shuffle-reply': {
        const random = message.random.map((card) => this.#one(card))
        const near = message.near.map((card) => this.#one(card))
        const card = message.card === undefined ? undefined : this.#one(message.card)
        return { ...message, card, random, near }
      }
      case 'shuffle-rest':
        return {
          ...message,
          random: message.random.map((card) => this.#one(card)),
          near: message.near.map((card) => this.#one(card)),
        }
      case 'roster':
        return { ...message, cards: message.cards.map((card) => this.#one(card)) }
      default:
        return message
    }
  }

  #one(card: Card): Card {
    const known = this.#cards.get(card.id)
    if (known !== undefined && isSame(known, card)) return known
    if (known === undefined || known.issuedAtMs < card.issuedAtMs) this.#cards.set(card.id, card)
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
