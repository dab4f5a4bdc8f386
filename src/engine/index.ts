/**
 * engine: running models. The contract, our own ONNX engine, and one that fronts any OpenAI-compatible server.
 * Tokenizing, sampling and the KV cache live here.
 */
export type { Engine, EngineLoad, EngineModel } from './engine.ts'
