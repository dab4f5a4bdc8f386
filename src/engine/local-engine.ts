/**
 * What runs models in this process: loaded when it is asked for, because it takes 7 MB of memory
 * together with the libraries behind it, and whoever only fronts other servers never needs it.
 */
export { availableBackends, measureMemoryBandwidth } from './onnx/backends.ts'
export { createOnnxRunner } from './onnx/create-runner.ts'
export { graphOptions } from './onnx/graph-options.ts'
export { verifyIntegerMatmul } from './onnx/integer-check.ts'
export { createOnnxEngine } from './onnx-engine.ts'
export { loadTokenizer } from './tokenizer/load-tokenizer.ts'
