/** The times of one worker and model by how busy it was. */
import { LatencySketch, type SketchState } from './latency-sketch.ts'

/**
 * By requests per slot before the one that was measured: slots are free in plenty, are nearly all
 * taken, or there is a queue. Finer classes would each have too little to go by.
 */
export const loadClasses = ['idle', 'busy', 'queued'] as const
export type LoadClass = (typeof loadClasses)[number]

/** From here on a batch is so full that its members feel each other. */
const busyFrom = 0.5

export function loadClassOf(requestsPerSlot: number): LoadClass {
  if (requestsPerSlot >= 1) return 'queued'
  return requestsPerSlot >= busyFrom ? 'busy' : 'idle'
}

export const timings = ['ttft', 'tpot'] as const
export type Timing = (typeof timings)[number]

/** All that was seen at one load. */
export interface SketchAt {
  readonly timing: Timing
  readonly load: LoadClass
  readonly state: SketchState
}

export class LatencyRecord {
  readonly #halfLifeMs: number
  /** Made when first needed: most workers are seen at one load. */
  readonly #sketches: Record<Timing, Partial<Record<LoadClass, LatencySketch>>> = {
    ttft: {},
    tpot: {},
  }

  #version = 0

  constructor(halfLifeMs: number) {
    this.#halfLifeMs = halfLifeMs
  }

  static from(halfLifeMs: number, sketches: readonly SketchAt[]): LatencyRecord {
    const record = new LatencyRecord(halfLifeMs)
    for (const { timing, load, state } of sketches) {
      record.#sketches[timing][load] = LatencySketch.from(state)
    }
    return record
  }

  /** Counts what was added. */
  get version(): number {
    return this.#version
  }

  get halfLifeMs(): number {
    return this.#halfLifeMs
  }

  state(): readonly SketchAt[] {
    const all: SketchAt[] = []
    for (const timing of timings) {
      for (const load of loadClasses) {
        const sketch = this.#sketches[timing][load]
        if (sketch !== undefined) all.push({ timing, load, state: sketch.state() })
      }
    }
    return all
  }

  /** @param requestsPerSlot null: unknown, and it says nothing */
  add(
    { timing, atMs }: { readonly timing: Timing; readonly atMs: number },
    valueMs: number | null,
    requestsPerSlot: number | null,
  ): void {
    if (valueMs === null || requestsPerSlot === null) return
    if (!(valueMs >= 0) || !Number.isFinite(valueMs) || !(requestsPerSlot >= 0)) return
    const ofTiming = this.#sketches[timing]
    const loadClass = loadClassOf(requestsPerSlot)
    let sketch = ofTiming[loadClass]
    if (sketch === undefined) {
      sketch = new LatencySketch(this.#halfLifeMs)
      ofTiming[loadClass] = sketch
    }
    sketch.add(valueMs, atMs)
    this.#version += 1
  }

  /** undefined: never seen at such a load. */
  at(timing: Timing, requestsPerSlot: number): LatencySketch | undefined {
    return this.#sketches[timing][loadClassOf(requestsPerSlot)]
  }

  /** For people. */
  summary(now: number): readonly LatencySummary[] {
    const all: LatencySummary[] = []
    for (const load of loadClasses) {
      for (const timing of timings) {
        const sketch = this.#sketches[timing][load]
        const medianMs = sketch?.quantile(0.5)
        const highMs = sketch?.quantile(0.95)
        if (sketch === undefined || medianMs === undefined || highMs === undefined) continue
        all.push({ load, timing, medianMs, highMs, samples: sketch.samples(now) })
      }
    }
    return all
  }
}

export interface LatencySummary {
  readonly load: LoadClass
  readonly timing: Timing
  readonly medianMs: number
  /** The 95th percentile. */
  readonly highMs: number
  readonly samples: number
}
