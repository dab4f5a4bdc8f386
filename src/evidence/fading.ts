/** What was seen counts less as time goes by: half after each half-life. */

/** What is left at `toMs` of a weight of 1 at `fromMs`; 1 where `toMs` is not later. */
export function fade(fromMs: number, toMs: number, halfLifeMs: number): number {
  return toMs <= fromMs ? 1 : 2 ** ((fromMs - toMs) / halfLifeMs)
}
