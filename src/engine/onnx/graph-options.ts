/**
 * What a graph looks like on a back end.
 */
import type { GraphOptions, Int4Form, ModelManifest } from '../../models/index.ts'
import type { OnnxBackend } from './runtime.ts'

/**
 * A WebAssembly memory holds 4 GiB: the matrices, what the largest needs while it is expanded, the
 * packed ones, and a cache must fit.
 */
const expandedBytesMax = 2e9

export function graphOptions(
  manifest: Pick<ModelManifest, 'parameters'>,
  settings: { readonly backend: OnnxBackend; readonly contextTokensMax: number },
): GraphOptions {
  const { backend, contextTokensMax } = settings
  return { contextTokensMax, compute: 'float32', int4: int4Form(manifest, backend) }
}

function int4Form(
  { parameters }: Pick<ModelManifest, 'parameters'>,
  backend: OnnxBackend,
): Int4Form {
  if (backend === 'cpu') return 'int8'
  // ONNX Runtime has no kernels for four bits there: it expands every matrix in every run.
  if (backend === 'wasm' && 4 * parameters <= expandedBytesMax) return 'expanded'
  return 'float32'
}
