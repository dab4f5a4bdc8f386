/** Puts the reports of a run's parts together: the checkers, and a row of figures per minute. */
import { Beliefs } from '../checkers/beliefs.ts'
import { Claims } from '../checkers/claims.ts'
import { heldDead, sharedMembers, WideClusters } from '../checkers/invariants.ts'
import { Overdue } from '../checkers/overdue.ts'
import { Fate } from '../fate.ts'
import { beliefCodes, type PartReport, pairsHostsMax, type Setting } from './part.ts'
import { ageStepMs } from './view-ages.ts'

/** The longest that anything may be wrong: after a partition one view again, and all else too. */
export const healingMs = 30_000

export interface MinuteRow {
  readonly atMs: number
  readonly up: number
  readonly clusters: number
  /** Hosts in a cluster of more than one. */
  readonly placed: number
  readonly medianSize: number
  readonly largestSize: number
  readonly falseDeaths: number
  /** Bytes that a host sends per second, on average, gateways included. */
  readonly bytesPerSecond: number
  /** The same of nodes alone; gateways are meant to say more. */
  readonly nodeBytesPerSecond: number
  /** Of nodes, by what is said. */
  readonly bytesPerSecondOf: Readonly<Record<string, number>>
  readonly wrongNow: number
}

export interface CheckerResult {
  readonly name: string
  readonly boundMs: number
  readonly longestMs: number
  readonly violations: number
  /** For a person: who, since when. */
  readonly examples: readonly string[]
}

/** How long until a member knew of a crash. */
export interface Detections {
  /** Once for each member that came to know of each crash. */
  readonly times: number
  readonly p50Ms: number
  readonly p99Ms: number
}

export interface MeshRunResult {
  readonly rows: readonly MinuteRow[]
  readonly checkers: readonly CheckerResult[]
  /** Ms from a crash until a member of its cluster knew; undefined where nothing crashed. */
  readonly detection: Detections | undefined
  readonly falseDeaths: number
  readonly view: ViewResult
  readonly messages: number
  /** Of which one host has measured the way to the other; null where it was not kept. */
  readonly pairsMeasured: number | null
  readonly bytesPerHostSecond: number
  readonly bytesPerHostSecondMost: number
  readonly seen: Readonly<Record<string, number>>
}

/** What gateways knew of nodes, throughout. */
export interface ViewResult {
  /** Ms; null where nothing was looked at. */
  readonly ageP50Ms: number | null
  readonly ageP99Ms: number | null
  /** Of nodes that a gateway should have known. */
  readonly missingShare: number
  /** Of the gateway that was told most. */
  readonly bytesInPerSecond: number
}

const rowEveryMs = 60_000

export class Monitor {
  readonly #setting: Setting
  readonly #fate: Fate
  readonly #claims: Claims
  readonly #beliefs: Beliefs
  readonly #wide: WideClusters
  readonly #deadTooLong = new Overdue<number>(healingMs)
  readonly #deadAtSomeTooLong = new Overdue<number>(healingMs)
  readonly #sharedTooLong = new Overdue<number>(healingMs)
  readonly #wideTooLong = new Overdue<string>(healingMs)
  readonly #rows: MinuteRow[] = []
  readonly #detectionsMs: number[] = []
  #falseDeaths = 0
  #messages = 0
  readonly #pairsMeasured = new Set<number>()
  #bytes = 0
  #bytesAtRow = 0
  #bytesBySubject = new Map<string, number>()
  #bytesBySubjectAtRow = new Map<string, number>()
  #bytesMost = 0
  #gatewayBytesInMost = 0
  #missing = 0
  readonly #ages: number[] = []
  #seen = new Map<string, number>()

  constructor(setting: Setting) {
    const { options, placement, faults } = setting
    this.#setting = setting
    this.#fate = new Fate(options.nodes, faults)
    this.#claims = new Claims(options.nodes)
    this.#beliefs = new Beliefs(options.nodes)
    this.#wide = new WideClusters(options.boundMs, placement)
  }

