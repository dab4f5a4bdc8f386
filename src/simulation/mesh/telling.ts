/**
 * What members of one thread say to those of another, as words. Written out are the messages that
 * go far in numbers, of load and of who exists; the others, most of them within a cluster, go with
 * the names of all their parts.
 *
 * A card is held by a hundred nodes and handed on as often, an anchor by each gateway, and a digest
 * goes to several: each is told once, then by its number. `hearing.ts` reads it.
 */
import type { Card } from '../../mesh/index.ts'
import type {
  ClusterDigest,
  LoadAnchor,
  LoadMessage,
  LoadTick,
  NeighbourhoodMessage,
  SaidCoordinate,
  Sealed,
} from '../../protocol/index.ts'
import type { WordWriter } from '../threads/words.ts'
import type { LatestCards } from './latest-cards.ts'
import type { MemberMessage } from './member-message.ts'
import { Told } from './told.ts'

/** What follows. */
export const toldKinds = {
  plain: 0,
  digest: 1,
  ack: 2,
  news: 3,
  wants: 4,
  shuffle: 5,
  'shuffle-reply': 6,
  'shuffle-rest': 7,
  probe: 8,
  echo: 9,
} as const

/** In place of a number: it follows. */
export const inFull = -1
/** In place of a number: there is none. */
export const none = -2

export const healths = ['good', 'degraded', 'draining'] as const
export const goneStates = ['suspect', 'dead', 'left'] as const

type Holder = Extract<NeighbourhoodMessage, { kind: 'shuffle' | 'shuffle-reply' }>
type Shuffle = Holder | Extract<NeighbourhoodMessage, { kind: 'shuffle-rest' }>

/** To one other part. */
export class Telling {
  readonly #to: WordWriter
  readonly #latest: LatestCards
  readonly #cards = new Told<Card>()
  readonly #anchors = new Told<Sealed<LoadAnchor>>()
  readonly #digests = new Told<Sealed<ClusterDigest>>()

  constructor(to: WordWriter, latest: LatestCards) {
    this.#to = to
    this.#latest = latest
  }

  tell(message: MemberMessage): void {
    if (message.kind === 'load' && this.#tellLoad(message.message)) return
    if (message.kind === 'neighbourhood' && this.#tellNeighbourhood(message.message)) return
    this.#to.number(toldKinds.plain)
    this.#to.plain(message)
  }

  #tellLoad(message: LoadMessage): boolean {
    const to = this.#to
    switch (message.kind) {
      case 'digest':
        to.number(toldKinds.digest)
        this.#digest(message.digest)
        return true
      case 'ack': {
        to.number(toldKinds.ack)
        const { cluster, sequence, lacks } = message.ack
        to.text(cluster)
        to.number(sequence)
        to.list(lacks, this.#text)
        return true
      }
      case 'news': {
        to.number(toldKinds.news)
        const { anchors, ticks, offers } = message.news
        to.list(anchors, this.#anchor)
        to.list(ticks, this.#tick)
        to.list(offers, ({ key, sequence }) => {
          to.text(key)
          to.number(sequence)
        })
        return true
      }
      case 'wants':
        to.number(toldKinds.wants)
        to.list(message.keys, this.#text)
        return true
      case 'summary':
        return false
    }
  }

  #tellNeighbourhood(message: NeighbourhoodMessage): boolean {
    const to = this.#to
    switch (message.kind) {
      case 'shuffle':
      case 'shuffle-reply':
      case 'shuffle-rest':
        to.number(toldKinds[message.kind])
        this.#shuffle(message)
        return true
      case 'probe':
        to.number(toldKinds.probe)
        to.number(message.nonce)
        return true
      case 'echo':
        to.number(toldKinds.echo)
        to.number(message.nonce)
        to.text(message.cluster)
        this.#coordinate(message.coordinate)
        return true
      default:
        return false
    }
  }

  #shuffle(message: Shuffle): void {
    const to = this.#to
    to.list(message.random, this.#card)
    to.list(message.marks, this.#number)
    to.list(message.near, this.#card)
    if (message.kind === 'shuffle-rest') return
    const { card, witnesses, holdings } = message
    if (card === undefined) to.number(none)
    else this.#card(card)
    to.number(witnesses)
    to.bytes(holdings.filter)
    to.number(holdings.salt)
    to.number(holdings.reachMs)
  }

  #digest(digest: Sealed<ClusterDigest>): void {
    const to = this.#to
    const known = this.#digests.put(digest.value.coordinator, digest)
    to.number(known ?? inFull)
    if (known !== undefined) return
    const { value } = digest
    to.text(value.cluster)
    to.text(value.coordinator)
    to.number(value.sequence)
    to.number(value.base)
    to.number(value.issuedAtMs)
    to.number(value.members)
    to.list(value.told, this.#text)
    to.list(value.anchors, this.#anchor)
    to.list(value.ticks, this.#tick)
    to.list(value.gone, ({ key, sequence, tick, state }) => {
      to.text(key)
      to.number(sequence)
      to.number(tick)
      to.number(goneStates.indexOf(state))
    })
    to.bytes(digest.bytes)
    to.bytes(digest.signature)
  }

  readonly #anchor = (anchor: Sealed<LoadAnchor>): void => {
    const to = this.#to
    const known = this.#anchors.put(anchor.value.node, anchor)
    to.number(known ?? inFull)
    if (known !== undefined) return
    const { value } = anchor
    to.text(value.node)
    to.text(value.cluster)
    to.text(value.region)
    to.number(value.sequence)
    to.number(value.issuedAtMs)
    to.number(value.tickMs)
    to.number(value.ticksMax)
    to.constant(value.capabilities)
    to.number(value.slots)
    to.number(value.countUnit)
    to.number(value.kvTokensTotal)
    to.number(value.tokensPerSecond)
    to.number(healths.indexOf(value.health))
    to.number(value.load.running)
    to.number(value.load.waiting)
    to.number(value.load.kvTokensFree)
    to.bytes(value.tops)
    to.bytes(anchor.bytes)
    to.bytes(anchor.signature)
  }

  readonly #tick = ({ key, sequence, tick, levels, proof }: LoadTick): void => {
    const to = this.#to
    to.text(key)
    to.number(sequence)
    to.number(tick)
    to.number(levels)
    to.bytes(proof)
  }

  readonly #card = (card: Card): void => {
    const to = this.#to
    const known = this.#cards.put(card.id, card)
    to.number(known ?? inFull)
    if (known !== undefined) return
    this.#latest.note(card)
    to.text(card.id)
    to.number(card.epoch)
    to.text(card.cluster)
    to.number(card.clusterSize)
    to.constant(card.contact)
    to.list(card.sketch, ({ key, ms }) => {
      to.text(key)
      to.number(ms)
    })
    this.#coordinate(card.coordinate)
    to.number(card.issuedAtMs)
    to.bytes(card.signature)
  }

  #coordinate({ position, heightMs, adjustmentMs, error }: SaidCoordinate): void {
    const to = this.#to
    to.list(position, this.#number)
    to.number(heightMs)
    to.number(adjustmentMs)
    to.number(error)
  }

  readonly #text = (text: string): void => this.#to.text(text)
  readonly #number = (number: number): void => this.#to.number(number)
}
