/**
 * engine: running models. The contract, our own ONNX engine, and one that fronts any OpenAI-
 * compatible server. Tokenizing, sampling and the KV cache live here.
 */
export type { Engine, EngineLoad, EngineModel } from './engine.ts'
export type { DecodeStep, ModelRunner } from './model-runner.ts'
export { availableBackends, type BackendReport, measureMemoryBandwidth } from './onnx/backends.ts'
export { createOnnxRunner, type RunnerOptions } from './onnx/create-runner.ts'
export { graphOptions } from './onnx/graph-options.ts'
export { type IntegerReport, verifyIntegerMatmul } from './onnx/integer-check.ts'
export { type OnnxBackend, onnxBackends } from './onnx/runtime.ts'
export { createOnnxEngine, type LoadedModel, type OnnxEngineOptions } from './onnx-engine.ts'
export { defaultSchedulerLimits, type SchedulerLimits } from './scheduler/scheduler.ts'
export { loadTokenizer } from './tokenizer/load-tokenizer.ts'
export type { Tokenizer } from './tokenizer/tokenizer.ts'
export { createUpstreamEngine, type UpstreamEngineOptions } from './upstream/upstream-engine.ts'
