/** How nodes fail, and what share of a fleet fails how. */
export const misbehaviours = [
  /** Falls silent without a word, and comes back, again and again. */
  'crash',
  /** Takes requests and answers none, from some moment on. */
  'stall',
  /** Refuses every request at once. */
  'blackHole',
  /** Claims a better processor than it has. */
  'slowLiar',
  /** Some of its answers are wrong; of these, some can be told. */
  'corrupt',
  /** A black hole that comes back under a new name whenever it was found out. */
  'sybil',
] as const
export type Misbehaviour = (typeof misbehaviours)[number]

export interface FaultyPreset {
  /** Shares of the fleet; at least one node each. */
  readonly shares: Readonly<Partial<Record<Exclude<Misbehaviour, 'sybil'>, number>>>
  readonly sybilsPerMinute: number
  /** Gateways tell each other what they have seen of nodes, and rely on each other. */
  readonly gatewaysTell: boolean
  /** Gateways besides, that say falsehoods to the others: praise of black holes, and slander. */
  readonly lyingGateways: number
}

const nobody: FaultyPreset = {
  shares: {},
  sybilsPerMinute: 0,
  gatewaysTell: false,
  lyingGateways: 0,
}
/** What liars praise, and others who tell what they have seen of it. */
const telling = { ...nobody, shares: { blackHole: 0.15 }, gatewaysTell: true }

export const faultyPresets = {
  none: nobody,
  crash: { ...nobody, shares: { crash: 0.15 } },
  stall: { ...nobody, shares: { stall: 0.15 } },
  'black-hole': { ...nobody, shares: { blackHole: 0.15 } },
  'slow-liar': { ...nobody, shares: { slowLiar: 0.15 } },
  corrupt: { ...nobody, shares: { corrupt: 0.15 } },
  sybil: { ...nobody, sybilsPerMinute: 12 },
  'telling-gateways': telling,
  'lying-gateway': { ...telling, lyingGateways: 1 },
  'lying-gateways': { ...telling, lyingGateways: 3 },
  mixed: {
    ...nobody,
    shares: { crash: 0.04, stall: 0.04, blackHole: 0.04, slowLiar: 0.04, corrupt: 0.04 },
    sybilsPerMinute: 2,
  },
} as const satisfies Readonly<Record<string, FaultyPreset>>

export type FaultyPresetName = keyof typeof faultyPresets

/** What they do, where it needs a number. */
export const misdeeds = Object.freeze({
  /** A crash-looping process: up and silent, on the mean. */
  crashUpMs: 60_000,
  crashDownMs: 20_000,
  /** A stall comes at random within this after the start. */
  stallWithinMs: 60_000,
  blackHoleMs: 2,
  /** A card of the class below, sold as one of the class above. */
  liarClaims: 3,
  liarSpeed: 0.3,
  corruptShare: 0.2,
  /** Wrong lengths, forbidden tokens, another digest: what a gateway sees without asking twice. */
  corruptToldShare: 0.5,
})
