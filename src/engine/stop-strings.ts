/**
 * Stop strings in a stream of text: finds the first that is completed, wherever pieces end, and
 * holds back what may yet become one (Aho and Corasick, 1975).
 *
 * Of several stop strings the one that ends first counts; of those that end together, the
 * longest. So the result does not depend on how the text is cut into tokens.
 */
import { IsochroneError } from '../protocol/index.ts'

/** OpenAI allows 4; other servers more. The automaton's size is bounded by the product of both. */
export const stopStringsMax = 64
export const stopStringLengthMax = 1024

export interface StopResult {
  /** Text that certainly comes before any stop string. */
  readonly text: string
  readonly stopped: boolean
}

interface State {
  readonly next: Map<number, State>
  readonly depth: number
  fallback: State | null
  /** Length of the longest stop string that ends here; 0: none. */
  matched: number
}

export class StopMatcher {
  readonly #root: State | null
  #state: State | null
  #held = ''

  /** Errors: `invalid_request`. */
  constructor(stops: readonly string[]) {
    checkStops(stops)
    this.#root = stops.length === 0 ? null : automaton(stops)
    this.#state = this.#root
  }

  /** Adds text; after `stopped` the matcher is done. */
  push(piece: string): StopResult {
    if (this.#root === null || this.#state === null) return { text: piece, stopped: false }
    if (piece === '') return { text: '', stopped: false }
    const text = this.#held + piece
    let state: State = this.#state
    for (let at = this.#held.length; at < text.length; at += 1) {
      state = step(this.#root, state, text.charCodeAt(at))
      if (state.matched > 0) {
        this.#held = ''
        return { text: text.slice(0, at + 1 - state.matched), stopped: true }
      }
    }
    this.#state = state
    this.#held = text.slice(text.length - state.depth)
    return { text: text.slice(0, text.length - state.depth), stopped: false }
  }

  /** At the end: what was held back and became no stop string. */
  flush(): string {
    const text = this.#held
    this.#held = ''
    this.#state = this.#root
    return text
  }
}

export function checkStops(stops: readonly string[]): void {
  const complain = (message: string) => {
    throw new IsochroneError('invalid_request', message, { detail: { param: 'stop' } })
  }
  if (stops.length > stopStringsMax) {
    complain(`stop has ${stops.length} strings; at most ${stopStringsMax} are allowed.`)
  }
  for (const stop of stops) {
    if (stop === '') complain('stop has an empty string, which would stop every answer at once.')
    if (stop.length > stopStringLengthMax) {
      complain(`A stop string has ${stop.length} characters; the limit is ${stopStringLengthMax}.`)
    }
  }
}

function step(root: State, from: State, unit: number): State {
  let state: State | null = from
  while (state !== null) {
    const next = state.next.get(unit)
    if (next !== undefined) return next
    state = state.fallback
  }
  return root
}

function automaton(stops: readonly string[]): State {
  const root = newState(0)
  for (const stop of stops) {
    let state = root
    for (let at = 0; at < stop.length; at += 1) {
      const unit = stop.charCodeAt(at)
      const next: State = state.next.get(unit) ?? newState(at + 1)
      state.next.set(unit, next)
      state = next
    }
    state.matched = stop.length
  }
  const queue = [root]
  for (let head = 0; head < queue.length; head += 1) {
    const state = queue[head] as State
    for (const [unit, next] of state.next) {
      next.fallback = state.fallback === null ? root : step(root, state.fallback, unit)
      if (next.matched === 0) next.matched = next.fallback.matched
      queue.push(next)
    }
  }
  return root
}

function newState(depth: number): State {
  return { next: new Map(), depth, fallback: null, matched: 0 }
}
