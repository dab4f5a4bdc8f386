/**
 * The candidates that routing gets, for each model a table that is kept: a decision finds there
 * what has not changed since the one before, and only those are looked at anew of whom something
 * was heard, or to whom something was sent. Now and then, between requests, everybody is.
 * What changed is noted, so that each decision can be made again (`routing/replay`).
 */
import type { BreakerSight, WorkerEvidence } from '../../evidence/index.ts'
import type { WorkerId } from '../../protocol/index.ts'
import {
  type Candidate,
  CandidateTable,
  defaultPolicy,
  type RowPolicy,
  type ViewContext,
  type ViewFrame,
  ViewLog,
} from '../../routing/index.ts'
import { type KeptCandidate, newCandidate, type Question, refresh, type Viewed } from './viewed.ts'

export interface Asked extends Question {
  readonly policy: Question['policy'] & RowPolicy
  readonly evidenceOf: (id: WorkerId) => WorkerEvidence
  /** undefined: all are closed. */
  readonly breakerOf: ((id: WorkerId) => BreakerSight | undefined) | undefined
  /** Monotonic. */
  readonly nowMs: number
  /** In an order that stays. */
  readonly entries: () => Iterable<Viewed>
  readonly entryOf: (id: WorkerId) => Viewed | undefined
  /** Who has a circuit breaker that is not idle. */
  readonly broken: () => Iterable<WorkerId>
}

/** For one decision, to be made at once. */
export interface Present {
  readonly candidates: readonly Candidate[]
  readonly table: CandidateTable
  /**
   * Notes the snapshot.
   * @param withTimes the decision reads the histograms of times
   */
  mark(context: ViewContext, withTimes: boolean): ReturnType<ViewFrame['mark']>
}

/** Models whose candidates are kept apart; all others share one view, which changes more. */
const viewsMax = 32
const unoffered = ''

/** Who changed, of the latest: a view that has seen none of them for longer looks at everybody. */
const changesMax = 4_096

interface ModelView {
  readonly number: number
  /** Of several models: then offers change from one decision to the next. */
  readonly isShared: boolean
  readonly log: ViewLog
  table: CandidateTable
  frame: ViewFrame | undefined
  /** As of when it was filled last. */
  structure: number
  changes: number
  asked: Asked | undefined
  /** Whose breaker was not closed then. */
  readonly broken: Set<Viewed>
}

export class CandidateViews {
  readonly #now: () => number
  readonly #views = new Map<string, ModelView>()
  #framesNamed = 0
  /** Counts how often those who are there became others. */
  #structure = 0
  readonly #changed: Viewed[] = []
  /** Changes that are not among them any more. */
  #forgotten = 0
  /** How many there were when a view looked last. */
  #looked = 0

  /** @param now ms since 1970 */
  constructor(now: () => number) {
    this.#now = now
  }

  /** Something about the worker is other than it was. */
  changed(entry: Viewed): void {
    // Where nobody has looked since, it is noted already.
    const isNoted = this.#changed.at(-1) === entry && this.#changes > this.#looked
    if (isNoted) return
    this.#changed.push(entry)
    if (this.#changed.length <= changesMax) return
    this.#changed.splice(0, changesMax / 2)
    this.#forgotten += changesMax / 2
  }

  /** A worker is new, or there in another's place. */
  restructured(): void {
    this.#structure += 1
    this.#forgotten += this.#changed.length
    this.#changed.length = 0
  }

  /** The worker is none any more. */
  forget({ candidates }: Viewed): void {
    for (const kept of candidates) kept?.frame?.remove(kept.slot)
    this.restructured()
  }

  /** What a decision finds now. */
  present(asked: Asked): Present {
    const view = this.#views.get(asked.model) ?? this.#views.get(unoffered) ?? this.#add(unoffered)
    const frame = view.log.begin()
    const { table } = view
    const isKept =
      !view.isShared &&
      view.frame === frame &&
      view.structure === this.#structure &&
      view.changes >= this.#forgotten &&
      table.policy === asked.policy
    if (isKept) this.#fillChanged(view, asked)
    else this.#fill(view, frame, asked)
    view.changes = this.#changes
    this.#looked = this.#changes
    view.asked = asked
    const { candidates } = view.table
    const mark: Present['mark'] = (context, withTimes) => frame.mark(context, withTimes)
    return { candidates, table: view.table, mark }
  }

  /**
   * Looks at those that changed, so that no request has to.
   * @param again the same question, asked now
   * @param model undefined: of all models
   */
  catchUp(again: (asked: Asked) => Asked, model?: string): void {
    if (model === undefined) for (const view of this.#views.values()) this.#catchUp(view, again)
    else this.#catchUp(this.#views.get(model), again)
  }

  #catchUp(view: ModelView | undefined, again: (asked: Asked) => Asked): void {
    if (view?.asked === undefined || view.isShared) return
    this.present(again(view.asked))
  }

  get #changes(): number {
    return this.#forgotten + this.#changed.length
  }

