/**
 * Where a model runs: a small one here, a large one in a thread of its own.
 */
import type { StoredModel } from '../../models/index.ts'
import type { ModelRunner } from '../model-runner.ts'
import { type OnnxRunnerOptions, openOnnxRunner } from './onnx-runner.ts'
import { startThreadedRunner } from './threaded-runner.ts'

/**
 * From here on a step takes some milliseconds, in which nothing else of the process would move. To
 * hand a step to a thread and back costs 0.1 to 0.2 ms: an eighth of a step of the reference model,
 * a hundredth of one of a model with 100 million parameters.
 */
const threadParametersMin = 20e6

export interface RunnerOptions extends OnnxRunnerOptions {
  /** Whether the model gets a thread of its own; default: if it is large. */
  readonly ownThread?: boolean
}

/** Errors: `engine_unavailable`, `model_corrupt`. */
export function createOnnxRunner(model: StoredModel, options: RunnerOptions): Promise<ModelRunner> {
  const { ownThread = model.manifest.parameters >= threadParametersMin, ...rest } = options
  if (ownThread) return startThreadedRunner(model, { ...rest, blocksOthers: false })
  return openOnnxRunner(model, { ...rest, blocksOthers: true })
}
