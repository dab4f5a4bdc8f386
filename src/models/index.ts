/**
 * models: what can be run.
 * Manifests, reading Hugging Face folders, building ONNX graphs for any layer range, the local
 * store.
 */
export {
  buildGraph,
  type GraphOptions,
  type Int4Form,
  type LayerRange,
  wholeRange,
} from './decoder-graph.ts'
export { type ImportOptions, importModel, type ModelProgress } from './import-model.ts'
export type {
  DecoderArchitecture,
  ModelFile,
  ModelManifest,
  Quantisation,
  RopeScaling,
} from './manifest.ts'
export { encodeOnnxModel, type OnnxGraph } from './onnx/onnx-model.ts'
export { type PullOptions, pullModel } from './pull-model.ts'
export {
  listModels,
  openModel,
  removeModel,
  type StoredModel,
  verifyModel,
} from './store.ts'
export { weightsFile } from './weight-layout.ts'