  #fill(view: ModelView, frame: ViewFrame, asked: Asked): void {
    view.table = new CandidateTable(asked.policy)
    view.frame = frame
    view.structure = this.#structure
    view.broken.clear()
    let isOffered = false
    for (const entry of asked.entries()) {
      const kept = keptFor(entry, view)
      const isNew = kept.frame !== frame
      if (isNew) {
        kept.frame = frame
        kept.slot = frame.place()
      }
      kept.row = view.table.size
      this.#renew(view, { entry, isNew: true }, asked)
      if (kept.candidate.offer !== null) isOffered = true
    }
    const { model } = asked
    // From its next decision on; other names are their clients' inventions.
    if (isOffered && !this.#views.has(model) && this.#views.size < viewsMax) this.#add(model)
  }

  #fillChanged(view: ModelView, asked: Asked): void {
    for (let i = view.changes - this.#forgotten; i < this.#changed.length; i += 1) {
      const entry = this.#changed[i]
      if (entry !== undefined) this.#renew(view, { entry, isNew: false }, asked)
    }
    if (view.broken.size === 0 && asked.breakerOf === undefined) return
    const broken = new Set(view.broken)
    for (const id of asked.broken()) {
      const entry = asked.entryOf(id)
      if (entry !== undefined) broken.add(entry)
    }
    for (const entry of broken) this.#renew(view, { entry, isNew: false }, asked)
  }

  #renew(
    view: ModelView,
    { entry, isNew }: { readonly entry: Viewed; readonly isNew: boolean },
    asked: Asked,
  ): void {
    const kept = entry.candidates[view.number]
    if (kept === undefined) return
    const { candidate, row, slot } = kept
    const seen = refresh(candidate, entry, asked)
    let isOther = seen === 'other' || isNew
    const evidence = asked.evidenceOf(candidate.id)
    if (candidate.evidence !== evidence) {
      candidate.evidence = evidence
      isOther = true
    }
    const breaker = asked.breakerOf?.(candidate.id)
    // Also the same one has something else to say.
    if (breaker !== undefined || candidate.breaker !== undefined) isOther = true
    candidate.breaker = breaker
    if (breaker === undefined) view.broken.delete(entry)
    else view.broken.add(entry)
    const ahead = entry.foreseen?.promptTokensAhead(asked.nowMs)
    const isBusy = seen === 'busier' || candidate.promptTokensAhead !== ahead
    candidate.promptTokensAhead = ahead
    if (isOther) kept.frame?.set(slot, candidate)
    else if (isBusy) kept.frame?.setBusy(slot, candidate)
    if (isNew) view.table.push(candidate)
    else if (isOther || isBusy) view.table.put(row, candidate)
  }

  #add(model: string): ModelView {
    const view: ModelView = {
      number: this.#views.size,
      isShared: model === unoffered,
      log: new ViewLog(() => this.#nameFrame()),
      table: emptyTable,
      frame: undefined,
      structure: -1,
      changes: 0,
      asked: undefined,
      broken: new Set(),
    }
    this.#views.set(model, view)
    return view
  }

  /** Another one after each start of the gateway. */
  #nameFrame(): string {
    this.#framesNamed += 1
    return `${this.#now().toString(36)}-${this.#framesNamed.toString(36)}`
  }
}

const emptyTable = new CandidateTable(defaultPolicy)

function keptFor(entry: Viewed, { number }: ModelView): KeptCandidate {
  const known = entry.candidates[number]
  if (known !== undefined) return known
  const candidate = newCandidate(entry.worker.id)
  const kept = { candidate, frame: undefined, slot: 0, row: 0 }
  entry.candidates[number] = kept
  return kept
}
