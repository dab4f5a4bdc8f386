/**
 * What runs models in this process: loaded when it is asked for, because it and the libraries
 * behind it are 4 MB of a gateway's memory, and whoever only fronts other servers never needs it.
 */
export { availableBackends, measureMemoryBandwidth } from './onnx/backends.ts'
export { createOnnxRunner } from './onnx/create-runner.ts'
export { graphOptions } from './onnx/graph-options.ts'
export { verifyIntegerMatmul } from './onnx/integer-check.ts'
export { createOnnxEngine } from './onnx-engine.ts'
export { loadTokenizer } from './tokenizer/load-tokenizer.ts'
