/**
 * Made-up inputs for whatever file is not given, so that a simulation runs anywhere: of the same
 * form as the real ones, and no more than that.
 */
import { type Random, seededRandom } from '../../../base/index.ts'
import type { LatencyMatrix } from '../../network/latency-matrix.ts'
import type { AvailabilityTrace, Session } from './availability-trace.ts'
import type { GpuKind } from './gpu-table.ts'
import { type RequestTrace, type TracedRequest, traceOf } from './request-trace.ts'

/** Always the same ones: what a seed changes is what is drawn from them. */
const standInSeed = 20_231_116
const requests = 4_000
const meanGapMs = 600
const sites = 64
const places = 24
const availabilityHours = 8
/** As of spot instances: half of them go within an hour. */
const upMinutes = 90
const downMinutes = 8

/** Bursts: the rate is high or low for half a minute at a time. */
export function standInTrace(): RequestTrace {
  const random = seededRandom(standInSeed)
  const traced: TracedRequest[] = []
  let atMs = 0
  let factor = 1
  let untilMs = 0
  for (let i = 0; i < requests; i += 1) {
    if (atMs >= untilMs) {
      factor = random.float() < 0.4 ? 0.35 : 2.4
      untilMs = atMs + exponential(random, 30_000)
    }
    atMs += exponential(random, meanGapMs * factor)
    const promptTokens = Math.round(Math.min(8_000, logNormal(random, 1_400, 0.9)))
    const completionTokens = Math.max(1, Math.round(Math.min(800, logNormal(random, 60, 1.2))))
    traced.push({ atMs, promptTokens, completionTokens })
  }
  return traceOf(traced)
}

export function standInAvailability(): AvailabilityTrace {
  const random = seededRandom(standInSeed + 1)
  const lengthMs = availabilityHours * 3_600_000
  const all = Array.from({ length: places }, () => {
    const sessions: Session[] = []
    let atMs = exponential(random, downMinutes * 60_000)
    while (atMs < lengthMs) {
      const toMs = atMs + exponential(random, upMinutes * 60_000)
      sessions.push({ fromMs: atMs, toMs: toMs < lengthMs ? toMs : Number.POSITIVE_INFINITY })
      atMs = toMs + exponential(random, downMinutes * 60_000)
    }
    return sessions
  })
  return { places: all, lengthMs }
}

export function standInGpus(): readonly GpuKind[] {
  const kind = (name: string, memoryGb: number, speeds: readonly [number, number]): GpuKind => {
    const [bandwidthGbPerSecond, teraflops] = speeds
    return { name, memoryGb, bandwidthGbPerSecond, teraflops }
  }
  return [
    kind('made-up 12', 12, [500, 30]),
    kind('made-up 16', 16, [700, 45]),
    kind('made-up 20', 20, [640, 40]),
    kind('made-up 24', 24, [950, 80]),
    kind('made-up 32', 32, [900, 55]),
    kind('made-up 48', 48, [800, 100]),
  ]
}

/** Points on a plane a quarter around the earth wide, and home lines. */
export function standInLatency(): LatencyMatrix {
  const random = seededRandom(standInSeed + 2)
  const at = Array.from({ length: sites }, () => [random.float(), random.float()] as const)
  const lineMs = at.map(() => 1 + exponential(random, 6))
  const roundTripsMs = new Float32Array(sites * sites)
  for (const [a, [ax, ay]] of at.entries()) {
    for (const [b, [bx, by]] of at.entries()) {
      if (a === b) continue
      const wayMs = 160 * Math.hypot(ax - bx, ay - by)
      roundTripsMs[a * sites + b] = wayMs + (lineMs[a] ?? 0) + (lineMs[b] ?? 0)
    }
  }
  return { sites, roundTripsMs, notes: [] }
}

export function exponential(random: Random, mean: number): number {
  return -Math.log(1 - random.float()) * mean
}

function logNormal(random: Random, median: number, deviation: number): number {
  const angle = 2 * Math.PI * random.float()
  const normal = Math.sqrt(-2 * Math.log(1 - random.float())) * Math.cos(angle)
  return median * Math.exp(deviation * normal)
}
