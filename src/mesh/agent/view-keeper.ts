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
import type { Contact, ContactStore } from './contacts.ts'

export interface ViewKeeperModules {
  readonly self: NodeId
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
  /** What changes is written no more often than this. */
  readonly saveIntervalMs: number
  /** What does not is written anew after this. */
  readonly keepFreshMs: number
}

export interface KeptView {
  /** Whom to ask. */
  readonly contacts: readonly Contact[]
  /** Still to be checked, its own among them. */
  readonly cards: readonly Card[]
  readonly own: Card | undefined
}

export class ViewKeeper {
  readonly #times: ViewTimes
  readonly #modules: ViewKeeperModules
  #timer: Timer | undefined
  #freshTimer: Timer | undefined
  #isClosed = false

  constructor(times: ViewTimes, modules: ViewKeeperModules) {
    this.#times = times
    this.#modules = modules
  }

  /** What was kept. */
  restore(): KeptView {
    const { contacts, self } = this.#modules
    const kept = contacts.load()
    const cards = kept.map(cardOf).filter((card) => card !== undefined)
    const own = cards.find(({ id }) => id === self)
    return { contacts: kept.filter(({ id }) => id !== self), cards, own }
  }

  changed(): void {
    if (this.#isClosed) return
    this.#timer ??= this.#modules.clock.after(this.#times.saveIntervalMs, () => this.#save())
  }

  /** Keeps it as it is now, for the last time. */
  close(): void {
    if (this.#isClosed) return
    if (this.#timer !== undefined || this.#freshTimer !== undefined) this.#save()
    this.#isClosed = true
    this.#freshTimer?.cancel()
  }

  #save(): void {
    const { clock, contacts, log } = this.#modules
    this.#timer?.cancel()
    this.#timer = undefined
    this.#freshTimer?.cancel()
    this.#freshTimer = clock.after(this.#times.keepFreshMs, () => this.#save())
    const known = this.#known()
    // Whoever was alone for a while keeps what it knew.
    if (known.length === 0) return
    try {
      contacts.save(known)
    } catch (error) {
      const reason = asIsochroneError(error).message
      log.warn('the view of the mesh is not kept', { reason })
    }
  }

  /** Oneself first, then the cluster, then others; nobody, where none of them can be reached. */
  #known(): readonly Contact[] {
    const { book, machine, self } = this.#modules
    const { membership, neighbourhood } = machine() ?? {}
    if (membership === undefined || neighbourhood === undefined) return []
    const cards = new Map<NodeId, Card | undefined>()
    for (const { id, state } of membership.members()) {
      if (state === 'alive' || state === 'suspect') cards.set(id, undefined)
    }
    for (const card of neighbourhood.cards()) cards.set(card.id, card)
    const known: Contact[] = []
    for (const [id, card] of cards) {
      const addresses = book.addressesOf(id)
      const role = book.card(id)?.role ?? 'node'
      if (addresses.length > 0) known.push({ id, role, addresses, card: encoded(card) })
    }
    if (known.length === 0) return known
    const own = {
      id: self,
      role: 'node',
      addresses: [],
      card: encoded(neighbourhood.card),
    } as const
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
