/**
 * News that waits to be spread, each piece a bounded number of times, the least told first (SWIM,
 * section 4.1). What a newer statement contradicts is not told any more.
 */
import type { NodeId } from '../../protocol/index.ts'
import { membershipLimits } from './presets.ts'
import { type Statement, signerOf, statementBytes } from './statements.ts'

interface News {
  readonly statement: Statement
  readonly bytes: number
  readonly order: number
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

  get length(): number {
    return this.#queue.length
  }

  holds(statement: Statement): boolean {
    return this.#queue.some((news) => news.statement === statement)
  }

  add(statement: Statement): void {
    this.#queue = this.#queue.filter((news) => !outdates(statement, news.statement))
    if (this.#queue.length >= membershipLimits.newsMax) this.#dropMostTold()
    const bytes = statementBytes(statement)
    this.#queue.push({ statement, bytes, order: this.#order++, told: 0 })
  }

  /**
   * What fits into `bytesMax`, least told first, then newest. Each piece counts as told once.
   * @param clusterSize members, oneself included
   * @param already what the message has without it
   */
  take(bytesMax: number, clusterSize: number, already: readonly Statement[] = []): Statement[] {
    if (this.#queue.length === 0) return []
    const toldMax = this.#factor * Math.ceil(Math.log10(clusterSize + 1))
    this.#queue.sort((a, b) => a.told - b.told || b.order - a.order)
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

  /** Nothing about this member is worth telling any more. */
  forget(subject: NodeId): void {
    this.#queue = this.#queue.filter((news) => news.statement.subject !== subject)
  }

  #dropMostTold(): void {
    let most = 0
    for (const [index, news] of this.#queue.entries()) {
      if (news.told > (this.#queue[most]?.told ?? 0)) most = index
    }
    this.#queue.splice(most, 1)
  }
}

/** Whether `newer` makes `older` pointless. */
function outdates(newer: Statement, older: Statement): boolean {
  if (newer.subject !== older.subject) return false
  if (newer.incarnation > older.incarnation) return true
  if (newer.incarnation < older.incarnation) return false
  if (newer.kind === 'left') return true
  return newer.kind === 'dead' && older.kind === 'suspect' && signerOf(newer) === signerOf(older)
}
