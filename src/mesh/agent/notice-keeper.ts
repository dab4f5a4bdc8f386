/** Of a gateway: its notices' clock, whom it tells, and whom it believes how much. */
import type { Clock, Random, Timer } from '../../base/index.ts'
import {
  emptyMeshPacket,
  type MeshPacket,
  type NodeId,
  type NoticeMark,
  type NoticeMessage,
  type SaidNotice,
  type SealedExperience,
} from '../../protocol/index.ts'
import { NoticeExchange, type NoticeInput } from '../notices/notice-exchange.ts'
import type { AddressBook } from './address-book.ts'
import type { GatewayChoice } from './gateway-choice.ts'
import type { Guests } from './guests.ts'

/** Checks what another gateway says. @returns why it is refused, if it is */
export type NoticeReader = (from: NodeId, notice: SaidNotice) => 'forged' | 'malformed' | undefined

/** Checks what another gateway has seen. @returns why it is refused, if it is */
export type ExperienceReader = (from: NodeId, experience: SealedExperience) => 'forged' | undefined

export interface NoticeKeeperModules {
  readonly clock: Clock
  readonly random: Random
  readonly book: Pick<AddressBook, 'card'>
  readonly choice: Pick<GatewayChoice, 'isTrusted'>
  readonly guests: Pick<Guests, 'charge' | 'note'>
  /** @returns bytes sent */
  readonly send: (to: NodeId, packet: MeshPacket) => number
  readonly onNotice?: NoticeReader | undefined
  readonly onExperience?: ExperienceReader | undefined
}

export class NoticeKeeper {
  readonly #modules: NoticeKeeperModules
  readonly #exchange: NoticeExchange
  #timer: Timer | undefined
  #isClosed = false

  constructor(modules: NoticeKeeperModules) {
    this.#modules = modules
    this.#exchange = new NoticeExchange(modules.random, modules.clock.monotonic())
  }

  /** It stands from now on. @param urges all others are to hear it at once */
  tell(notice: SaidNotice, urges: boolean): void {
    this.#step({ kind: 'tell', notice, urges })
  }

  retract(mark: NoticeMark): void {
    this.#step({ kind: 'retract', mark })
  }

  /** What this gateway has seen of nodes lately. */
  share(experience: SealedExperience): void {
    this.#step({ kind: 'share', experience })
  }

  /** A gateway that this one relies on, and not only one that says it is one. */
  isTrusted(id: NodeId): boolean {
    const { book, choice } = this.#modules
    return book.card(id)?.role === 'gateway' && choice.isTrusted(id)
  }

  /** The gateways that are dealt with now. */
  look(gateways: readonly NodeId[]): void {
    this.#step({ kind: 'gateways', gateways })
  }

  alive(from: NodeId): void {
    if (this.#exchange.awaits(from)) this.#step({ kind: 'alive', from })
  }

  /** @returns whether to hear more of its sender, who answers for what it makes this member say */
  hear(from: NodeId, message: NoticeMessage): boolean {
    const { book, guests } = this.#modules
    // Its card may not have come yet: it says it again.
    if (book.card(from)?.role !== 'gateway') return true
    const bytes = this.#step({ kind: 'message', from, message })
    return bytes === 0 || guests.charge(from, bytes)
  }

  close(): void {
    this.#isClosed = true
    this.#timer?.cancel()
  }

  /** @returns bytes sent */
  #step(input: NoticeInput): number {
    if (this.#isClosed) return 0
    const { clock, guests, onNotice, send } = this.#modules
    const outputs = this.#exchange.step(input, clock.monotonic())
    for (const from of outputs.floods) guests.note(from, 'flood')
    for (const { from, notice } of outputs.heard) {
      const fault = onNotice?.(from, notice)
      if (fault !== undefined) guests.note(from, fault)
    }
    for (const { experience, from } of outputs.experiences) {
      const fault = this.#modules.onExperience?.(from, experience)
      if (fault !== undefined) guests.note(from, fault)
    }
    let bytes = 0
    for (const { message, to } of outputs.sends) {
      bytes += send(to, { ...emptyMeshPacket, notices: message })
    }
    this.#wake()
    return bytes
  }

  /** As it is now: what was heard may have made this gateway tell something meanwhile. */
  #wake(): void {
    this.#timer?.cancel()
    const { wakeAtMs } = this.#exchange
    if (wakeAtMs === Number.POSITIVE_INFINITY) return
    const { clock } = this.#modules
    const waitMs = Math.max(1, Math.ceil(wakeAtMs - clock.monotonic()))
    this.#timer = clock.after(waitMs, () => this.#step({ kind: 'tick' }))
  }
}
