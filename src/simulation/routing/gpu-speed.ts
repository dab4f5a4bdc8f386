/**
 * How fast a processor runs the simulated model: the roofline of its makers' figures, with the
 * shares of them that are reached in practice.
 *
 * Prefill is bound by arithmetic, decode by memory: a step reads all weights once, whatever the
 * batch, and each sequence's cache besides. So a larger batch makes each step slower and the whole
 * faster, as measured on A100 and H100 (Patel et al., Splitwise, ISCA 2024, figures 5 to 7).
 */
import type { GpuKind } from './inputs/gpu-table.ts'

export interface GpuSpeed {
  /** Answers at a time: as many as there is memory for their caches. */
  readonly slots: number
  readonly prefillMsPerToken: number
  /** A step for one, without its cache. */
  readonly stepMs: number
  /** For each token of cache that the step reads besides. */
  readonly stepMsPerCachedToken: number
}

/** Of 8 × 10^9 parameters with 8 bits each, and the cache of grouped-query attention. */
const model = { parameters: 8e9, gigabytes: 8.5, cacheGigabytesPerToken: 131_072e-9 }
/**
 * Of the bandwidth in decode; and in prefill of the arithmetic, for which the tables name the
 * vector units: tensor cores do twice that, and half of it is reached.
 */
const reached = { arithmetic: 1, bandwidth: 0.7 }
/** Memory is set aside for contexts of this length. */
const contextTokens = 8_192
const memoryUsed = 0.92
const slotsMax = 16

export function speedOf(kind: GpuKind): GpuSpeed {
  const perSecond = kind.bandwidthGbPerSecond * reached.bandwidth
  const flops = kind.teraflops * 1e12 * reached.arithmetic
  const cacheGb = contextTokens * model.cacheGigabytesPerToken
  const room = Math.floor((kind.memoryGb * memoryUsed - model.gigabytes) / cacheGb)
  return {
    slots: Math.max(1, Math.min(slotsMax, room)),
    prefillMsPerToken: (2 * model.parameters * 1e3) / flops,
    stepMs: (model.gigabytes * 1e3) / perSecond,
    stepMsPerCachedToken: (model.cacheGigabytesPerToken * 1e3) / perSecond,
  }
}

/** The same processor with `factor` times the speed. */
export function times(speed: GpuSpeed, factor: number): GpuSpeed {
  return {
    slots: speed.slots,
    prefillMsPerToken: speed.prefillMsPerToken / factor,
    stepMs: speed.stepMs / factor,
    stepMsPerCachedToken: speed.stepMsPerCachedToken / factor,
  }
}

export function stepMsOf(speed: GpuSpeed, cachedTokens: number): number {
  return speed.stepMs + speed.stepMsPerCachedToken * cachedTokens
}
