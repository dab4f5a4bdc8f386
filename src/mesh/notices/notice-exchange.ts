/**
 * Notices between gateways: each is told to all others at once, again until it is acknowledged, and
 * to whoever was away when it asks.
 *
 * Every gateway tells its own and nobody else's, so what one holds of another is a set of marks:
 * a question names them, and the answer has what is missing. What urges is told unasked.
 */
import type { Random } from '../../base/index.ts'
import {
  type NodeId,
  type NoticeMark,
  type NoticeMessage,
  noticeMarkOf,
  type SaidNotice,
  type SealedExperience,
} from '../../protocol/index.ts'
import { WorkAllowance } from '../agent/work-allowance.ts'
import { noticeLimits, noticeTimes } from './limits.ts'

export type NoticeInput =
  | { readonly kind: 'tick' }
  /** All gateways that are dealt with. */
  | { readonly kind: 'gateways'; readonly gateways: readonly NodeId[] }
  /** It stands from now on; one that does not urge is for whoever asks. */
  | { readonly kind: 'tell'; readonly notice: SaidNotice; readonly urges: boolean }
  /** It stands no more. */
  | { readonly kind: 'retract'; readonly mark: NoticeMark }
  /** To all, once: the next one comes soon. */
  | { readonly kind: 'share'; readonly experience: SealedExperience }
  /** Something came from it, of whatever kind. */
  | { readonly kind: 'alive'; readonly from: NodeId }
  | { readonly kind: 'message'; readonly from: NodeId; readonly message: NoticeMessage }

export interface NoticeSend {
  readonly to: NodeId
  readonly message: NoticeMessage
}

export interface SharedBy {
  readonly from: NodeId
  readonly experience: SealedExperience
}

export interface NoticeOutputs {
  readonly sends: readonly NoticeSend[]
  /** What is new: to be checked by whoever knows what it means. */
  readonly heard: readonly { readonly from: NodeId; readonly notice: SaidNotice }[]
  /** What others have seen of nodes. */
  readonly experiences: readonly SharedBy[]
  /** Who says more than is looked at. */
  readonly floods: readonly NodeId[]
  readonly wakeAtMs: number
}

interface Own {
  readonly notice: SaidNotice
  readonly urges: boolean
}

interface Told {
  atMs: number
  times: number
}

/** Another gateway. */
interface Other {
  /** What it holds of this one's. */
  readonly has: Set<NoticeMark>
  /** What it was told and has not acknowledged. */
  readonly told: Map<NoticeMark, Told>
  /** What this one holds of its. */
  readonly held: Set<NoticeMark>
  readonly allowance: WorkAllowance
  readonly answers: WorkAllowance
  readonly experiences: WorkAllowance
  askedAtMs: number
}

export class NoticeExchange {
  readonly #random: Random
  /** Oldest first. */
  readonly #own = new Map<NoticeMark, Own>()
  /** The one heard of last at the end. */
  readonly #others = new Map<NodeId, Other>()
  #gateways: readonly NodeId[] = []
  #askAtMs: number
  #sends: NoticeSend[] = []
  #heard: { readonly from: NodeId; readonly notice: SaidNotice }[] = []
  #experiences: SharedBy[] = []
  #floods: NodeId[] = []

  constructor(random: Random, nowMs: number) {
    this.#random = random
    // Gateways that start together do not ask together.
    this.#askAtMs = nowMs + random.float() * noticeTimes.askMs
  }