  /** One report of each part, all of the same instant. */
  take(reports: readonly PartReport[]): void {
    const nowMs = reports[0]?.atMs ?? 0
    const happened = this.#fate.advance(nowMs)
    for (const fault of happened) if (fault.kind === 'crash') this.#beliefs.forget(fault.host)
    this.#messages = 0
    this.#bytes = 0
    this.#seen = new Map()
    this.#bytesBySubject = new Map()
    for (const report of reports) this.#merge(report)
    const truth = { fate: this.#fate, claims: this.#claims, beliefs: this.#beliefs }
    const wrong = {
      dead: [...heldDead(truth, 'every other')],
      deadAtSome: [...heldDead(truth, 'some other')],
      shared: [...sharedMembers(truth)],
      wide: [...this.#wide.now(this.#claims)],
    }
    this.#deadTooLong.observe(wrong.dead, nowMs)
    this.#deadAtSomeTooLong.observe(wrong.deadAtSome, nowMs)
    this.#sharedTooLong.observe(wrong.shared, nowMs)
    this.#wideTooLong.observe(wrong.wide, nowMs)
    const wrongNow = wrong.dead.length + wrong.shared.length + wrong.wide.length
    const { lengthMs } = this.#setting.options
    if (nowMs % rowEveryMs === 0 || nowMs === lengthMs) this.#addRow(nowMs, wrongNow)
  }

  get rows(): readonly MinuteRow[] {
    return this.#rows
  }

  result(): MeshRunResult {
    const { nodes, lengthMs } = this.#setting.options
    const hostSeconds = (nodes * lengthMs) / 1000
    return {
      rows: this.#rows,
      checkers: [
        shown('a live member is dead at every other', this.#deadTooLong, hostName),
        shown('a live member is dead at some other', this.#deadAtSomeTooLong, hostName),
        shown('two clusters share a member', this.#sharedTooLong, hostName),
        shown('a cluster violates its bound', this.#wideTooLong, (cluster) => cluster),
      ],
      detection: percentiles(this.#detectionsMs),
      falseDeaths: this.#falseDeaths,
      view: this.#viewResult(),
      messages: this.#messages,
      pairsMeasured: nodes > pairsHostsMax ? null : this.#pairsMeasured.size,
      bytesPerHostSecond: this.#bytes / hostSeconds,
      bytesPerHostSecondMost: this.#bytesMost / (lengthMs / 1000),
      seen: Object.fromEntries([...this.#seen].sort(([a], [b]) => (a < b ? -1 : 1))),
    }
  }

  #viewResult(): ViewResult {
    const known = this.#ages.reduce((sum, count) => sum + count, 0)
    const ageMs = (share: number) => {
      let left = Math.ceil(share * known)
      const place = this.#ages.findIndex((count) => {
        left -= count
        return left <= 0
      })
      return known === 0 ? null : (place + 1) * ageStepMs
    }
    return {
      ageP50Ms: ageMs(0.5),
      ageP99Ms: ageMs(0.99),
      missingShare: this.#missing / Math.max(1, known + this.#missing),
      bytesInPerSecond: this.#gatewayBytesInMost / (this.#setting.options.lengthMs / 1000),
    }
  }

  #merge(report: PartReport): void {
    const { claims, beliefs, detectionsMs, falseDeaths, ages, pairsMeasured, totals } = report
    for (const [host, cluster] of claims) this.#claims.note(host, cluster)
    for (let at = 0; at < beliefs.length; at += 3) {
      const [observer = 0, subject = 0, code = 0] = beliefs.slice(at, at + 3)
      if (subject < 0) this.#beliefs.forget(observer)
      else this.#beliefs.note(observer, subject, beliefCodes[code] ?? 'unknown')
    }
    for (const ms of detectionsMs) this.#detectionsMs.push(ms)
    this.#falseDeaths += falseDeaths
    this.#messages += totals.messages
    for (const pair of pairsMeasured) this.#pairsMeasured.add(pair)
    this.#bytes += totals.bytesSent
    this.#bytesMost = Math.max(this.#bytesMost, totals.bytesSentMost)
    this.#gatewayBytesInMost = Math.max(this.#gatewayBytesInMost, totals.gatewayBytesInMost)
    this.#missing += ages.missing
    for (const [place, count] of ages.counts.entries()) {
      this.#ages[place] = (this.#ages[place] ?? 0) + count
    }
    for (const [subject, bytes] of Object.entries(totals.bytesBySubject)) {
      this.#bytesBySubject.set(subject, (this.#bytesBySubject.get(subject) ?? 0) + bytes)
    }
    for (const [what, count] of Object.entries(totals.seen)) {
      this.#seen.set(what, (this.#seen.get(what) ?? 0) + count)
    }
  }

  #addRow(nowMs: number, wrongNow: number): void {
    const { gateways } = this.#setting
    let [up, nodesUp] = [0, 0]
    for (let host = 0; host < this.#fate.hosts; host += 1) {
      if (!this.#fate.isUp(host)) continue
      up += 1
      if (!gateways.has(host)) nodesUp += 1
    }
    const sizes: number[] = []
    for (const [, members] of this.#claims.clusters()) sizes.push(members.size)
    sizes.sort((a, b) => a - b)
    const placed = sizes.reduce((sum, size) => (size > 1 ? sum + size : sum), 0)
    const seconds = (nowMs - (this.#rows.at(-1)?.atMs ?? 0)) / 1000
    const bytesPerSecondOf = this.#saidPerSecond(seconds * Math.max(1, nodesUp))
    this.#rows.push({
      atMs: nowMs,
      up,
      clusters: sizes.length,
      placed,
      medianSize: sizes[Math.floor(sizes.length / 2)] ?? 0,
      largestSize: sizes.at(-1) ?? 0,
      falseDeaths: this.#falseDeaths,
      bytesPerSecond: (this.#bytes - this.#bytesAtRow) / (seconds * Math.max(1, up)),
      nodeBytesPerSecond: Object.values(bytesPerSecondOf).reduce((sum, one) => sum + one, 0),
      bytesPerSecondOf,
      wrongNow,
    })
    this.#bytesAtRow = this.#bytes
    this.#bytesBySubjectAtRow = this.#bytesBySubject
  }

  #saidPerSecond(nodeSeconds: number): Record<string, number> {
    const said: Record<string, number> = {}
    for (const [subject, bytes] of this.#bytesBySubject) {
      said[subject] = (bytes - (this.#bytesBySubjectAtRow.get(subject) ?? 0)) / nodeSeconds
    }
    return said
  }
}

function hostName(host: number): string {
  return `host ${host}`
}

function shown<TKey>(
  name: string,
  overdue: Overdue<TKey>,
  nameOf: (key: TKey) => string,
): CheckerResult {
  const { boundMs, longestMs, count } = overdue
  const examples = overdue.violations.map(
    ({ key, sinceMs }) => `${nameOf(key)} since ${(sinceMs / 1000).toFixed(0)} s`,
  )
  return { name, boundMs, longestMs, violations: count, examples }
}

function percentiles(values: readonly number[]): MeshRunResult['detection'] {
  if (values.length === 0) return undefined
  const sorted = Float64Array.from(values).sort()
  const at = (share: number) => sorted[Math.ceil(share * sorted.length) - 1] ?? Number.NaN
  return { times: values.length, p50Ms: at(0.5), p99Ms: at(0.99) }
}
