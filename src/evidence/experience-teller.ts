/**
 * What this gateway tells others of what it has seen: per node and model, how many requests came
 * back and how many failed, in as many messages as it takes; what was told the longest ago first.
 */
import type { Clock } from '../base/index.ts'
import {
  type Experience,
  type ExperienceRow,
  isNodeId,
  messageLimits,
  type NodeId,
} from '../protocol/index.ts'
import type { EvidenceBook, Seen } from './evidence-book.ts'

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

/** Fewer are a few messages that were told at once. */
const clockStepMs = 1_000

export interface ExperienceTellerModules {
  readonly clock: Pick<Clock, 'now'>
  readonly evidence: Pick<EvidenceBook, 'seenSince'>
  readonly gateway: NodeId
}

export class ExperienceTeller {
  readonly #modules: ExperienceTellerModules
  /** What was told when, by node and model. */
  readonly #told = new Map<string, number>()
  #issuedAtMs = 0

  constructor(modules: ExperienceTellerModules) {
    this.#modules = modules
  }

  /** To be told now. */
  tell(): readonly Experience[] {
    const { clock, evidence, gateway } = this.#modules
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
    return partsOf(rows.slice(0, rowsMax)).map((part) => {
      // Each later than the one before, or the second would be old news; but what a clock said that
      // was ahead is not to be waited for.
      const next = this.#issuedAtMs + 1
      const isAhead = next - now > clockStepMs
      this.#issuedAtMs = isAhead ? Math.floor(now) : Math.max(next, Math.floor(now))
      return { gateway, issuedAtMs: this.#issuedAtMs, rows: part }
    })
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