  step(input: NoticeInput, nowMs: number): NoticeOutputs {
    this.#sends = []
    this.#heard = []
    this.#experiences = []
    this.#floods = []
    this.#take(input, nowMs)
    const [sends, heard, experiences] = [this.#sends, this.#heard, this.#experiences]
    return { sends, heard, experiences, floods: this.#floods, wakeAtMs: this.wakeAtMs }
  }

  /** Something that it was told is not acknowledged. */
  awaits(id: NodeId): boolean {
    return (this.#others.get(id)?.told.size ?? 0) > 0
  }

  get wakeAtMs(): number {
    let wakeAtMs = this.#gateways.length === 0 ? Number.POSITIVE_INFINITY : this.#askAtMs
    for (const id of this.#gateways) {
      for (const { atMs, times } of this.#others.get(id)?.told.values() ?? []) {
        if (times >= noticeLimits.tellingsMax) continue
        wakeAtMs = Math.min(wakeAtMs, atMs + resendMs(times))
      }
    }
    return wakeAtMs
  }

  #take(input: NoticeInput, nowMs: number): void {
    switch (input.kind) {
      case 'tick':
        this.#tick(nowMs)
        return
      case 'gateways':
        this.#meet(input.gateways, nowMs)
        return
      case 'tell':
        this.#tell(input, nowMs)
        return
      case 'retract':
        this.#own.delete(input.mark)
        for (const other of this.#others.values()) {
          other.has.delete(input.mark)
          other.told.delete(input.mark)
        }
        return
      case 'share':
        for (const id of this.#gateways) this.#say(id, { experience: input.experience })
        return
      case 'alive':
        this.#tellAgain(input.from, nowMs, againMs)
        return
      case 'message':
        this.#hear(input.from, input.message, nowMs)
        return
    }
  }

  #tell({ notice, urges }: Extract<NoticeInput, { kind: 'tell' }>, nowMs: number): void {
    const mark = noticeMarkOf(notice.text)
    if (this.#own.has(mark)) return
    this.#own.set(mark, { notice, urges })
    const oldest = this.#own.keys().next().value
    if (this.#own.size > noticeLimits.ownMax && oldest !== undefined) {
      this.#take({ kind: 'retract', mark: oldest }, nowMs)
    }
    if (!urges) return
    for (const id of this.#gateways) {
      this.#other(id, nowMs).told.set(mark, { atMs: nowMs, times: 1 })
      this.#say(id, { told: [notice] })
    }
  }

  /** Who is new is asked at once: it, or this one, may have been away. */
  #meet(gateways: readonly NodeId[], nowMs: number): void {
    const before = new Set(this.#gateways)
    this.#gateways = gateways
    for (const id of gateways) if (!before.has(id)) this.#ask(id, nowMs)
  }

  #tick(nowMs: number): void {
    for (const id of this.#gateways) {
      this.#tellAgain(id, nowMs, ({ times }) =>
        times < noticeLimits.tellingsMax ? resendMs(times) : Number.POSITIVE_INFINITY,
      )
    }
    if (nowMs < this.#askAtMs) return
    this.#askAtMs = nowMs + noticeTimes.askMs
    const drawn = this.#gateways[this.#random.below(Math.max(1, this.#gateways.length))]
    if (drawn !== undefined) this.#ask(drawn, nowMs)
  }

  #tellAgain(to: NodeId, nowMs: number, waitMs: (told: Told) => number): void {
    const other = this.#others.get(to)
    if (other === undefined || other.told.size === 0) return
    const due: SaidNotice[] = []
    for (const [mark, told] of other.told) {
      const own = this.#own.get(mark)
      if (own === undefined || nowMs - told.atMs < waitMs(told)) continue
      told.atMs = nowMs
      told.times += 1
      due.push(own.notice)
    }
    if (due.length > 0) this.#say(to, { told: firstOf(due) })
  }

  #hear(from: NodeId, { asks, experience, held, told }: NoticeMessage, nowMs: number): void {
    const other = this.#other(from, nowMs)
    if (experience !== null) {
      if (other.experiences.takeIfCovered(1, nowMs)) this.#experiences.push({ from, experience })
      else this.#floods.push(from)
    }
    if (asks) {
      other.has.clear()
      // Who asks may have just begun: then it was away, and has something to tell.
      if (nowMs - other.askedAtMs >= noticeTimes.askBackMs) this.#ask(from, nowMs)
    }
    for (const mark of held) {
      other.told.delete(mark)
      // A mark of nothing that stands is nobody's business.
      if (this.#own.has(mark)) other.has.add(mark)
    }
    const taken = told.map((notice) => this.#hearNotice(from, notice, nowMs))
    const acks = taken.filter((mark) => mark !== undefined)
    const hasMore = acks.length >= noticeLimits.perMessageMax
    if (hasMore) this.#ask(from, nowMs)
    else if (acks.length > 0) this.#say(from, { held: acks })
    if (asks) this.#answer(from, other, nowMs)
  }

  /** @returns what is to be acknowledged */
  #hearNotice(from: NodeId, notice: SaidNotice, nowMs: number): NoticeMark | undefined {
    const { allowance, held } = this.#other(from, nowMs)
    const mark = noticeMarkOf(notice.text)
    if (held.has(mark)) return mark
    if (!allowance.takeIfCovered(1, nowMs)) {
      this.#floods.push(from)
      return undefined
    }
    held.add(mark)
    const oldest = held.values().next().value
    if (held.size > noticeLimits.heldMax && oldest !== undefined) held.delete(oldest)
    this.#heard.push({ from, notice })
    return mark
  }

  #answer(to: NodeId, other: Other, nowMs: number): void {
    const missing: SaidNotice[] = []
    for (const [mark, { notice }] of this.#own) if (!other.has.has(mark)) missing.push(notice)
    if (missing.length === 0 || !other.answers.takeIfCovered(1, nowMs)) return
    this.#say(to, { told: firstOf(missing) })
  }

  #ask(to: NodeId, nowMs: number): void {
    const other = this.#other(to, nowMs)
    other.askedAtMs = nowMs
    this.#say(to, { asks: true, held: [...other.held] })
  }

