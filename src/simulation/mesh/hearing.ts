/** Reads what `telling.ts` writes, in its order. */
import type { Card } from '../../mesh/index.ts'
import type {
  ClusterDigest,
  LoadAnchor,
  LoadMessage,
  LoadTick,
  NeighbourhoodMessage,
  NodeId,
  NodeKey,
  SaidCoordinate,
  Sealed,
} from '../../protocol/index.ts'
import type { WordReader } from '../threads/words.ts'
import type { LatestCards } from './latest-cards.ts'
import type { MemberMessage } from './member-message.ts'
import { goneStates, healths, inFull, none, toldKinds } from './telling.ts'
import { Told } from './told.ts'

/** From one other part. */
export class Hearing {
  readonly #from: WordReader
  readonly #latest: LatestCards
  readonly #cards = new Told<Card>()
  readonly #anchors = new Told<Sealed<LoadAnchor>>()
  readonly #digests = new Told<Sealed<ClusterDigest>>()

  constructor(from: WordReader, latest: LatestCards) {
    this.#from = from
    this.#latest = latest
  }

  hear(): MemberMessage {
    const kind = this.#from.number()
    switch (kind) {
      case toldKinds.digest:
        return load({ kind: 'digest', digest: this.#digest() })
      case toldKinds.ack:
        return load({ kind: 'ack', ack: this.#ack() })
      case toldKinds.news:
        return load({ kind: 'news', news: this.#news() })
      case toldKinds.wants:
        return load({ kind: 'wants', keys: this.#from.list(this.#key) })
      case toldKinds.shuffle:
        return neighbourhood(this.#shuffle('shuffle'))
      case toldKinds['shuffle-reply']:
        return neighbourhood(this.#shuffle('shuffle-reply'))
      case toldKinds['shuffle-rest']:
        return neighbourhood({ kind: 'shuffle-rest', ...this.#shuffled() })
      case toldKinds.probe:
        return neighbourhood({ kind: 'probe', nonce: this.#from.number() })
      case toldKinds.echo:
        return neighbourhood(this.#echo())
      default:
        return this.#from.plain() as MemberMessage
    }
  }

  #ack() {
    const from = this.#from
    return { cluster: from.text(), sequence: from.number(), lacks: from.list(this.#key) }
  }

  #news() {
    const from = this.#from
    return {
      anchors: from.list(this.#anchor),
      ticks: from.list(this.#tick),
      offers: from.list(() => ({ key: from.text<NodeKey>(), sequence: from.number() })),
    }
  }

  #shuffled() {
    const from = this.#from
    return {
      random: from.list(this.#card),
      marks: from.list(this.#number),
      near: from.list(this.#card),
    }
  }

  #shuffle(kind: 'shuffle' | 'shuffle-reply'): NeighbourhoodMessage {
    const from = this.#from
    const { random, marks, near } = this.#shuffled()
    const card = this.#cardOrNone()
    const witnesses = from.number()
    const holdings = { filter: from.bytes(), salt: from.number(), reachMs: from.number() }
    return { kind, card, random, marks, near, witnesses, holdings }
  }

  #echo(): NeighbourhoodMessage {
    const from = this.#from
    return {
      kind: 'echo',
      nonce: from.number(),
      cluster: from.text(),
      coordinate: this.#coordinate(),
    }
  }

  #digest(): Sealed<ClusterDigest> {
    const from = this.#from
    const number = from.number()
    if (number !== inFull) return this.#digests.at(number)
    const value = {
      cluster: from.text(),
      coordinator: from.text<NodeId>(),
      sequence: from.number(),
      base: from.number(),
      issuedAtMs: from.number(),
      members: from.number(),
      told: from.list(this.#id),
      anchors: from.list(this.#anchor),
      ticks: from.list(this.#tick),
      gone: from.list(() => ({
        key: from.text<NodeKey>(),
        sequence: from.number(),
        tick: from.number(),
        state: goneStates[from.number()] ?? 'dead',
      })),
    }
    const digest = { value, bytes: from.bytes(), signature: from.bytes() }
    this.#digests.put(value.coordinator, digest)
    return digest
  }

  readonly #anchor = (): Sealed<LoadAnchor> => {
    const from = this.#from
    const number = from.number()
    if (number !== inFull) return this.#anchors.at(number)
    const value = {
      node: from.text<NodeId>(),
      cluster: from.text(),
      region: from.text(),
      sequence: from.number(),
      issuedAtMs: from.number(),
      tickMs: from.number(),
      ticksMax: from.number(),
      capabilities: from.constant(),
      slots: from.number(),
      countUnit: from.number(),
      kvTokensTotal: from.number(),
      tokensPerSecond: from.number(),
      health: healths[from.number()] ?? 'good',
      load: { running: from.number(), waiting: from.number(), kvTokensFree: from.number() },
      tops: from.bytes(),
    }
    const anchor = { value, bytes: from.bytes(), signature: from.bytes() }
    this.#anchors.put(value.node, anchor)
    return anchor
  }

  readonly #tick = (): LoadTick => {
    const from = this.#from
    return {
      key: from.text<NodeKey>(),
      sequence: from.number(),
      tick: from.number(),
      levels: from.number(),
      proof: from.bytes(),
    }
  }

  readonly #card = (): Card => {
    const number = this.#from.number()
    return number === inFull ? this.#cardInFull() : this.#cards.at(number)
  }

  #cardOrNone(): Card | undefined {
    const number = this.#from.number()
    if (number === none) return undefined
    return number === inFull ? this.#cardInFull() : this.#cards.at(number)
  }

  #cardInFull(): Card {
    const from = this.#from
    const card = this.#latest.one({
      kind: 'card',
      id: from.text<NodeId>(),
      epoch: from.number(),
      cluster: from.text(),
      clusterSize: from.number(),
      contact: from.constant(),
      sketch: from.list(() => ({ key: from.text<NodeKey>(), ms: from.number() })),
      coordinate: this.#coordinate(),
      issuedAtMs: from.number(),
      signature: from.bytes(),
    })
    this.#cards.put(card.id, card)
    return card
  }

  #coordinate(): SaidCoordinate {
    const from = this.#from
    return {
      position: from.list(this.#number),
      heightMs: from.number(),
      adjustmentMs: from.number(),
      error: from.number(),
    }
  }

  readonly #id = () => this.#from.text<NodeId>()
  readonly #key = () => this.#from.text<NodeKey>()
  readonly #number = () => this.#from.number()
}

function load(message: LoadMessage): MemberMessage {
  return { kind: 'load', message }
}

function neighbourhood(message: NeighbourhoodMessage): MemberMessage {
  return { kind: 'neighbourhood', message }
}
