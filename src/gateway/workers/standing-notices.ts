/**
 * What gateways tell each other of nodes: this one's quarantines to the others, and theirs to this
 * one, which believes what is proven, looks for itself at what is said, and takes back what was
 * only said when it is said no longer.
 */
import type { Clock, Log, Random, Timer } from '../../base/index.ts'
import {
  type AccusationConsequence,
  Accusations,
  type BillRules,
  causesOf,
  type EvidenceBook,
  type FaultKind,
  type HeardNotice,
  type Incident,
  type NoticeFault,
  readNotice,
  type SignedStep,
  type StandingBook,
  tellable,
} from '../../evidence/index.ts'
import type { NoticeKeeper } from '../../mesh/index.ts'
import {
  type JsonObject,
  type NodeId,
  noticeMarkOf,
  type SaidNotice,
  shortId,
} from '../../protocol/index.ts'
import { Rechecks } from './rechecks.ts'
import type { WorkerRegistry } from './registry.ts'

export interface StandingNoticesModules {
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly network: string
  readonly policy: () => BillRules
  readonly book: Pick<StandingBook, 'forgivenUntilMs' | 'incidents' | 'find' | 'of'>
  readonly evidence: Pick<EvidenceBook, 'hear'>
  readonly registry: Pick<WorkerRegistry, 'begin' | 'end' | 'find' | 'node' | 'standing'>
  /** Judges what is proven, as if it had been seen here. */
  readonly condemn: (worker: NodeId, kind: FaultKind, evidence: JsonObject) => void
  /** Without it nothing is told. */
  readonly notices?: Pick<NoticeKeeper, 'isTrusted' | 'retract' | 'tell'> | undefined
}

/** Gateways prove themselves within ten minutes: what they said counts soon after. */
const lookMs = 10_000
/** Whoever was away for longer has asked for what stands, and nothing else matters to it. */
const endedToldMs = 7 * 24 * 3_600_000

export type NoticeOutcome = HeardNotice['kind'] | NoticeFault

export class StandingNotices {
  readonly rechecks: Rechecks
  readonly #modules: StandingNoticesModules
  readonly #accusations: Accusations
  readonly #counts = new Map<NoticeOutcome, number>()
  #timer: Timer | undefined

  constructor(modules: StandingNoticesModules) {
    this.#modules = modules
    this.rechecks = new Rechecks(modules)
    const { book, clock, evidence, network, policy, registry } = modules
    this.#accusations = new Accusations({
      clock,
      network,
      bills: policy,
      isKnown: (worker) => registry.find(worker) !== undefined,
      forgivenUntilMs: (worker) => book.forgivenUntilMs(worker),
      isTrusted: (gateway) => modules.notices?.isTrusted(gateway) === true,
      observe: (worker, at) => evidence.hear(worker, at),
    })
  }

  /** Tells what stands, to whoever asks and whom this gateway meets. */
  start(): void {
    const { book, clock } = this.#modules
    for (const incident of [...book.incidents()].reverse()) {
      const { closedAtMs } = incident
      if (closedAtMs === null || clock.now() - closedAtMs < endedToldMs) this.#tell(incident, false)
    }
    this.#look()
  }

  stop(): void {
    this.#timer?.cancel()
    this.rechecks.stop()
  }

  /** What this gateway has found out itself is told at once; what it was told it holds ready. */
  stepped(incident: Incident): void {
    const { evidence, state, steps } = incident
    if (state !== 'closed' && steps.length > 1) return
    const [opened] = steps
    if (state === 'closed' && opened !== undefined) {
      this.#modules.notices?.retract(noticeMarkOf(opened.signed.json))
    }
    this.#tell(incident, evidence['toldBy'] === undefined || state === 'closed')
  }

  /** @returns why it is refused, if it is */
  hear(from: NodeId, { signature, text }: SaidNotice): 'forged' | 'malformed' | undefined {
    const signed: SignedStep = { json: text, signature: Buffer.from(signature).toString('base64') }
    const notice = readNotice(signed, from)
    if (typeof notice === 'string') {
      this.#count(notice)
      return notice === 'forged' ? 'forged' : 'malformed'
    }
    const heard = this.#accusations.hear(notice)
    this.#count(heard.kind)
    const fields = { gateway: shortId(from), incident: notice.incident }
    if (heard.kind === 'ended') {
      const by = notice.kind === 'ended' ? notice.by : 'operator'
      this.#ended(heard.worker, { ...fields, by })
    }
    if (heard.kind === 'proven' || heard.kind === 'accused') {
      const { worker } = notice as { readonly worker: NodeId }
      const about = { ...fields, worker: shortId(worker) }
      this.#modules.log.info(`another gateway quarantines a node: ${heard.kind}`, about)
      if (heard.follows !== undefined) this.#follow(heard.follows)
    }
    return undefined
  }

  /** What was said of it before it came. */
  joined(worker: NodeId): void {
    for (const consequence of this.#accusations.joined(worker)) this.#follow(consequence)
    this.rechecks.joined(worker)
  }

  /** How often each came. */
  counts(): ReadonlyMap<NoticeOutcome, number> {
    return this.#counts
  }

  #follow(consequence: AccusationConsequence): void {
    const { book, condemn, notices } = this.#modules
    const { gateway, incident, worker } = consequence.said
    if (consequence.kind === 'condemn') {
      const { cause, evidence } = consequence.proof
      if (this.#isQuarantinedFor(worker, cause)) return
      const found = 'another gateway shows what the node has signed'
      condemn(worker, cause, { found, ...evidence, toldBy: gateway, theirIncident: incident })
      return
    }
    if (book.of(worker)?.state === 'quarantined') return
    const accuser = notices?.isTrusted(gateway) === true ? gateway : 'anybody'
    this.rechecks.ask(worker, consequence.model, accuser)
  }

  /** Among other things: what it can work off may not be all that it did. */
  #isQuarantinedFor(worker: NodeId, cause: FaultKind): boolean {
    const { book } = this.#modules
    const standing = book.of(worker)
    if (standing?.state !== 'quarantined') return false
    const incident = book.find(standing.incident)
    return incident === undefined || causesOf(incident).has(cause)
  }

  /** What this gateway has seen or checked itself stays until its own operator ends it. */
  #ended(worker: NodeId | undefined, fields: Readonly<Record<string, string>>): void {
    const { book, log } = this.#modules
    if (worker === undefined) return
    const about = { ...fields, worker: shortId(worker) }
    const own = book.of(worker)
    const isQuarantined = own?.state === 'quarantined'
    const stays = isQuarantined ? { here: `quarantined by incident ${own.incident}` } : {}
    log.warn('another gateway has ended its quarantine', { ...about, ...stays })
  }

  #tell(incident: Incident, urges: boolean): void {
    const signed = tellable(incident)
    if (signed === undefined) return
    const signature = new Uint8Array(Buffer.from(signed.signature, 'base64'))
    this.#modules.notices?.tell({ text: signed.json, signature }, urges)
  }

  #look(): void {
    this.#accusations.tick()
    this.#timer = this.#modules.clock.after(lookMs, () => this.#look())
  }

  #count(outcome: NoticeOutcome): void {
    this.#counts.set(outcome, (this.#counts.get(outcome) ?? 0) + 1)
  }
}
