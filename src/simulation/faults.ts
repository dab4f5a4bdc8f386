/**
 * What befalls the hosts of a run, planned from the seed before it begins: starts, crashes with
 * restarts, pauses, and a partition of half a region. A plan is data, so every thread of a run and
 * its checkers know the same truth.
 */
import type { Random } from '../base/index.ts'
import type { Placement } from './network/placement.ts'

export type Fault =
  | { readonly kind: 'start' | 'crash'; readonly atMs: number; readonly host: number }
  | { readonly kind: 'pause'; readonly atMs: number; readonly host: number; readonly forMs: number }
  /** Those named hear only each other, and the others only the others. */
  | { readonly kind: 'part'; readonly atMs: number; readonly hosts: readonly number[] }
  | { readonly kind: 'heal'; readonly atMs: number }

export interface FaultRates {
  readonly crashesPerHostHour: number
  readonly pausesPerHostHour: number
  readonly partitions: number
}

export const faultPresets = Object.freeze({
  none: { crashesPerHostHour: 0, pausesPerHostHour: 0, partitions: 0 },
  /** A third of the worst spot machines' preemptions; each host stalls once an hour. */
  usual: { crashesPerHostHour: 0.2, pausesPerHostHour: 1, partitions: 1 },
  /** Spot machines at their worst (0.6 preemptions per hour), and busy ones. */
  harsh: { crashesPerHostHour: 0.6, pausesPerHostHour: 6, partitions: 3 },
}) satisfies Readonly<Record<string, FaultRates>>

export type FaultPreset = keyof typeof faultPresets

/** All hosts start within this: a federation that is switched on at once. */
const startWithinMs = 10_000
/** Nothing is done to hosts before; clusters form meanwhile. */
const quietShare = 0.3
const downMs = { least: 5_000, most: 120_000 }
/** From a long collection of garbage to a laptop's lid. */
const pauseMs = { least: 300, most: 20_000 }
const partitionMs = 45_000
/** Nearest hosts of a drawn one that make a region, as a share of all. */
const regionShare = 0.25

export interface FaultPlanOptions {
  readonly rates: FaultRates
  readonly lengthMs: number
}

export function planFaults(
  options: FaultPlanOptions,
  placement: Placement,
  random: Random,
): readonly Fault[] {
  const { rates, lengthMs } = options
  const faults: Fault[] = []
  const beginMs = startWithinMs + quietShare * (lengthMs - startWithinMs)
  const perMs = (perHour: number) => perHour / 3_600_000
  for (let host = 0; host < placement.hosts; host += 1) {
    faults.push({ kind: 'start', atMs: random.float() * startWithinMs, host })
    const pausing = occurrences(perMs(rates.pausesPerHostHour), { beginMs, lengthMs }, random)
    for (const atMs of pausing)
      faults.push({ kind: 'pause', atMs, host, forMs: draw(pauseMs, random) })
    let upAgainMs = 0
    for (const atMs of occurrences(
      perMs(rates.crashesPerHostHour),
      { beginMs, lengthMs },
      random,
    )) {
      if (atMs <= upAgainMs) continue
      upAgainMs = atMs + draw(downMs, random)
      faults.push({ kind: 'crash', atMs, host }, { kind: 'start', atMs: upAgainMs, host })
    }
  }
  faults.push(...planPartitions(rates.partitions, { beginMs, lengthMs, placement }, random))
  return faults.filter(({ atMs }) => atMs < lengthMs).sort((a, b) => a.atMs - b.atMs)
}

interface Span {
  readonly beginMs: number
  readonly lengthMs: number
}

function occurrences(perMs: number, { beginMs, lengthMs }: Span, random: Random): number[] {
  const times: number[] = []
  if (perMs <= 0) return times
  for (let atMs = beginMs; ; ) {
    atMs -= Math.log(1 - random.float()) / perMs
    if (atMs >= lengthMs) return times
    times.push(atMs)
  }
}

/** Log-uniform. */
function draw({ least, most }: { least: number; most: number }, random: Random): number {
  return least * (most / least) ** random.float()
}

/** One after the other, each healed for as long as it lasted before the next. */
function planPartitions(
  count: number,
  { beginMs, lengthMs, placement }: Span & { readonly placement: Placement },
  random: Random,
): Fault[] {
  const faults: Fault[] = []
  if (count === 0) return faults
  const eachMs = (lengthMs - beginMs) / count
  const forMs = Math.min(partitionMs, eachMs / 3)
  for (let index = 0; index < count; index += 1) {
    const atMs = beginMs + index * eachMs
    faults.push({ kind: 'part', atMs, hosts: halfARegion(placement, random) })
    faults.push({ kind: 'heal', atMs: atMs + forMs })
  }
  return faults
}

function halfARegion(placement: Placement, random: Random): readonly number[] {
  const { hosts } = placement
  const centre = random.below(hosts)
  const byDistance = Array.from({ length: hosts }, (_, host) => host).sort(
    (a, b) => placement.oneWayMs(centre, a) - placement.oneWayMs(centre, b) || a - b,
  )
  const region = byDistance.slice(0, Math.max(2, Math.ceil(hosts * regionShare)))
  return region.filter(() => random.below(2) === 0).sort((a, b) => a - b)
}
