/** Bounds of an envelope's times and sizes, for those who make, read and remember one. */
export const envelopeLimits = {
  /**
   * How far two machines' clocks may differ; NTP keeps them within a second, 30 s forgives a bad
   * day.
   */
  clockSkewMaxMs: 30_000,
  /** A nonce has to be remembered this long: one hour covers the longest generation. */
  lifeMaxMs: 60 * 60 * 1000,
  /** A result is checked as soon as it comes: it has to live only as long as it travels. */
  resultLifeMaxMs: 60_000,
  networkBytesMax: 128,
  /**
   * Envelopes under one signature: at 64 the signature is a hundredth of what is left to do for
   * each, and a longer proof only makes messages longer.
   */
  treeLeavesMax: 1_024,
  /** Of a tree that large. */
  proofHashesMax: 10,
} as const