  #say(to: NodeId, message: Partial<NoticeMessage>): void {
    this.#sends.push({ to, message: { ...silence, ...message } })
  }

  #other(id: NodeId, nowMs: number): Other {
    const known = this.#others.get(id)
    const { answersBurstMax, answersPerSecondMax, gatewaysMax } = noticeLimits
    const { toldBurstMax, toldPerSecondMax } = noticeLimits
    const { experiencesBurstMax, experiencesPerSecondMax } = noticeLimits
    const other = known ?? {
      has: new Set(),
      told: new Map(),
      held: new Set(),
      allowance: allowanceOf(toldBurstMax, toldPerSecondMax, nowMs),
      answers: allowanceOf(answersBurstMax, answersPerSecondMax, nowMs),
      experiences: allowanceOf(experiencesBurstMax, experiencesPerSecondMax, nowMs),
      askedAtMs: Number.NEGATIVE_INFINITY,
    }
    this.#others.delete(id)
    this.#others.set(id, other)
    if (this.#others.size > gatewaysMax) {
      // Names are free: whom this gateway deals with goes last.
      const others = [...this.#others.keys()]
      const first = others.find((one) => one !== id && !this.#gateways.includes(one)) ?? others[0]
      if (first !== undefined) this.#others.delete(first)
    }
    return other
  }
}

const silence: NoticeMessage = { told: [], held: [], asks: false, experience: null }

function resendMs(times: number): number {
  return noticeTimes.resendMs * 2 ** (times - 1)
}

function againMs({ times }: Told): number {
  return Math.min(noticeTimes.againMaxMs, Math.max(noticeTimes.againMinMs, resendMs(times)))
}

function allowanceOf(burstMax: number, perSecondMax: number, nowMs: number): WorkAllowance {
  return new WorkAllowance({ burstMax, perSecondMax, debtMax: 0 }, nowMs)
}

/** As many as fit into one message. */
function firstOf(notices: readonly SaidNotice[]): readonly SaidNotice[] {
  const first: SaidNotice[] = []
  let bytes = 0
  for (const notice of notices.slice(0, noticeLimits.perMessageMax)) {
    bytes += Buffer.byteLength(notice.text)
    if (first.length > 0 && bytes > noticeLimits.messageBytesMax) break
    first.push(notice)
  }
  return first
}
