/**
 * Tiers of models, and what a policy asks of the workers that serve one; classes of hardware. Plain
 * data: a decision rests on nothing else of them.
 */
import type { HardwareReport, ModelDigest } from '../protocol/index.ts'

/** What is asked of a worker of one class in one tier. */
export interface TierRule {
  /** Of one answer, as this gateway measured it; 0: nothing is asked. */
  readonly tokensPerSecondMin: number
  /** Micro-dollars per million tokens; null: any. */
  readonly promptPriceMax: number | null
  readonly completionPriceMax: number | null
}

export interface ClassRule extends TierRule {
  readonly hardwareClass: string
}

export interface Tier {
  readonly name: string
  /** Names of models; one that ends in `*` stands for all that begin so. */
  readonly models: readonly string[]
  /** Empty: any. */
  readonly digests: readonly ModelDigest[]
  /** Each with or without its back end: `onnx` or `onnx/cpu`; empty: any. */
  readonly runtimes: readonly string[]
  /** Empty: any. */
  readonly quantisations: readonly string[]
  /** For the weights and what the engine needs besides; 0: nothing is asked. */
  readonly memoryBytes: number
  /** Of cache, for each token of prompt and answer. */
  readonly kvBytesPerToken: number
  /** Where no class has a rule of its own. */
  readonly rule: TierRule
  /** The classes that may serve it, each with its rule; empty: all, under `rule`. */
  readonly classes: readonly ClassRule[]
}

/** What a worker states of its machine to be of this class; 0 and empty: nothing is asked. */
export interface HardwareClass {
  readonly name: string
  /** In lower case; the adapter's name contains one of them. `any`: whatever its name is. */
  readonly gpu: readonly string[]
  readonly gpuMemoryBytes: number
  readonly memoryBytes: number
  readonly cores: number
  readonly memoryBandwidthBytesPerSecond: number
}

/** A worker that states nothing of its machine: a server without a node, chosen by its operator. */
export const upstreamClass = 'upstream'
/** A machine that no class describes. */
export const otherClass = 'other'
/** One that would be of a class, did it state its GPU's memory; it has the rules of `other`. */
export const unknownClass = 'unknown'
export const anyGpu = 'any'
export const manyModels = '*'

/** undefined: the tier does not allow the class. */
export function ruleOf(
  { classes, rule }: Pick<Tier, 'classes' | 'rule'>,
  hardwareClass: string,
): TierRule | undefined {
  if (classes.length === 0) return rule
  for (const one of classes) if (one.hardwareClass === hardwareClass) return one
  return hardwareClass === unknownClass ? ruleOf({ classes, rule }, otherClass) : undefined
}

/** By name; of names that stand for many, the longest that fits. null: in none. */
export function tierOf({ tiers }: { readonly tiers: readonly Tier[] }, model: string): Tier | null {
  if (tiers.length === 0) return null
  let index = indices.get(tiers)
  if (index === undefined) {
    index = indexOf(tiers)
    indices.set(tiers, index)
  }
  const named = index.byName.get(model)
  if (named !== undefined) return named
  return index.byBeginning.find(([beginning]) => model.startsWith(beginning))?.[1] ?? null
}

interface Index {
  readonly byName: ReadonlyMap<string, Tier>
  /** Longest first. */
  readonly byBeginning: readonly (readonly [beginning: string, tier: Tier])[]
}

/** A policy is asked for each request, and never changes. */
const indices = new WeakMap<readonly Tier[], Index>()

function indexOf(tiers: readonly Tier[]): Index {
  const byName = new Map<string, Tier>()
  const byBeginning: [string, Tier][] = []
  for (const tier of tiers) {
    for (const model of tier.models) {
      if (model.endsWith(manyModels)) byBeginning.push([model.slice(0, -manyModels.length), tier])
      else byName.set(model, tier)
    }
  }
  return { byName, byBeginning: byBeginning.sort(([a], [b]) => b.length - a.length) }
}

/**
 * The first class whose every condition the statement meets. It is a claim: what is paid for a
 * class, and what floor it has to keep, the tier says.
 */
export function hardwareClassOf(
  classes: readonly HardwareClass[],
  stated: HardwareReport | null,
): string {
  if (stated === null) return upstreamClass
  const met = classes.find((one) => meets(stated, one))
  if (met !== undefined) return met.name
  if (stated.gpu === '' || stated.gpuMemoryBytes > 0) return otherClass
  const atBest = { ...stated, gpuMemoryBytes: Number.POSITIVE_INFINITY }
  return classes.some((one) => meets(atBest, one)) ? unknownClass : otherClass
}

function meets(stated: HardwareReport, asked: HardwareClass): boolean {
  return (
    hasGpu(stated.gpu, asked.gpu) &&
    stated.gpuMemoryBytes >= asked.gpuMemoryBytes &&
    stated.memoryBytes >= asked.memoryBytes &&
    stated.cores >= asked.cores &&
    stated.memoryBandwidthBytesPerSecond >= asked.memoryBandwidthBytesPerSecond
  )
}

function hasGpu(name: string, asked: readonly string[]): boolean {
  if (asked.length === 0) return true
  const stated = name.toLowerCase()
  return stated !== '' && asked.some((one) => one === anyGpu || stated.includes(one))
}

/** Where the weights of a model lie that runs so; undefined: it states nothing of its machine. */
export function memoryOf(stated: HardwareReport | null, runtime: string): number | undefined {
  if (stated === null) return undefined
  const isOnGpu = !runtime.endsWith('/cpu') && !runtime.endsWith('/wasm')
  // Not every driver tells its memory; then the machine's stands for it.
  return isOnGpu && stated.gpuMemoryBytes > 0 ? stated.gpuMemoryBytes : stated.memoryBytes
}
