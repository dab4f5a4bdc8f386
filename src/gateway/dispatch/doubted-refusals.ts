/**
 * Refusals by which a node says that the request is at fault, and how they are judged.
 *
 * The gateway has validated the request itself and chose the node by the node's own record, so such
 * a refusal is not taken at the node's word: the request goes to another node, and
 * - another node refuses likewise: the request was at fault, nothing counts against either;
 * - another node answers it: the refusal was the node's own failure;
 * - nobody else could be asked: it stays open, and counts against nobody.
 *
 * A node with a smaller context than the one that answered was right to find the request too long.
 * Two nodes of one owner can confirm each other; what that costs is one attempt. Upstreams without
 * a node are the operator's own, and are believed.
 */
import type { Observation } from '../../evidence/index.ts'
import { type Blame, type ErrorCode, isNodeId } from '../../protocol/index.ts'

const doubtedCodes: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'invalid_request',
  'upstream_rejected',
  'context_length_exceeded',
  'model_not_found',
  'capability_missing',
  // The one before it may have lied about its tokens.
  'continuation_differs',
])

interface Open {
  readonly observation: Observation
  readonly code: ErrorCode
}

// Shared, since hardly any request needs one of its own.
const noneOpen: readonly Open[] = []
const noneJudged: readonly Observation[] = []
const noCodes: readonly ErrorCode[] = []

export class DoubtedRefusals {
  /** The context of a worker's offer, 0 where it is not known. */
  readonly #contextOf: (observation: Observation) => number
  #open: readonly Open[] = noneOpen
  #confirmed: readonly ErrorCode[] = noCodes
  #isInDoubt = false

  constructor(contextOf: (observation: Observation) => number) {
    this.#contextOf = contextOf
  }

  /** Whether the latest attempt was refused in a way that another node has to confirm. */
  get isInDoubt(): boolean {
    return this.#isInDoubt
  }

  /** Takes what was seen; gives back what can be judged now, its blame as it has to be. */
  judge(observation: Observation): readonly Observation[] {
    this.#isInDoubt = false
    const { outcome, ttftMs, worker } = observation
    const hasAnswered = outcome.kind === 'completed' || ttftMs !== null
    if (hasAnswered) {
      if (this.#open.length === 0) return [blamedWhereAbsurd(observation)]
      const judged = this.#open.map((open) => this.#contradicted(open, observation))
      this.#open = noneOpen
      return [...judged, blamedWhereAbsurd(observation)]
    }
    const code = outcome.kind === 'failed' ? outcome.code : undefined
    if (code === undefined || !doubtedCodes.has(code) || !isNodeId(worker)) return [observation]
    const alike = this.#open.filter((open) => open.code === code)
    if (alike.length > 0 || this.#confirmed.includes(code)) {
      this.#confirmed = [...this.#confirmed, code]
      this.#open = this.#open.filter((open) => open.code !== code)
      return [...alike.map((open) => open.observation), observation]
    }
    this.#open = [...this.#open, { observation, code }]
    this.#isInDoubt = true
    return []
  }

  /** No other attempt follows. */
  close(): readonly Observation[] {
    if (this.#open.length === 0) return noneJudged
    const judged = this.#open.map(({ observation }) => ({ ...observation, blame: nobody }))
    this.#open = noneOpen
    return judged
  }

  #contradicted({ observation, code }: Open, by: Observation): Observation {
    const isSmaller = this.#contextOf(observation) < this.#contextOf(by)
    const isRight = code === 'context_length_exceeded' && isSmaller
    return { ...observation, blame: isRight ? nobody : 'node' }
  }
}

const nobody: Blame = 'nobody'

/** A node that has begun to answer cannot find the request at fault any more. */
function blamedWhereAbsurd(observation: Observation): Observation {
  const { outcome, worker } = observation
  const isAbsurd = outcome.kind === 'failed' && doubtedCodes.has(outcome.code) && isNodeId(worker)
  return isAbsurd ? { ...observation, blame: 'node' } : observation
}
