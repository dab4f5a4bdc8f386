/** What a run adds up to. */
import type { FleetNode } from './fleet.ts'
import type { Misbehaviour } from './misbehaviour.ts'

export interface RequestOutcome {
  readonly isRight: boolean
  readonly isInTime: boolean
  readonly isRefused: boolean
  /** Until the first token; null: there was none. */
  readonly ttftMs: number | null
  readonly tpotMs: number | null
  readonly completionTokens: number
}

export interface RoutingFigures {
  readonly requests: number
  /** Right and in time, as a share of all. */
  readonly good: number
  readonly misses: number
  readonly refused: number
  readonly failed: number
  readonly wrong: number
  readonly late: number
  /** Tokens of right and timely answers per second. */
  readonly goodputTokensPerSecond: number
  readonly ttftP50Ms: number | null
  readonly ttftP99Ms: number | null
  readonly tpotP99Ms: number | null
  /** Attempts per request. */
  readonly attempts: number
  /** Attempts at nodes that misbehave, after the first minute, as shares of all then. */
  readonly faulty: Readonly<Record<Misbehaviour, number>>
  /** Jain's index of attempts among sound equals, the mean over kinds; null: no equals. */
  readonly fairness: number | null
  /**
   * Attempts at sound nodes of which lying gateways speak ill, or would, in attempts at their
   * equals, after the first minute; the mean over kinds; null: no equals.
   */
  readonly slandered: number | null
  readonly newcomer: NewcomerFigures
}

export interface NewcomerFigures {
  /** Its requests before it had four fifths of its equals' share; null: it never had. */
  readonly requestsUntilFair: number | null
  /** Its requests in all, and what its equals had on the mean meanwhile. */
  readonly requests: number
  readonly equals: number
}

/** Until then everybody is new, and whoever misbehaves is found out. */
export const settledMs = 60_000
const fairShare = 0.8
const windowMs = 10_000
const windowsJudged = 3

export class Tally {
  readonly #nodes: readonly FleetNode[]
  readonly #lengthMs: number
  readonly #outcomes: RequestOutcome[] = []
  readonly #settled: number[]
  readonly #attemptTimes: number[][]
  #attempts = 0
  #settledAttempts = 0

  constructor(nodes: readonly FleetNode[], lengthMs: number) {
    this.#nodes = nodes
    this.#lengthMs = lengthMs
    this.#settled = nodes.map(() => 0)
    this.#attemptTimes = nodes.map(() => [])
  }

