/**
 * News that waits to be spread, each piece a bounded number of times, the least told first (SWIM,
 * section 4.1). What a newer statement contradicts is not told any more.
 *
 * Refutations come before all else: a suspect has no time to wait for what somebody floods with.
 * There is one for each member at most, so that they cannot be a flood themselves. Among equals the
 * one that waits longest comes first, so that nothing waits for ever.
 */
import { nothing } from '../nothing.ts'
import { membershipLimits } from './presets.ts'
import { type Statement, signerOf, statementBytes } from './statements.ts'

const calmRounds = 3

interface News {
  readonly statement: Statement
  readonly bytes: number
  readonly order: number
  readonly isRefutation: boolean
  told: number
}

export class Dissemination {
  readonly #factor: number
  #queue: News[] = []
  #order = 0

  constructor(retransmitFactor: number) {
    this.#factor = retransmitFactor
  }

  get isEmpty(): boolean {
    return this.#queue.length === 0
  }

  /**
   * After how many rounds it is told. Who is new can wait: so several go into one message. Where a
   * life depends on it, nothing waits.
   */
  get haste(): number {
    const isPressing = this.#queue.some(
      (news) => news.isRefutation || news.statement.kind !== 'alive',
    )
    return isPressing ? 1 : calmRounds
  }

  get length(): number {
    return this.#queue.length
  }

  add(statement: Statement, isRefutation = false): void {
    this.#queue = this.#queue.filter((news) => !outdates(statement, news.statement))
    if (this.#queue.length >= membershipLimits.newsMax) this.#dropMostTold()
    const bytes = statementBytes(statement)
    this.#queue.push({ statement, bytes, order: this.#order++, isRefutation, told: 0 })
  }

  /**
   * What fits into `bytesMax`, the most urgent first. Each piece counts as told once.
   * @param clusterSize members, oneself included
   * @param already what the message has without it
   */
  take(
    bytesMax: number,
    clusterSize: number,
    already: readonly Statement[] = nothing,
  ): readonly Statement[] {
    if (this.#queue.length === 0) return nothing
    const toldMax = this.#factor * Math.ceil(Math.log10(clusterSize + 1))
    this.#queue.sort(byUrgency)
    const taken: Statement[] = []
    let room = bytesMax
    for (const news of this.#queue) {
      if (news.bytes > room || already.includes(news.statement)) continue
      room -= news.bytes
      news.told += 1
      taken.push(news.statement)
    }
    this.#queue = this.#queue.filter((news) => news.told < toldMax)
    return taken
  }

  clear(): void {
    this.#queue = []
  }

  #dropMostTold(): void {
    let most = -1
    let toldMost = -1
    for (const [index, { isRefutation, told }] of this.#queue.entries()) {
      if (isRefutation || told <= toldMost) continue
      most = index
      toldMost = told
    }
    this.#queue.splice(most, 1)
  }
}

function byUrgency(a: News, b: News): number {
  if (a.isRefutation !== b.isRefutation) return a.isRefutation ? -1 : 1
  return a.told - b.told || a.order - b.order
}

/** Whether `newer` makes `older` pointless. */
function outdates(newer: Statement, older: Statement): boolean {
  if (newer.subject !== older.subject) return false
  if (newer.incarnation > older.incarnation) return true
  if (newer.incarnation < older.incarnation) return false
  if (newer.kind === 'left') return true
  return newer.kind === 'dead' && older.kind === 'suspect' && signerOf(newer) === signerOf(older)
}
