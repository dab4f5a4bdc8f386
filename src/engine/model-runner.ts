/**
 * The steps of one loaded decoder model, below batching and sampling. Implemented by `onnx/`.
 *
 * A slot holds one generation's KV cache. Calls on one runner never overlap: the scheduler awaits
 * each.
 */
export interface ModelRunner {
  readonly slots: number
  readonly contextTokensMax: number
  readonly vocabularySize: number
  /** For example `onnx/cpu`. */
  readonly runtime: string
  /** false: it was lost and is being started again; calls fail with `engine_failed` meanwhile. */
  readonly isReady: boolean
  /** How often all that the slots held was lost. */
  readonly losses: number
  /**
   * Appends tokens to one slot and returns the logits that follow the last of them.
   * @param tokenIds at least 1; the slot holds `position` tokens already
   * @returns float32[vocabularySize]; valid until the next call
   */
  prefill(slot: number, tokenIds: readonly number[], position: number): Promise<Float32Array>
  /**
   * One token for each of several slots.
   * @param steps at most `slots` of them, each slot once
   * @returns float32[steps.length × vocabularySize], row i for step i; valid until the next call
   */
  decode(steps: readonly DecodeStep[]): Promise<Float32Array>
  close(): Promise<void>
}

export interface DecodeStep {
  readonly slot: number
  readonly tokenId: number
  /** How many tokens the slot holds already. */
  readonly position: number
}
