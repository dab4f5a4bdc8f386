/**
 * What strangers wrote (a node its region, its engine's name) goes to a person's terminal: nothing
 * in it may move the cursor, or turn the direction of what stands around it.
 */
const harmful = /[\p{Cc}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]/gu
const kept: ReadonlySet<string> = new Set(['\n', '\t'])

export function harmless(text: string): string {
  return text.replace(harmful, (one) => (kept.has(one) ? one : '\ufffd'))
}
