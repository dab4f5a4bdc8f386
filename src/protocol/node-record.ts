/**
 * What a node says of itself, signed by its key. Statements marked "measured" come from a
 * benchmark that the node runs on joining; a gateway checks them against what it sees.
 */
import type { ModelDigest, NodeId } from './ids.ts'

/** What an offered model can do; each is a gate in routing. */
export const modelFeatures = [
  'chat',
  'completion',
  'embedding',
  'tools',
  'structured_output',
  'logprobs',
  'seed',
  'images',
  // Goes on with an answer that another node began, token for token.
  'continuation',
] as const
export type ModelFeature = (typeof modelFeatures)[number]

export interface OfferedModel {
  /** The name that clients use, for example `isochrone-tiny`. */
  readonly name: string
  /**
   * null: the engine fronts a server that gives only a name; like is compared with like by name.
   */
  readonly digest: ModelDigest | null
  /** `onnx` or `upstream`; with the back end, for example `onnx/cpu`. */
  readonly runtime: string
  /** `float32`, `float16`, `int4` … or `unknown`. */
  readonly quantisation: string
  readonly contextTokensMax: number
  /** Measured decode speed of one generation, tokens per second; 0: not measured. */
  readonly decodeTokensPerSecond: number
  /** Measured prefill speed, tokens per second; 0: not measured. */
  readonly prefillTokensPerSecond: number
  /** Generations that run at once. */
  readonly slots: number
  readonly features: readonly ModelFeature[]
  /** Price in micro-dollars per million tokens; 0: free. */
  readonly promptPrice: number
  readonly completionPrice: number
}

export interface HardwareReport {
  readonly platform: string
  readonly cpu: string
  readonly cores: number
  readonly memoryBytes: number
  readonly memoryFreeBytes: number
  /** The GPU adapter's name; empty: none found. */
  readonly gpu: string
  /** 0: there is none, or its driver does not tell. */
  readonly gpuMemoryBytes: number
  /** Measured: bytes read per second by a large memory-bound product, all threads of the engine. */
  readonly memoryBandwidthBytesPerSecond: number
  /** Measured: products of integer matrices came out exact. A4-style audits need it. */
  readonly integerExact: boolean
}

export interface NodeRecord {
  readonly id: NodeId
  readonly network: string
  /** Rises with every new record of the same node; a lower one is stale. */
  readonly sequence: number
  readonly issuedAtMs: number
  readonly expiresAtMs: number
  readonly softwareVersion: string
  /** Declared; a claim until the speed of light has been asked. Empty: not declared. */
  readonly region: string
  /**
   * The H3 cell that it is in, 15 hexadecimal digits; a claim as well. Empty: not declared.
   */
  readonly cell: string
  /**
   * Where the node itself can be dialled, `host:port`; empty: only over connections that it
   * opened.
   */
  readonly addresses: readonly string[]
  readonly hardware: HardwareReport
  readonly models: readonly OfferedModel[]
}

/** A way to another member as a node measured it lately: a claim of the node. */
export interface LinkReport {
  readonly peer: NodeId
  readonly medianMs: number
  readonly p95Ms: number
  readonly jitterMs: number
  /** Share of probes without an answer. */
  readonly loss: number
}

/**
 * What a node reports of its present work, often; not signed on its own (the connection is
 * authenticated).
 */
export interface LoadReport {
  readonly running: number
  readonly waiting: number
  /** Tokens of KV cache still free. */
  readonly kvTokensFree: number
  /** Tokens of all prompts there that are not read yet; undefined: the engine does not know. */
  readonly promptTokensUnread?: number | undefined
  readonly draining: boolean
}
