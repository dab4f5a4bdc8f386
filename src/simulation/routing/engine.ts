/**
 * A node's engine: so many answers at a time, the others wait in line. Prompts are read one after
 * the other; while one is read, the answers under way go on more slowly (chunked prefill: Agrawal
 * et al., Sarathi-Serve, OSDI 2024). All answers advance by one token per step, and a step takes
 * the longer the more there are.
 *
 * A machine of its own time: it says when something happens next, and is asked again then.
 */
import { type GpuSpeed, stepMsOf } from './gpu-speed.ts'

export interface Job {
  readonly promptTokens: number
  readonly completionTokens: number
  readonly onFirstToken: () => void
  readonly onDone: () => void
  prefillLeftMs: number
  tokensLeft: number
}

/** Prefill's share of the processor while answers are under way too. */
const prefillShare = 0.7
/** Far less than a token: what is left after rounding. */
const nothing = 1e-7

export class Engine {
  readonly speed: GpuSpeed
  readonly #queueMax: number
  readonly #waiting: Job[] = []
  /** In slots; the first of them is being read. */
  #reading: Job[] = []
  #decoding: Job[] = []
  #cachedTokens = 0
  #atMs = 0
  #isStalled = false

  constructor(speed: GpuSpeed, queueMax: number) {
    this.speed = speed
    this.#queueMax = queueMax
  }

  get running(): number {
    return this.#reading.length + this.#decoding.length
  }

  get waiting(): number {
    return this.#waiting.length
  }

  /** Of all prompts there, what is not read yet. */
  get unreadTokens(): number {
    let tokens = 0
    for (const job of this.#waiting) tokens += job.promptTokens
    for (const { prefillLeftMs } of this.#reading) {
      tokens += prefillLeftMs / this.speed.prefillMsPerToken
    }
    return Math.round(tokens)
  }

  /** false: its queue is full. */
  accept(job: Job, nowMs: number): boolean {
    if (this.#waiting.length >= this.#queueMax) return false
    this.advance(nowMs)
    this.#waiting.push(job)
    this.#fill()
    return true
  }

  /** Whoever asked does not want it any more. */
  drop(job: Job, nowMs: number): void {
    this.advance(nowMs)
    const lists = [this.#waiting, this.#reading, this.#decoding]
    const list = lists.find((one) => one.includes(job))
    if (list === undefined) return
    list.splice(list.indexOf(job), 1)
    if (list === this.#decoding) this.#cachedTokens -= cachedBy(job)
    this.#fill()
  }

  /** The process ended. */
  clear(nowMs: number): void {
    this.#atMs = nowMs
    this.#waiting.length = 0
    this.#reading = []
    this.#decoding = []
    this.#cachedTokens = 0
    this.#isStalled = false
  }

  /** Nothing advances from here on. */
  stall(nowMs: number): void {
    this.advance(nowMs)
    this.#isStalled = true
  }

  /** Infinity: nothing is under way. */
  get nextAtMs(): number {
    if (this.#isStalled || this.running === 0) return Number.POSITIVE_INFINITY
    const first = this.#reading[0]
    const { prefill, decode } = this.#rates()
    let leastMs = first === undefined ? Number.POSITIVE_INFINITY : first.prefillLeftMs / prefill
    let fewest = Number.POSITIVE_INFINITY
    for (const { tokensLeft } of this.#decoding) if (tokensLeft < fewest) fewest = tokensLeft
    if (fewest < Number.POSITIVE_INFINITY) leastMs = Math.min(leastMs, fewest / decode)
    return this.#atMs + Math.max(0, leastMs)
  }

  /** To be called at `nextAtMs` at the latest. */
  advance(nowMs: number): void {
    const passedMs = nowMs - this.#atMs
    this.#atMs = nowMs
    if (this.#isStalled || this.running === 0 || passedMs < 0) return
    const { prefill, decode } = this.#rates()
    for (const job of this.#decoding) job.tokensLeft -= decode * passedMs
    const first = this.#reading[0]
    if (first !== undefined) first.prefillLeftMs -= prefill * passedMs
    const changed = this.#finish() || this.#read()
    if (changed) this.#fill()
  }

  #rates(): { readonly prefill: number; readonly decode: number } {
    const isReading = this.#reading.length > 0
    const isDecoding = this.#decoding.length > 0
    const decodeShare = isReading ? 1 - prefillShare : 1
    const decode = decodeShare / stepMsOf(this.speed, this.#cachedTokens)
    return { prefill: isDecoding ? prefillShare : 1, decode }
  }

  /** Those with no token left are done. */
  #finish(): boolean {
    let done: Job[] | undefined
    for (const job of this.#decoding) {
      if (job.tokensLeft > nothing) continue
      done ??= []
      done.push(job)
    }
    if (done === undefined) return false
    const over = done
    this.#decoding = this.#decoding.filter((job) => !over.includes(job))
    for (const job of over) {
      this.#cachedTokens -= cachedBy(job)
      job.onDone()
    }
    this.#read()
    return true
  }

  #read(): boolean {
    const first = this.#reading[0]
    if (first === undefined || first.prefillLeftMs > nothing) return false
    this.#reading.shift()
    first.onFirstToken()
    first.tokensLeft = first.completionTokens - 1
    if (first.tokensLeft <= 0) first.onDone()
    else {
      this.#decoding.push(first)
      this.#cachedTokens += cachedBy(first)
    }
    return true
  }

  #fill(): void {
    while (this.running < this.speed.slots) {
      const job = this.#waiting.shift()
      if (job === undefined) return
      job.prefillLeftMs = job.promptTokens * this.speed.prefillMsPerToken
      this.#reading.push(job)
    }
  }
}

export interface WorkItem {
  readonly promptTokens: number
  readonly completionTokens: number
}

/** How long an engine that is never without work takes for all of them, in their order. */
export function saturatedMs(speed: GpuSpeed, items: readonly WorkItem[]): number {
  const engine = new Engine(speed, items.length)
  const ignored = () => {}
  for (const item of items) {
    const ends = { onFirstToken: ignored, onDone: ignored }
    engine.accept({ ...item, ...ends, prefillLeftMs: 0, tokensLeft: item.completionTokens }, 0)
  }
  let atMs = 0
  while (engine.running > 0) {
    atMs = engine.nextAtMs
    engine.advance(atMs)
  }
  return atMs
}

/** On the mean over the answer. */
function cachedBy({ promptTokens, completionTokens }: Job): number {
  return promptTokens + completionTokens / 2
}
