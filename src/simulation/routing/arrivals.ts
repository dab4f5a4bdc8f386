/**
 * The requests of a run, from a trace: as many tenants as it takes, each of whom sends what the
 * trace holds from a moment of its own on, at the trace's own pace. So the bursts of one tenant
 * stay as they were, and no clock is stretched. What is too much for the load is left out by lot.
 */
import type { Random } from '../../base/index.ts'
import { saturatedMs } from './engine.ts'
import { capacityMs, type FleetNode } from './fleet.ts'
import type { GpuSpeed } from './gpu-speed.ts'
import type { RequestTrace, TracedRequest } from './inputs/request-trace.ts'

export interface Arrival {
  readonly atMs: number
  readonly promptTokens: number
  readonly completionTokens: number
  /** Which of the gateways it comes to. */
  readonly gateway: number
}

export interface ArrivalOptions {
  readonly lengthMs: number
  /** Of what the sound nodes could do, were each always full. */
  readonly load: number
  readonly gateways: number
}

/** The simulated nodes read no longer prompts. */
export const promptTokensMax = 32_768
/** More tenants than this: the trace is too thin for the fleet. */
const tenantsMax = 10_000
/** Of the trace's requests, for means. */
const sampleMax = 500

export function drawArrivals(
  trace: RequestTrace,
  nodes: readonly FleetNode[],
  { options, random }: { readonly options: ArrivalOptions; readonly random: Random },
): readonly Arrival[] {
  const { lengthMs, load, gateways } = options
  const sample = sampleOf(trace.requests)
  const perToken = workPerToken(sample)
  const wanted = load * capacityMs(nodes, lengthMs, workPerMs(sample, perToken))
  const all: TracedRequest[] = []
  let offered = 0
  for (let tenant = 0; tenant < tenantsMax && offered < wanted; tenant += 1) {
    const fromMs = random.float() * trace.lengthMs
    for (const request of windowOf(trace, fromMs, lengthMs)) {
      all.push(request)
      offered += workOf(request, perToken)
    }
  }
  const share = Math.min(1, wanted / Math.max(1e-9, offered))
  const kept = all.filter(() => random.float() < share)
  kept.sort((a, b) => a.atMs - b.atMs)
  return kept.map((request) => ({ ...request, gateway: random.below(gateways) }))
}

/**
 * Work is counted in requests of the mean size; a token of an answer counts as several of a prompt,
 * since it costs a step.
 */
const promptTokensPerCompletionToken = 8

function workPerToken(sample: readonly TracedRequest[]): number {
  return 1 / (sample.reduce((sum, request) => sum + tokensOf(request), 0) / sample.length)
}

function workOf(request: TracedRequest, perToken: number): number {
  return tokensOf(request) * perToken
}

function tokensOf({ promptTokens, completionTokens }: TracedRequest): number {
  return Math.min(promptTokens, promptTokensMax) + promptTokensPerCompletionToken * completionTokens
}

/** What a node does that never waits for work; each kind is tried once. */
function workPerMs(sample: readonly TracedRequest[], perToken: number) {
  const work = sample.reduce((sum, request) => sum + workOf(request, perToken), 0)
  const items = sample.map(({ promptTokens, completionTokens }) => ({
    promptTokens: Math.min(promptTokens, promptTokensMax),
    completionTokens,
  }))
  const known = new Map<string, number>()
  return (speed: GpuSpeed): number => {
    const key = JSON.stringify(speed)
    const rate = known.get(key) ?? work / saturatedMs(speed, items)
    known.set(key, rate)
    return rate
  }
}

function sampleOf(requests: readonly TracedRequest[]): readonly TracedRequest[] {
  const step = Math.max(1, Math.floor(requests.length / sampleMax))
  return requests.filter((_, index) => index % step === 0)
}

/** The trace from a moment on, for so long; after its end it begins again. */
function windowOf(trace: RequestTrace, fromMs: number, lengthMs: number): TracedRequest[] {
  const { requests, lengthMs: traceMs } = trace
  const window: TracedRequest[] = []
  for (let round = 0; round * traceMs < fromMs + lengthMs; round += 1) {
    const shiftMs = round * traceMs - fromMs
    for (let i = firstFrom(requests, -shiftMs); i < requests.length; i += 1) {
      const request = requests[i] as TracedRequest
      const atMs = request.atMs + shiftMs
      if (atMs >= lengthMs) break
      const promptTokens = Math.max(1, Math.min(request.promptTokens, promptTokensMax))
      window.push({ atMs, promptTokens, completionTokens: request.completionTokens })
    }
  }
  return window
}

function firstFrom(requests: readonly TracedRequest[], atMs: number): number {
  let [low, high] = [0, requests.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if ((requests[middle] as TracedRequest).atMs < atMs) low = middle + 1
    else high = middle
  }
  return low
}
