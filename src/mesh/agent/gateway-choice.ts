/**
 * Which gateways this member deals with, those it relies on most first. Anybody who may join can
 * say that it is a gateway, as often as it likes, and can place itself near: none of that may crowd
 * out gateways that have proven useful.
 *
 * Proven is whom this process has joined by its operator's word and holds a connection to, and
 * who has answered it without a gap for a while. The order takes turns: the nearest proven, the
 * proven one that answers longest, one by chance; of each site only so many before all others; and
 * those who prove nothing never take more than their share.
 */
import type { Random } from '../../base/index.ts'
import type { NodeId } from '../../protocol/index.ts'
import { viewLimits } from '../digests/limits.ts'
import { rankOf } from '../directory/witnesses.ts'
import { siteOf } from './member-address.ts'

interface Answers {
  /** Of the first of an unbroken row. */
  readonly sinceMs: number
  lastMs: number
}

export interface GatewayChoiceModules {
  readonly random: Random
  readonly isConnected: (id: NodeId) => boolean
  /** Where it is: as its connection shows, else as it says. */
  readonly addressOf: (id: NodeId) => string | undefined
}

export const gatewayChoiceLimits = Object.freeze({
  /** So long must a gateway answer to be proven: a crowd of new names is seen by then. */
  provenAfterMs: 600_000,
  /** A longer silence begins the row anew: of 64 gateways each is asked about once a minute. */
  gapMaxMs: 300_000,
  /** Gateways whose answers are remembered: four times those that are dealt with. */
  answersMax: 256,
  /** Of one site: many names there must not leave others without a record. */
  answersPerSiteMax: 8,
  /** Of one site, before all others have had their turn: two behind one address are usual. */
  perSiteFirst: 2,
  /** Of those that are dealt with, once any is proven: half. */
  unprovenMax: viewLimits.gatewaysMax / 2,
  /** Joined by this process; an operator names a few. */
  joinedMax: 16,
  /** Proven ones whose news are cheap each by itself; more than a federation's regions. */
  trustedMax: 16,
  /** How long chance keeps to what it has drawn: whoever is told anew lacks much at first. */
  drawMs: 600_000,
})

export class GatewayChoice {
  readonly #modules: GatewayChoiceModules
  readonly #joined = new Set<NodeId>()
  readonly #answers = new Map<NodeId, Answers>()
  #trusted: ReadonlySet<NodeId> = new Set()
  #salt = ''
  #drawAtMs = Number.NEGATIVE_INFINITY

  constructor(modules: GatewayChoiceModules) {
    this.#modules = modules
  }

  /** Its operator has named it to this process, which joined it. */
  noteJoined(id: NodeId): void {
    this.#joined.delete(id)
    this.#joined.add(id)
    const [first] = this.#joined
    if (this.#joined.size > gatewayChoiceLimits.joinedMax && first !== undefined) {
      this.#joined.delete(first)
    }
  }

