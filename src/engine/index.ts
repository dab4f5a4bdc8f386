/**
 * engine: running models. The contract, our own ONNX engine, and one that fronts any OpenAI-
 * compatible server. Tokenizing, sampling and the KV cache live here.
 */
export type { Engine, EngineLoad, EngineModel } from './engine.ts'
export type { DecodeStep, ModelRunner } from './model-runner.ts'
export type { BackendReport } from './onnx/backends.ts'
export type { RunnerOptions } from './onnx/create-runner.ts'
export type { IntegerReport } from './onnx/integer-check.ts'
export type { OnnxBackend } from './onnx/runtime.ts'
export type { LoadedModel, OnnxEngineOptions } from './onnx-engine.ts'
export type { SchedulerLimits } from './scheduler/scheduler.ts'
export type { Tokenizer } from './tokenizer/tokenizer.ts'
export { createUpstreamEngine, type UpstreamEngineOptions } from './upstream/upstream-engine.ts'

/** What runs models in this process: loaded with the first call. */
export function loadLocalEngine(): Promise<typeof import('./local-engine.ts')> {
  return import('./local-engine.ts')
}
