/**
 * What a node has to show before a quarantine ends, and how far it is. First questions of this
 * gateway alone, whose answers others know; then clients' requests, with questions among them.
 *
 * Pure: what came in goes in, and what follows comes out. Nothing of it is kept: after a restart a
 * row begins anew.
 */
import type { JsonObject, NodeId } from '../../protocol/index.ts'

interface StageRules {
  /** Right answers to questions, in a row. */
  readonly answersMin: number
  /** Clients' requests that came back, in the same row. */
  readonly requestsMin: number
  /** The row takes as long at least. */
  readonly forMs: number
  /** Between two questions, on the mean; drawn, from half to half as much again. */
  readonly everyMs: number
}

export type Stage = 'proving' | 'probation'

export const examinationRules: Readonly<Record<Stage, StageRules>> & {
  readonly restMs: number
  readonly differsMax: number
  readonly attestationLifeMs: number
} = {
  // Whoever answers one in five otherwise passes one in fifteen times; who has another model never.
  proving: { answersMin: 12, requestsMin: 0, forMs: 30 * 60_000, everyMs: 150_000 },
  // From here on clients' requests come as well. A question looks like a short one of them; who
  // knows this program knows its forms, too.
  probation: { answersMin: 6, requestsMin: 20, forMs: 60 * 60_000, everyMs: 600_000 },
  /** On probation one request at a time, and none for as long after it. */
  restMs: 10_000,
  /**
   * Floats of two machines differ in their last digits, and where two tokens are as likely, so may
   * the answers: that happens. More often than so within one stage it is another model.
   */
  differsMax: 2,
  /** Who takes longer than this says again what it runs. */
  attestationLifeMs: 24 * 3_600_000,
}

/** `unclear`: nobody can say what would have been right. */
export type Answered = 'right' | 'differs' | 'unclear'

/** A question and what came of it, for the record. */
export interface Answer {
  readonly atMs: number
  readonly model: string
  /** Base64, of the answer. */
  readonly hash: string
  /** Who gave the same answer, or another one. */
  readonly others: readonly NodeId[]
}

export type Progress = 'going-on' | 'passed' | 'failed'

export class Examination {
  readonly stage: Stage
  readonly #rules: StageRules
  #right: Answer[] = []
  readonly #different: Answer[] = []
  #requests = 0
  /** When the row began. */
  #sinceMs: number

  constructor(stage: Stage, nowMs: number) {
    this.stage = stage
    this.#rules = examinationRules[stage]
    this.#sinceMs = nowMs
  }

  answered(outcome: Answered, answer: Answer): void {
    if (outcome === 'unclear') return
    if (outcome === 'right') {
      this.#right.push(answer)
      if (this.#right.length > this.#rules.answersMin) this.#right.shift()
      return
    }
    this.#different.push(answer)
    this.#beginAnew(answer.atMs)
  }

  /** A client's request. */
  served(isRight: boolean, nowMs: number): void {
    if (isRight) this.#requests += 1
    else this.#beginAnew(nowMs)
  }

  progress(nowMs: number): Progress {
    if (this.#different.length > examinationRules.differsMax) return 'failed'
    const { answersMin, forMs, requestsMin } = this.#rules
    const isEnough = this.#right.length >= answersMin && this.#requests >= requestsMin
    return isEnough && nowMs - this.#sinceMs >= forMs ? 'passed' : 'going-on'
  }

  /** For the step that follows. */
  evidence(): JsonObject {
    const { requestsMin } = this.#rules
    return {
      sinceMs: this.#sinceMs,
      right: this.#right.map(jsonOf),
      different: this.#different.map(jsonOf),
      ...(requestsMin === 0 ? {} : { requests: this.#requests }),
    }
  }

  #beginAnew(nowMs: number): void {
    this.#right = []
    this.#requests = 0
    this.#sinceMs = nowMs
  }
}

function jsonOf({ others, ...answer }: Answer): JsonObject {
  return { ...answer, others: [...others] }
}
