/**
 * Keeps the last view for the next start: not with every change, and at the end. It is who was
 * there, where each can be reached, and each one's card, its own among them. Cards are signed, so
 * that nothing on a disk has to be believed; they age, so the view is kept anew now and then.
 */
import type { Clock, Log, Timer } from '../../base/index.ts'
import {
  asIsochroneError,
  decodeNeighbourhoodMessage,
  encodeNeighbourhoodMessage,
  type NodeId,
} from '../../protocol/index.ts'
import type { Neighbourhood } from '../clusters/neighbourhood.ts'
import type { Card } from '../directory/card.ts'
import type { Membership } from '../membership/membership.ts'
import type { AddressBook } from './address-book.ts'
import type { MemberRole } from './card.ts'
import type { Contact, ContactStore } from './contacts.ts'

export interface ViewKeeperModules {
  readonly identity: { readonly id: NodeId }
  readonly role: MemberRole
  readonly clock: Clock
  readonly log: Log
  readonly contacts: ContactStore
  readonly book: Pick<AddressBook, 'addressesOf' | 'card'>
  /** undefined: it has not begun. */
  readonly machine: () =>
    | {
        readonly membership: Pick<Membership, 'members'>
        readonly neighbourhood: Pick<Neighbourhood, 'card' | 'cards'>
      }
    | undefined
}

export interface ViewTimes {
  /** What changes is written no more often than this... */
  readonly saveIntervalMs: number
  /** ...but the cluster, which is where to come back to, as soon as this. */
  readonly savePlaceMs: number
  /** What does not is written anew after this. */
  readonly keepFreshMs: number
}

export interface KeptView {
  /** Whom to ask. */
  readonly contacts: readonly Contact[]
  /** Still to be checked, its own among them. */
  readonly cards: readonly Card[]
  readonly own: Card | undefined
  /** Who was in the same cluster. */
  readonly fellows: readonly NodeId[]
}

export class ViewKeeper {
  readonly #times: ViewTimes
  readonly #modules: ViewKeeperModules
  #timer: Timer | undefined
  #dueMs = Number.POSITIVE_INFINITY
  #isPlaceNew = false
  #freshTimer: Timer | undefined
  #isClosed = false

  constructor(times: ViewTimes, modules: ViewKeeperModules) {
    this.#times = times
    this.#modules = modules
  }

  /** What was kept. */
  restore(): KeptView {
    const { contacts, identity } = this.#modules
    const self = identity.id
    const kept = contacts.load()
    const cards = kept.map(cardOf).filter((card) => card !== undefined)
    const own = cards.find(({ id }) => id === self)
    const fellows = kept.filter(({ isFellow }) => isFellow).map(({ id }) => id)
    return { contacts: kept.filter(({ id }) => id !== self), cards, own, fellows }
  }

  changed(): void {
    this.#saveWithin(this.#times.saveIntervalMs)
  }

  /** The cluster is another, or has others in it. */
  placed(): void {
    this.#isPlaceNew = true
    this.#saveWithin(this.#times.savePlaceMs)
  }

  /** Keeps it as it is now, for the last time. */
  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    if (this.#timer !== undefined || this.#freshTimer !== undefined) this.#save()
    this.#freshTimer?.cancel()
  }

  #saveWithin(waitMs: number): void {
    const { clock } = this.#modules
    const dueMs = clock.monotonic() + waitMs
    if (this.#isClosed || dueMs >= this.#dueMs) return
    this.#timer?.cancel()
    this.#dueMs = dueMs
    this.#timer = clock.after(waitMs, () => this.#save())
  }

  #save(): void {
    const { clock, contacts, log } = this.#modules
    this.#timer?.cancel()
    this.#timer = undefined
    this.#dueMs = Number.POSITIVE_INFINITY
    // The others' cards come to say so a little later.
    if (this.#isPlaceNew) this.changed()
    this.#isPlaceNew = false
    this.#freshTimer?.cancel()
    this.#freshTimer = clock.after(this.#times.keepFreshMs, () => this.#save())
    const known = this.#known()
    // Whoever was alone for a while keeps what it knew.
    if (known.length === 0) return
    contacts.save(known).catch((error: unknown) => {
      const reason = asIsochroneError(error).message
      log.warn('the view of the mesh is not kept', { reason })
    })
  }

  /** Oneself first, then the cluster, then others; nobody, where none of them can be reached. */
  #known(): readonly Contact[] {
    const { book, identity, machine, role: ownRole } = this.#modules
    const { membership, neighbourhood } = machine() ?? {}
    if (membership === undefined || neighbourhood === undefined) return []
    const cards = new Map<NodeId, Card | undefined>()
    const fellows = new Set<NodeId>()
    for (const { id, state } of membership.members()) {
      if (state !== 'alive' && state !== 'suspect') continue
      cards.set(id, undefined)
      fellows.add(id)
    }
    for (const card of neighbourhood.cards()) cards.set(card.id, card)
    const known: Contact[] = []
    for (const [id, card] of cards) {
      const addresses = book.addressesOf(id)
      const role = book.card(id)?.role ?? 'node'
      const isFellow = fellows.has(id)
      if (addresses.length > 0) known.push({ id, role, addresses, card: encoded(card), isFellow })
    }
    if (known.length === 0) return known
    const own = {
      id: identity.id,
      role: ownRole,
      addresses: [],
      card: encoded(neighbourhood.card),
    }
    return [own, ...known]
  }
}

function encoded(card: Card | undefined): Uint8Array | undefined {
  return card && encodeNeighbourhoodMessage({ kind: 'moved', card })
}

/** As it was kept, or as whoever wrote to the disk would have it: not yet verified. */
function cardOf({ card, id }: Contact): Card | undefined {
  if (card === undefined) return undefined
  try {
    const message = decodeNeighbourhoodMessage(card)
    return message.kind === 'moved' && message.card.id === id ? message.card : undefined
  } catch {
    return undefined
  }
}
