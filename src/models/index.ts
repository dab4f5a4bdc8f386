/**
 * models: what can be run.
 * Manifests, reading Hugging Face folders, building ONNX graphs for any layer range, the local store.
 */
export type {
  DecoderArchitecture,
  ModelFile,
  ModelManifest,
  Quantisation,
  RopeScaling,
} from './manifest.ts'
