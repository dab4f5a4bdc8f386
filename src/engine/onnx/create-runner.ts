/**
 * Where a model runs: a small one here, a large one in a thread of its own.
 */
import { type Clock, type Log, silentLog, systemClock } from '../../base/index.ts'
import type { StoredModel } from '../../models/index.ts'
import type { ModelRunner } from '../model-runner.ts'
import { type OnnxRunnerOptions, openOnnxRunner } from './onnx-runner.ts'
import { startRestartingRunner } from './restarting-runner.ts'
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
  /** Of the delays before a lost thread is started again. */
  readonly clock?: Clock
  readonly log?: Log
}

/** Errors: `engine_unavailable`, `model_corrupt`. */
export function createOnnxRunner(model: StoredModel, options: RunnerOptions): Promise<ModelRunner> {
  const { clock = systemClock, log = silentLog, ownThread = isLarge(model), ...rest } = options
  if (!ownThread) return openOnnxRunner(model, { ...rest, blocksOthers: true })
  const own = { ...rest, blocksOthers: false }
  return startRestartingRunner((onLost) => startThreadedRunner(model, own, onLost), {
    clock,
    log: log.child({ module: 'runner', model: model.manifest.name }),
  })
}

function isLarge({ manifest }: StoredModel): boolean {
  return manifest.parameters >= threadParametersMin
}
