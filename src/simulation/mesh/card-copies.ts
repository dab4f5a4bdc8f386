/**
 * Cards between the threads of a run. A card is held by a hundred nodes and handed on as often;
 * copied each time, it would cost more than all else that threads tell each other. So each tells
 * another a card once and then its number, as long as no other version of it was told since; and
 * what comes back as a copy of a card that is held here becomes that card.
 */
import { assert } from '../../base/index.ts'
import type { Card, NeighbourhoodMessage } from '../../mesh/index.ts'
import type { NodeId } from '../../protocol/index.ts'

/** Where a card was, its number is, on the way between two threads. */
type Told = Card | number

export class CardCopies {
  /** By part. Both ends of a way number what goes along it in the same order. */
  readonly #sent = new Map<number, NumberedCards>()
  readonly #received = new Map<number, NumberedCards>()
  /** The latest of each node. */
  readonly #latest = new Map<NodeId, Card>()

  /** What is to be sent to another part, in the order in which it goes. */
  packed(message: NeighbourhoodMessage, part: number): NeighbourhoodMessage {
    const sent = numberedBy(this.#sent, part)
    return withCards(message, (card) => {
      assert(typeof card !== 'number', 'what is packed is not packed again')
      this.#note(card)
      return sent.put(card) ?? card
    })
  }

  /** What another part has packed, in the order in which it came. */
  unpacked(message: NeighbourhoodMessage, part: number): NeighbourhoodMessage {
    const received = numberedBy(this.#received, part)
    return withCards(message, (told) => {
      if (typeof told === 'number') return received.at(told)
      const card = this.#one(told)
      received.put(card)
      return card
    })
  }

  #one(card: Card): Card {
    const known = this.#latest.get(card.id)
    if (known !== undefined && isSame(known, card)) return known
    this.#note(card)
    return card
  }

  #note(card: Card): void {
    const known = this.#latest.get(card.id)
    if (known === undefined || known.issuedAtMs < card.issuedAtMs) this.#latest.set(card.id, card)
  }
}

/** Of each node the card that was told last. */
class NumberedCards {
  readonly #numberOf = new Map<NodeId, number>()
  readonly #cards: Card[] = []

  /** @returns its number, where it is there already */
  put(card: Card): number | undefined {
    const number = this.#numberOf.get(card.id)
    if (number === undefined) {
      this.#numberOf.set(card.id, this.#cards.length)
      this.#cards.push(card)
      return undefined
    }
    if (this.#cards[number] === card) return number
    this.#cards[number] = card
    return undefined
  }

  at(number: number): Card {
    const card = this.#cards[number]
    assert(card !== undefined, 'a number stands for a card that was told before')
    return card
  }
}

function numberedBy(of: Map<number, NumberedCards>, part: number): NumberedCards {
  const known = of.get(part)
  if (known !== undefined) return known
  const cards = new NumberedCards()
  of.set(part, cards)
  return cards
}

/** Only what goes far in numbers; what concerns a cluster stays within a part. */
function withCards(message: NeighbourhoodMessage, to: (told: Told) => Told): NeighbourhoodMessage {
  // Numbers are among them only between two threads, where nobody reads them.
  const one = to as (card: Card) => Card
  switch (message.kind) {
    case 'shuffle':
    case 'shuffle-reply': {
      const card = message.card === undefined ? undefined : one(message.card)
      return { ...message, card, random: message.random.map(one), near: message.near.map(one) }
    }
    case 'shuffle-rest':
      return { ...message, random: message.random.map(one), near: message.near.map(one) }
    case 'roster':
      return { ...message, cards: message.cards.map(one) }
    default:
      return message
  }
}

function isSame(one: Card, other: Card): boolean {
  return (
    one.issuedAtMs === other.issuedAtMs &&
    one.epoch === other.epoch &&
    one.signature.every((byte, place) => byte === other.signature[place])
  )
}
