/**
 * What a runner's thread and its owner say to each other. One call at a time, so nothing is
 * numbered; logits lie in memory that both see.
 */
import { asIsochroneError, type ErrorCode, IsochroneError } from '../../protocol/index.ts'
import type { DecodeStep } from '../model-runner.ts'

export type RunnerCall =
  | {
      readonly type: 'prefill'
      readonly slot: number
      readonly tokenIds: readonly number[]
      readonly position: number
    }
  | { readonly type: 'decode'; readonly steps: readonly DecodeStep[] }
  | { readonly type: 'close' }

export interface RunnerReady {
  readonly type: 'ready'
  readonly slots: number
  readonly contextTokensMax: number
  readonly vocabularySize: number
  readonly runtime: string
  /** [slots, vocabularySize] */
  readonly logits: Float32Array<SharedArrayBuffer>
}

/** An error's class and cause do not survive the way between threads. */
export interface RunnerFailure {
  readonly type: 'failed'
  readonly code: ErrorCode
  readonly message: string
  readonly detail: IsochroneError['detail']
}

export type RunnerReply = RunnerReady | RunnerFailure | { readonly type: 'done' }

export function failureOf(error: unknown): RunnerFailure {
  const { code, message, detail } = asIsochroneError(error, 'engine_failed')
  return { type: 'failed', code, message, detail }
}

export function errorOf({ code, message, detail }: RunnerFailure): IsochroneError {
  return new IsochroneError(code, message, { detail })
}