  /** It has answered what this member asked or told it. */
  noteAnswer(id: NodeId, nowMs: number): void {
    const known = this.#answers.get(id)
    if (known !== undefined && nowMs - known.lastMs <= gatewayChoiceLimits.gapMaxMs) {
      known.lastMs = nowMs
      return
    }
    if (known === undefined && !this.#hasRoomFor(id)) return
    this.#answers.set(id, { sinceMs: nowMs, lastMs: nowMs })
  }

  isProven(id: NodeId, nowMs: number): boolean {
    return this.#provenSinceMs(id, nowMs) !== undefined
  }

  /** Proven, and among the longest; as of the last choice. */
  isTrusted(id: NodeId): boolean {
    return this.#trusted.has(id)
  }

  /** @param gateways all that say so, the nearest first */
  choose(gateways: readonly NodeId[], nowMs: number): NodeId[] {
    const { drawMs, gapMaxMs, trustedMax } = gatewayChoiceLimits
    for (const [id, { lastMs }] of this.#answers) {
      if (nowMs - lastMs > gapMaxMs) this.#answers.delete(id)
    }
    if (nowMs - this.#drawAtMs >= drawMs) {
      this.#drawAtMs = nowMs
      this.#salt = String(this.#modules.random.below(2 ** 32))
    }
    const proven = gateways.filter((id) => this.isProven(id, nowMs))
    const sinceMs = (id: NodeId) => this.#provenSinceMs(id, nowMs) ?? nowMs
    const longest = [...proven].sort((a, b) => sinceMs(a) - sinceMs(b))
    this.#trusted = new Set(longest.slice(0, trustedMax))
    const unproven = gateways.filter((id) => !this.isProven(id, nowMs))
    const drawn = this.#byChance(gateways)
    // The first two are those that are told: proven ones, where there are two.
    const turns = inTurns([[...proven, ...unproven], [...longest, ...drawn], drawn])
    const limited = new Set(proven.length > 0 ? unproven : [])
    return withinShares(this.#firstOfSites(turns), limited)
  }

  #hasRoomFor(id: NodeId): boolean {
    const { answersMax, answersPerSiteMax } = gatewayChoiceLimits
    if (this.#answers.size >= answersMax) return false
    const site = this.#siteOf(id)
    let count = 0
    for (const other of this.#answers.keys()) if (this.#siteOf(other) === site) count += 1
    return count < answersPerSiteMax
  }

  #provenSinceMs(id: NodeId, nowMs: number): number | undefined {
    const { isConnected } = this.#modules
    if (this.#joined.has(id) && isConnected(id)) return Number.NEGATIVE_INFINITY
    const answers = this.#answers.get(id)
    if (answers === undefined || nowMs - answers.lastMs > gatewayChoiceLimits.gapMaxMs) {
      return undefined
    }
    const isLong = answers.lastMs - answers.sinceMs >= gatewayChoiceLimits.provenAfterMs
    return isLong ? answers.sinceMs : undefined
  }

  /** By lot of its site, then by its own: a site with many names draws no more often. */
  #byChance(gateways: readonly NodeId[]): NodeId[] {
    const lots = gateways.map((id) => {
      return { id, site: rankOf(`${this.#salt}${this.#siteOf(id)}` as NodeId), own: rankOf(id) }
    })
    lots.sort((a, b) => a.site - b.site || a.own - b.own)
    return lots.map(({ id }) => id)
  }

  #firstOfSites(gateways: readonly NodeId[]): NodeId[] {
    const counts = new Map<string, number>()
    const [first, later]: [NodeId[], NodeId[]] = [[], []]
    for (const id of gateways) {
      const site = this.#siteOf(id)
      const count = counts.get(site) ?? 0
      counts.set(site, count + 1)
      if (count < gatewayChoiceLimits.perSiteFirst) first.push(id)
      else later.push(id)
    }
    return [...first, ...later]
  }

  #siteOf(id: NodeId): string {
    const address = this.#modules.addressOf(id)
    return address === undefined ? id : siteOf(address)
  }
}

/** The first of each row that is not taken yet, then the next of each, until all are taken. */
function inTurns(rows: readonly (readonly NodeId[])[]): NodeId[] {
  const taken = new Set<NodeId>()
  const places = rows.map(() => 0)
  const longest = Math.max(...rows.map(({ length }) => length))
  for (let turn = 0; turn < longest; turn += 1) {
    for (const [index, row] of rows.entries()) {
      let place = places[index] ?? 0
      while (place < row.length && taken.has(row[place] as NodeId)) place += 1
      if (place < row.length) taken.add(row[place] as NodeId)
      places[index] = place + 1
    }
  }
  return [...taken]
}

/** As many as are dealt with; of those that are limited no more than their share. */
function withinShares(gateways: readonly NodeId[], limited: ReadonlySet<NodeId>): NodeId[] {
  const chosen: NodeId[] = []
  let limitedCount = 0
  for (const id of gateways) {
    if (chosen.length >= viewLimits.gatewaysMax) break
    if (limited.has(id)) {
      limitedCount += 1
      if (limitedCount > gatewayChoiceLimits.unprovenMax) continue
    }
    chosen.push(id)
  }
  return chosen
}