  attempt(node: number, nowMs: number): void {
    this.#attempts += 1
    if (nowMs > this.#lengthMs) return
    this.#attemptTimes[node]?.push(nowMs)
    if (nowMs < settledMs) return
    this.#settledAttempts += 1
    this.#settled[node] = (this.#settled[node] ?? 0) + 1
  }

  request(outcome: RequestOutcome): void {
    this.#outcomes.push(outcome)
  }

  figures(): RoutingFigures {
    const all = this.#outcomes
    const requests = Math.max(1, all.length)
    const share = (is: (one: RequestOutcome) => boolean) => all.filter(is).length / requests
    const good = all.filter(({ isRight, isInTime }) => isRight && isInTime)
    const ttfts = sorted(all.map(({ ttftMs }) => ttftMs))
    const tokens = good.reduce((sum, { completionTokens }) => sum + completionTokens, 0)
    return {
      requests: all.length,
      good: good.length / requests,
      misses: 1 - good.length / requests,
      refused: share(({ isRefused }) => isRefused),
      failed: share(({ isRefused, ttftMs, isRight }) => !isRefused && !isRight && ttftMs === null),
      wrong: share(({ isRight, ttftMs }) => !isRight && ttftMs !== null),
      late: share(({ isRight, isInTime }) => isRight && !isInTime),
      goodputTokensPerSecond: (tokens * 1_000) / this.#lengthMs,
      ttftP50Ms: at(ttfts, 0.5),
      ttftP99Ms: at(ttfts, 0.99),
      tpotP99Ms: at(sorted(all.map(({ tpotMs }) => tpotMs)), 0.99),
      attempts: this.#attempts / requests,
      faulty: this.#faulty(),
      fairness: this.#fairness(),
      slandered: this.#slandered(),
      newcomer: this.#newcomer(),
    }
  }

  #faulty(): Record<Misbehaviour, number> {
    const shares = { crash: 0, stall: 0, blackHole: 0, slowLiar: 0, corrupt: 0, sybil: 0 }
    for (const [node, { misbehaviour }] of this.#nodes.entries()) {
      if (misbehaviour === undefined) continue
      shares[misbehaviour] += (this.#settled[node] ?? 0) / Math.max(1, this.#settledAttempts)
    }
    return shares
  }

  #fairness(): number | null {
    const kinds = new Map<string, number[]>()
    for (const [node, spec] of this.#nodes.entries()) {
      if (!this.#isSound(spec, settledMs)) continue
      const counts = kinds.get(spec.kind) ?? []
      counts.push(this.#settled[node] ?? 0)
      kinds.set(spec.kind, counts)
    }
    const indices = [...kinds.values()].filter(({ length }) => length > 1).map(jain)
    return indices.length === 0 ? null : indices.reduce((sum, one) => sum + one, 0) / indices.length
  }

  #slandered(): number | null {
    const kinds = new Map<string, { readonly slandered: number[]; readonly others: number[] }>()
    for (const [node, spec] of this.#nodes.entries()) {
      if (!this.#isSound(spec, settledMs)) continue
      const of = kinds.get(spec.kind) ?? { slandered: [], others: [] }
      const counts = spec.isSlandered ? of.slandered : of.others
      counts.push(this.#settled[node] ?? 0)
      kinds.set(spec.kind, of)
    }
    const shares = [...kinds.values()]
      .map(({ others, slandered }) => meanOf(slandered) / meanOf(others))
      .filter(Number.isFinite)
    return shares.length === 0 ? null : meanOf(shares)
  }

  /** Sound, and there from a moment until the end. */
  #isSound({ misbehaviour, sessions, isNewcomer }: FleetNode, fromMs: number): boolean {
    if (misbehaviour !== undefined || isNewcomer) return false
    return sessions.some((one) => one.fromMs <= fromMs && one.toMs >= this.#lengthMs)
  }

  #newcomer(): NewcomerFigures {
    const node = this.#nodes.findIndex(({ isNewcomer }) => isNewcomer)
    const spec = this.#nodes[node]
    const own = this.#attemptTimes[node] ?? []
    const nothing = { requestsUntilFair: null, requests: own.length, equals: 0 }
    const fromMs = spec?.sessions[0]?.fromMs
    if (spec === undefined || fromMs === undefined) return nothing
    const equals = [...this.#nodes.entries()]
      .filter(([, other]) => other.kind === spec.kind && this.#isSound(other, fromMs))
      .map(([index]) => this.#attemptTimes[index] ?? [])
    if (equals.length === 0) return nothing
    const others = (startMs: number, endMs: number) =>
      equals.reduce((sum, times) => sum + countIn(times, startMs, endMs), 0) / equals.length
    const judgedMs = windowsJudged * windowMs
    let requestsUntilFair: number | null = null
    for (let startMs = fromMs; startMs + judgedMs <= this.#lengthMs; startMs += windowMs) {
      const usual = others(startMs, startMs + judgedMs)
      if (countIn(own, startMs, startMs + judgedMs) < fairShare * usual) continue
      requestsUntilFair = countIn(own, 0, startMs)
      break
    }
    return { requestsUntilFair, requests: own.length, equals: others(fromMs, this.#lengthMs) }
  }
}

/** Jain, Chiu and Hawe, 1984: 1: all alike; 1/n: one has everything. */
export function jain(values: readonly number[]): number {
  const sum = values.reduce((total, value) => total + value, 0)
  const squares = values.reduce((total, value) => total + value * value, 0)
  return squares === 0 ? 1 : (sum * sum) / (values.length * squares)
}

function countIn(times: readonly number[], fromMs: number, toMs: number): number {
  return times.filter((atMs) => atMs >= fromMs && atMs < toMs).length
}

/** NaN: of nothing. */
function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}

function sorted(values: readonly (number | null)[]): readonly number[] {
  return values.filter((value) => value !== null).sort((a, b) => a - b)
}

function at(values: readonly number[], share: number): number | null {
  return values[Math.min(values.length - 1, Math.floor(values.length * share))] ?? null
}
