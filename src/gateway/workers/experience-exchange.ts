/**
 * What this gateway has seen of nodes goes to the others each minute, signed; what those say that
 * this one relies on counts here, with little weight.
 */
import type { Clock, Random, Timer } from '../../base/index.ts'
import { type EvidenceBook, Hearsay, type Seen } from '../../evidence/index.ts'
import type { NoticeKeeper } from '../../mesh/index.ts'
import {
  type ExperienceRow,
  type Identity,
  isNodeId,
  messageLimits,
  type NodeId,
  openExperience,
  type SealedExperience,
  sealExperience,
} from '../../protocol/index.ts'
import type { WorkerRegistry } from './registry.ts'
import { offerOf } from './viewed.ts'

export const experienceLimits = {
  /** Counts halve in an hour: a minute changes little. */
  tellMs: 60_000,
  /** What was seen longer ago has been told, and says little. */
  recentMs: 30 * 60_000,
  /** In two messages: 43 kB a minute to each of 64 gateways are 46 kB/s. Others come in turns. */
  rowsMax: 1_024,
  /** Less is no request. */
  countMin: 0.5,
} as const

export interface ExperienceExchangeModules {
  readonly clock: Clock
  readonly random: Random
  readonly identity: Identity
  readonly network: string
  readonly evidence: Pick<EvidenceBook, 'count' | 'seenSince'>
  readonly registry: Pick<WorkerRegistry, 'find'>
  readonly notices?: Pick<NoticeKeeper, 'isTrusted' | 'share'> | undefined
}

export type ExperienceOutcome = 'counted' | 'stale' | 'not-relied-on' | 'forged'

export class ExperienceExchange {
  readonly #modules: ExperienceExchangeModules
  readonly #hearsay: Hearsay
  /** What was told when, by node and model. */
  readonly #told = new Map<string, number>()
  readonly #counts = new Map<ExperienceOutcome, number>()
  #issuedAtMs = 0
  #timer: Timer | undefined

  constructor(modules: ExperienceExchangeModules) {
    this.#modules = modules
    const { clock, evidence, registry } = modules
    this.#hearsay = new Hearsay({
      clock,
      isKnown: (worker, model) => {
        const known = registry.find(worker)
        return known !== undefined && offerOf(known.view, model) !== null
      },
      count: (worker, model, heard) => evidence.count(worker, model, heard),
    })
  }

  start(): void {
    const { notices, random } = this.#modules
    if (notices !== undefined) this.#wait(random.float() * experienceLimits.tellMs)
  }

  stop(): void {
    this.#timer?.cancel()
  }

  /** @returns why it is refused, if it is */
  hear(from: NodeId, sealed: SealedExperience): 'forged' | undefined {
    const { network, notices } = this.#modules
    // First: whoever is not relied on costs no verification.
    if (notices?.isTrusted(from) !== true) return this.#note('not-relied-on')
    const experience = openExperience(sealed, { gateway: from, network })
    if (experience === undefined) {
      this.#note('forged')
      return 'forged'
    }
    return this.#note(this.#hearsay.hear(experience) ? 'counted' : 'stale')
  }

  /** How often each came. */
  counts(): ReadonlyMap<ExperienceOutcome, number> {
    return this.#counts
  }

  /** Tells now what there is to tell; of what was told the longest ago first. */
  tell(): void {
    const { clock, evidence, identity, network, notices } = this.#modules
    const { countMin, recentMs, rowsMax } = experienceLimits
    const now = clock.now()
    const rows: ExperienceRow[] = []
    for (const seen of evidence.seenSince(now - recentMs)) {
      const row = seen.right + seen.failed >= countMin ? rowOf(seen) : undefined
      if (row !== undefined) rows.push(row)
    }
    const before = new Map(this.#told)
    const toldMs = (row: ExperienceRow) => before.get(keyOf(row)) ?? 0
    rows.sort((a, b) => toldMs(a) - toldMs(b))
    this.#told.clear()
    for (const [i, row] of rows.entries())
      this.#told.set(keyOf(row), i < rowsMax ? now : toldMs(row))
    for (const part of partsOf(rows.slice(0, rowsMax))) {
      // Each later than the one before, or the second would be old news.
      this.#issuedAtMs = Math.max(this.#issuedAtMs + 1, Math.floor(now))
      const said = { gateway: identity.id, issuedAtMs: this.#issuedAtMs, rows: part }
      notices?.share(sealExperience(identity, network, said))
    }
  }

  #wait(forMs: number): void {
    this.#timer = this.#modules.clock.after(forMs, () => {
      this.tell()
      this.#wait(experienceLimits.tellMs)
    })
  }

  #note(outcome: ExperienceOutcome): undefined {
    this.#counts.set(outcome, (this.#counts.get(outcome) ?? 0) + 1)
    return undefined
  }
}

function rowOf({ failed, model, right, worker: node }: Seen): ExperienceRow | undefined {
  const isShort = Buffer.byteLength(model) <= messageLimits.nameBytesMax
  return isNodeId(node) && isShort ? { node, model, right, failed } : undefined
}

function keyOf({ model, node }: ExperienceRow): string {
  return `${node} ${model}`
}

/** As many as fit into one message each. */
function partsOf(rows: readonly ExperienceRow[]): ExperienceRow[][] {
  const parts: ExperienceRow[][] = []
  let bytes = 0
  let models = new Set<string>()
  for (const row of rows) {
    const frameBytes = nameFrameBytes + Buffer.byteLength(row.model)
    const part = parts.at(-1)
    const added = rowBytes + (models.has(row.model) ? 0 : frameBytes)
    if (
      part === undefined ||
      part.length >= messageLimits.experienceRowsMax ||
      bytes + added > partBytesMax
    ) {
      parts.push([row])
      models = new Set([row.model])
      bytes = rowBytes + frameBytes
      continue
    }
    part.push(row)
    models.add(row.model)
    bytes += added
  }
  return parts
}

/** An id, a place, two counts. */
const rowBytes = 42
/** Its length, its end, its padding and the offset to it. */
const nameFrameBytes = 12
/** What is left is for the frame of all. */
const partBytesMax = messageLimits.experienceBytesMax - 1_024
