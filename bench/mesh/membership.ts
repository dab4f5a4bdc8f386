/**
 * What membership knows and when, in a full cluster over wide-area links: crashes, stalls, loss, a
 * partition, and what it costs in traffic.
 */
import { seededRandom } from '../../src/base/index.ts'
import { type MembershipPreset, near, wan } from '../../src/mesh/index.ts'
import type { LatencyMatrix } from '../../src/simulation/index.ts'
import { progress } from '../progress.ts'
import { type Check, check, renderTable } from '../report.ts'
import { quantile } from '../statistics.ts'
import { Group, type GroupOptions } from './group.ts'

export interface MembershipPlan {
  readonly seeds: readonly number[]
  readonly crashesPerSeed: number
  readonly stallMinutes: number
  readonly lossMinutes: number
}

type Setting = Readonly<{ matrix: LatencyMatrix; seed: number }>

const members = 64
const usualLoss = 0.001
const off = { localHealth: false, dynamicSuspicion: false, buddy: false, stallGuard: false }
const presets: Readonly<Record<'all' | 'lifeguard' | 'off', MembershipPreset>> = {
  all: wan,
  lifeguard: { ...wan, mechanisms: { ...wan.mechanisms, stallGuard: false } },
  off: { ...wan, mechanisms: off },
}

export function membershipChecks(
  { name, matrix }: { readonly name: string; readonly matrix: LatencyMatrix },
  plan: MembershipPlan,
  print: (line: string) => void,
): { readonly checks: readonly Check[]; readonly context: Readonly<Record<string, unknown>> } {
  const eachSeed = <T>(run: (setting: Setting) => T) =>
    plan.seeds.map((seed) => run({ matrix, seed }))
  progress('membership: crashes')
  const crashes = eachSeed((setting) => crashesKnownMs(setting, plan.crashesPerSeed))
  const knownMs = crashes.flat()
  const nearMs = eachSeed(({ seed }) =>
    crashesKnownMs({ matrix: clusterMatrix(seed), seed }, plan.crashesPerSeed, {
      preset: near,
      saysLoad: true,
    }),
  ).flat()
  progress('membership: stalls')
  const stalls = (['off', 'lifeguard', 'all'] as const).map((mechanisms) => {
    const each = eachSeed((setting) => falseDeaths(setting, mechanisms, plan.stallMinutes))
    const sum = (of: (found: FalseDeaths) => number) => each.reduce((all, one) => all + of(one), 0)
    const ofHealthy = sum((found) => found.ofHealthy)
    return { mechanisms, ofHealthy, atHealthy: sum((found) => found.atHealthy) }
  })
  progress('membership: loss')
  const quiet = hourOfLoss({ matrix, seed: plan.seeds[0] ?? 1 }, plan.lossMinutes)
  progress('membership: a partition')
  const healedMs = eachSeed(healing)
  print(`Membership of ${members} on ${name}, seeds ${plan.seeds.join(', ')}`)
  for (const line of renderTable(stalls, stallColumns)) print(line)
  print('')
  const [without, , withAll] = stalls
  const ratio = (without?.ofHealthy ?? 0) / Math.max(1, withAll?.ofHealthy ?? 0)
  const seconds = (ms: number) => ms / 1_000
  const checks = [
    ...knownChecks(`a crash among ${members}`, knownMs),
    ...knownChecks(`a crash in a cluster of ${members}`, nearMs),
    check({
      name: 'false deaths of healthy members, stalls at 10 %: times fewer with Lifeguard',
      value: ratio,
      unit: '×',
      reach: '>= 20',
    }),
    check({
      name: `false deaths in ${plan.lossMinutes} min with 1 % loss`,
      value: quiet.deaths,
      unit: '',
      reach: '<= 0',
    }),
    check({
      name: `what a node of ${members} sends, mean`,
      value: quiet.sentPerSecond / 1_000,
      unit: 'KB/s',
      reach: '<= 3',
    }),
    check({
      name: 'one view after a partition of half, longest',
      value: seconds(Math.max(...healedMs)),
      unit: 's',
      reach: '<= 30',
    }),
  ]
  const context = { matrix: name, members, crashes: knownMs.length, stalls, healedMs, quiet }
  return { checks, context }
}

function knownChecks(what: string, knownMs: readonly number[]): readonly Check[] {
  const row = (at: string, q: number, reach: string) =>
    check({
      name: `${what} is known to all, ${at}`,
      value: quantile(knownMs, q) / 1_000,
      unit: 's',
      reach,
    })
  return [row('median', 0.5, '<= 4'), row('99th percentile', 0.99, '<= 8')]
}

const stallColumns = [
  {
    title: 'false deaths, each tenth member stalls',
    align: 'left' as const,
    cell: ({ mechanisms }: { mechanisms: string }) => mechanismNames[mechanisms] ?? mechanisms,
  },
  { title: 'of healthy', cell: ({ ofHealthy }: FalseDeaths) => String(ofHealthy) },
  { title: 'of any, at healthy', cell: ({ atHealthy }: FalseDeaths) => String(atHealthy) },
]

const mechanismNames: Readonly<Record<string, string>> = {
  off: 'SWIM alone',
  lifeguard: 'with Lifeguard',
  all: 'with Lifeguard and the stall guard',
}

