/**
 * The nodes of a run: what each can do, what it says of that, how it misbehaves, and when it is
 * there. Drawn by the seed; which processor meets which site and which place in the availability
 * trace is an assumption.
 */
import type { Random } from '../../base/index.ts'
import { type NodeId, nodeIdOf } from '../../protocol/index.ts'
import type { Claim } from './balancer.ts'
import { type GpuSpeed, speedOf, stepMsOf, times } from './gpu-speed.ts'
import type { AvailabilityTrace, Session } from './inputs/availability-trace.ts'
import type { GpuKind } from './inputs/gpu-table.ts'
import { type FaultyPreset, type Misbehaviour, misdeeds } from './misbehaviour.ts'

export interface FleetNode {
  readonly id: NodeId
  readonly kind: string
  readonly speed: GpuSpeed
  readonly claim: Claim
  readonly misbehaviour: Misbehaviour | undefined
  /** A good one that joins while the others are known. */
  readonly isNewcomer: boolean
  /** Sound, and lying gateways say that it fails; where there are none, one of whom they would. */
  readonly isSlandered: boolean
  /** When its process runs, in the run's time. */
  readonly sessions: readonly Session[]
}

export interface FleetOptions {
  readonly nodes: number
  readonly lengthMs: number
  readonly faulty: FaultyPreset
  readonly gpus: readonly GpuKind[]
  readonly availability: AvailabilityTrace
}

/** Few, so that there are equals among whom fairness can be judged. */
const kindsMax = 4
/** What measuring oneself is off by. */
const claimError = 0.05
const sybilStaysMs = 60_000
/** The newcomer joins after this share of the run. */
const newcomerAfter = 1 / 3

export function drawFleet(options: FleetOptions, random: Random): readonly FleetNode[] {
  const kinds = drawKinds(options.gpus, random)
  const roles = rolesOf(options, random)
  const traceFromMs = drawStart(options, random)
  const nodes = roles.map((misbehaviour, index): FleetNode => {
    const kind = kinds[index % kinds.length] as GpuKind
    const sessions = sessionsOf(misbehaviour, options, { index, traceFromMs, random })
    // Every other one of each kind, so that the others show what would be its share.
    const isSlandered = misbehaviour === undefined && Math.floor(index / kinds.length) % 2 === 0
    return nodeOf(kind, { misbehaviour, sessions, isNewcomer: false, isSlandered }, random)
  })
  const fromMs = Math.round(options.lengthMs * newcomerAfter)
  const always = [{ fromMs, toMs: Number.POSITIVE_INFINITY }]
  const newcomer = {
    misbehaviour: undefined,
    sessions: always,
    isNewcomer: true,
    isSlandered: false,
  }
  return [
    ...nodes,
    nodeOf(kinds[0] as GpuKind, newcomer, random),
    ...drawSybils(options, kinds, random),
  ]
}

/** How long the sound nodes are there in all, each by its speed. */
export function capacityMs(
  nodes: readonly FleetNode[],
  lengthMs: number,
  factorOf: (speed: GpuSpeed) => number,
): number {
  let sum = 0
  for (const { speed, misbehaviour, sessions, isNewcomer } of nodes) {
    if ((misbehaviour !== undefined && misbehaviour !== 'corrupt') || isNewcomer) continue
    for (const { fromMs, toMs } of sessions) {
      sum += Math.max(0, Math.min(toMs, lengthMs) - fromMs) * factorOf(speed)
    }
  }
  return sum
}

function drawKinds(gpus: readonly GpuKind[], random: Random): readonly GpuKind[] {
  const left = [...gpus]
  const kinds: GpuKind[] = []
  while (kinds.length < kindsMax && left.length > 0) {
    kinds.push(...left.splice(random.below(left.length), 1))
  }
  return kinds
}

/** As many of each as their share, at least one; who they are is drawn. */
function rolesOf({ nodes, faulty }: FleetOptions, random: Random): (Misbehaviour | undefined)[] {
  const roles: (Misbehaviour | undefined)[] = []
  for (const [misbehaviour, share] of Object.entries(faulty.shares)) {
    const count = Math.max(1, Math.round(share * nodes))
    for (let i = 0; i < count; i += 1) roles.push(misbehaviour as Misbehaviour)
  }
  while (roles.length < nodes) roles.push(undefined)
  for (let i = roles.length - 1; i > 0; i -= 1) {
    const j = random.below(i + 1)
    const moved = roles[i]
    roles[i] = roles[j]
    roles[j] = moved
  }
  return roles
}

