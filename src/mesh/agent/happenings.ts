/** What this member does about each event of its machine. */
import type { Clock, Log } from '../../base/index.ts'
import type { NodeId } from '../../protocol/index.ts'
import { encodeCoordinate } from '../coordinates/coordinate.ts'
import type { AddressBook } from './address-book.ts'
import type { GatewayChoice } from './gateway-choice.ts'
import type { Guests } from './guests.ts'
import type { MachineEvent } from './machine.ts'
import type { Measurements } from './measurements.ts'
import type { RationedLog } from './rationed-log.ts'
import { sayings } from './sayings.ts'
import type { ViewKeeper } from './view-keeper.ts'

export interface HappeningsModules {
  readonly clock: Clock
  readonly log: Log
  readonly rationed: RationedLog
  readonly book: AddressBook
  readonly choice: GatewayChoice
  readonly guests: Guests
  readonly measurements: Measurements
  readonly view: Pick<ViewKeeper, 'changed' | 'placed'>
  /** The cluster or who is near it may be others. */
  readonly onPlace: () => void
  readonly onDeparted: () => void
  /** It has said something new of itself. */
  readonly onCard: (id: NodeId) => void
}

export class Happenings {
  readonly #modules: HappeningsModules

  constructor(modules: HappeningsModules) {
    this.#modules = modules
  }

  take(event: MachineEvent): void {
    const { guests, log, measurements, onCard, onDeparted, onPlace, view } = this.#modules
    switch (event.kind) {
      case 'round-trip':
        this.#takeRoundTrip(event)
        return
      case 'placed':
      case 'changed':
        view.placed()
        onPlace()
        if (event.kind === 'placed') this.#notePlace(event)
        return
      case 'unanswered':
        measurements.unanswered(event.id)
        return
      case 'rejected':
        guests.note(event.from, event.fault)
        return
      case 'departed':
        onDeparted()
        return
      case 'self-refuted':
        this.#say(event.kind, 'said to be alive after all', { incarnation: event.incarnation })
        return
      case 'joined':
      case 'returned':
      case 'updated':
        onCard(event.id)
        break
      case 'died':
      case 'left':
      case 'displaced':
        measurements.forget(event.id)
        break
      case 'suspected':
      case 'refuted':
        break
      case 'twin':
        log.error('another process runs with this key; each member needs a key of its own')
        return
    }
    if (event.kind === 'updated') return
    view.changed()
    const { id: member, incarnation } = event
    this.#say(event.kind, `a member ${sayings[event.kind]}`, { member, incarnation })
  }

  #takeRoundTrip(event: Extract<MachineEvent, { kind: 'round-trip' }>): void {
    const { book, choice, clock, measurements } = this.#modules
    const nowMs = clock.monotonic()
    if ('coordinate' in event) {
      measurements.hear(event.id, encodeCoordinate(event.coordinate), nowMs)
    }
    measurements.answered(event.id, event.ms, nowMs)
    book.noteAnswer(event.id)
    if (book.card(event.id)?.role === 'gateway') choice.noteAnswer(event.id, nowMs)
  }

  #notePlace({ cluster, members, reason }: Extract<MachineEvent, { kind: 'placed' }>): void {
    const fields = { cluster, members: members.length, reason }
    this.#say('placed', 'this member is in another cluster', fields)
  }

  #say(kind: string, message: string, fields: Readonly<Record<string, string | number>>): void {
    this.#modules.rationed.info({ kind, message, fields })
  }
}