/** Between a crash and the next: all know, and the new process has joined. */
const crashEveryMs = 20_000
const restartAfterMs = 12_000

function crashesKnownMs(
  { matrix, seed }: Setting,
  count: number,
  { preset, saysLoad }: Pick<GroupOptions, 'preset' | 'saysLoad'> = { preset: wan },
): readonly number[] {
  const options = { matrix, members, seed, preset, loss: usualLoss }
  const group = new Group(saysLoad === undefined ? options : { ...options, saysLoad })
  const { world } = group
  const random = seededRandom(seed)
  const knownMs: number[] = []
  for (let crash = 0; crash < count; crash += 1) {
    const atMs = world.nowMs + random.float() * 1_000
    world.run(atMs)
    const victim = random.below(members)
    world.crash(victim)
    knownMs.push(group.runUntil(() => group.believers(victim) === 0, restartAfterMs))
    world.run(atMs + restartAfterMs)
    group.start(victim)
    world.run(atMs + crashEveryMs)
  }
  return knownMs
}

interface FalseDeaths {
  /** Of members that never stalled. */
  readonly ofHealthy: number
  /** Of any, as the members that never stalled saw it. */
  readonly atHealthy: number
}

const stalling = { every: 10, first: 5 }
/** In a burst a member sleeps and runs in turn (Lifeguard, section V.D); then it rests. */
const burstMs = 60_000
const restMs = 15_000
const sleepMs = { least: 500, most: 8_000 }
const awakeMs = { least: 5, most: 500 }

function falseDeaths(
  { matrix, seed }: Setting,
  mechanisms: keyof typeof presets,
  minutes: number,
): FalseDeaths {
  const preset = presets[mechanisms]
  const group = new Group({ matrix, members, seed, preset, loss: usualLoss })
  const { world } = group
  const random = seededRandom(seed)
  const isStalling = (host: number) => host % stalling.every === stalling.first
  const beganMs = world.nowMs
  const endMs = beganMs + minutes * 60_000
  group.noticed.length = 0
  for (let host = stalling.first; host < members; host += stalling.every) {
    let atMs = beganMs
    while (atMs < endMs) {
      const inBurstMs = (atMs - beganMs) % (burstMs + restMs)
      if (inBurstMs >= burstMs) {
        atMs += burstMs + restMs - inBurstMs
        continue
      }
      const forMs = draw(sleepMs, random.float())
      world.at(atMs, () => world.pause(host, forMs))
      atMs += forMs + draw(awakeMs, random.float())
    }
  }
  world.run(endMs)
  const deaths = group.noticed.filter(({ kind }) => kind === 'died')
  return {
    ofHealthy: deaths.filter(({ subject }) => !isStalling(subject)).length,
    atHealthy: deaths.filter(({ observer }) => !isStalling(observer)).length,
  }
}

function draw({ least, most }: { least: number; most: number }, uniform: number): number {
  return least + (most - least) * uniform
}

interface Quiet {
  readonly deaths: number
  readonly sentPerSecond: number
  readonly sentPerSecondMost: number
  readonly receivedPerSecondMost: number
}

/** Nothing happens but that each hundredth message is lost. */
function hourOfLoss({ matrix, seed }: Setting, minutes: number): Quiet {
  const group = new Group({ matrix, members, seed, preset: wan, loss: 0.01 })
  const { world } = group
  group.noticed.length = 0
  world.bytesSent.fill(0)
  world.bytesReceived.fill(0)
  for (let minute = 0; minute < minutes; minute += 1) {
    progress(`membership: 1 % loss, minute ${minute + 1} of ${minutes}`)
    world.run(world.nowMs + 60_000)
  }
  const perSecond = (bytes: number) => bytes / (minutes * 60)
  return {
    deaths: group.noticed.filter(({ kind }) => kind === 'died').length,
    sentPerSecond: perSecond(world.bytesSent.reduce((sum, bytes) => sum + bytes, 0) / members),
    sentPerSecondMost: perSecond(Math.max(...world.bytesSent)),
    receivedPerSecondMost: perSecond(Math.max(...world.bytesReceived)),
  }
}

const partedMs = 45_000

/** Ms after the links return until all hold all for alive. */
function healing({ matrix, seed }: Setting): number {
  const group = new Group({ matrix, members, seed, preset: wan, loss: usualLoss })
  const { world } = group
  world.part((host) => host % 2)
  world.run(world.nowMs + partedMs)
  world.part(() => 0)
  return group.runUntil(() => group.isOneView(), 2 * partedMs)
}

/** Round trips as a full cluster may have them. */
const clusterTripMs = { least: 1, most: 15 }

function clusterMatrix(seed: number): LatencyMatrix {
  const random = seededRandom(seed)
  const { least, most } = clusterTripMs
  const roundTripsMs = new Float32Array(members * members)
  for (let a = 0; a < members; a += 1) {
    for (let b = 0; b < a; b += 1) {
      const ms = least + random.float() * (most - least)
      roundTripsMs[a * members + b] = ms
      roundTripsMs[b * members + a] = ms
    }
  }
  return { sites: members, roundTripsMs, notes: [] }
}