function drawSybils(
  { faulty, lengthMs }: FleetOptions,
  kinds: readonly GpuKind[],
  random: Random,
): FleetNode[] {
  const sybils: FleetNode[] = []
  if (faulty.sybilsPerMinute === 0) return sybils
  const everyMs = 60_000 / faulty.sybilsPerMinute
  for (let fromMs = everyMs; fromMs < lengthMs; fromMs += everyMs) {
    const kind = kinds[random.below(kinds.length)] as GpuKind
    const sessions = [{ fromMs, toMs: fromMs + sybilStaysMs }]
    const role = { misbehaviour: 'sybil', sessions, isNewcomer: false, isSlandered: false } as const
    sybils.push(nodeOf(kind, role, random))
  }
  return sybils
}

function nodeOf(
  kind: GpuKind,
  role: Pick<FleetNode, 'misbehaviour' | 'sessions' | 'isNewcomer' | 'isSlandered'>,
  random: Random,
): FleetNode {
  const rated = speedOf(kind)
  const isLiar = role.misbehaviour === 'slowLiar'
  const speed = isLiar ? times(rated, misdeeds.liarSpeed) : rated
  const claimed = isLiar ? times(rated, misdeeds.liarClaims) : rated
  const off = 1 + claimError * (2 * random.float() - 1)
  const pricePerSpeed = 0.8 + 0.4 * random.float()
  const decodeTokensPerSecond = (off * 1e3) / stepMsOf(claimed, 1_000)
  return {
    ...role,
    id: nodeIdOf(random.bytes(32)),
    kind: kind.name,
    speed,
    claim: {
      slots: rated.slots,
      prefillTokensPerSecond: (off * 1e3) / claimed.prefillMsPerToken,
      decodeTokensPerSecond,
      // Faster cards cost more per hour and do more: a token costs about the same anywhere.
      promptPrice: Math.round(100 * pricePerSpeed),
      completionPrice: Math.round(300 * pricePerSpeed),
    },
  }
}

interface Drawn {
  readonly index: number
  readonly traceFromMs: number
  readonly random: Random
}

function sessionsOf(
  misbehaviour: Misbehaviour | undefined,
  { availability, lengthMs }: FleetOptions,
  { index, traceFromMs, random }: Drawn,
): readonly Session[] {
  if (misbehaviour === 'crash') return crashing(lengthMs, random)
  // Who fails in another way is there all the time: this is what is to be found out.
  if (misbehaviour !== undefined) return [{ fromMs: 0, toMs: Number.POSITIVE_INFINITY }]
  const { places } = availability
  const place = places[index % places.length] ?? []
  const group = Math.floor(index / places.length)
  const lastMs = Math.max(1, availability.lengthMs - lengthMs)
  const startMs = (traceFromMs + group * groupShiftMs) % lastMs
  const within: Session[] = []
  for (const { fromMs, toMs } of place) {
    if (toMs <= startMs || fromMs >= startMs + lengthMs) continue
    within.push({ fromMs: Math.max(0, fromMs - startMs), toMs: toMs - startMs })
  }
  return within
}

/** Larger fleets than the trace see it from another hour on. */
const groupShiftMs = 37 * 60_000

/** From when on the trace is read; the first hour of a spot trace is the fleet being built up. */
function drawStart({ availability, lengthMs }: FleetOptions, random: Random): number {
  const firstMs = Math.min(3_600_000, availability.lengthMs / 4)
  return firstMs + random.float() * Math.max(0, availability.lengthMs - firstMs - lengthMs)
}

function crashing(lengthMs: number, random: Random): readonly Session[] {
  const sessions: Session[] = []
  let fromMs = 0
  while (fromMs < lengthMs) {
    const toMs = fromMs - Math.log(1 - random.float()) * misdeeds.crashUpMs
    sessions.push({ fromMs, toMs })
    fromMs = toMs + misdeeds.crashDownMs * (0.5 + random.float())
  }
  return sessions
}
