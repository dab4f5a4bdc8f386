/**
 * The thread that a large model runs in: a call of ONNX Runtime does not return to the event loop
 * before it is done.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { assert } from '../../base/index.ts'
import type { StoredModel } from '../../models/index.ts'
import type { ModelRunner } from '../model-runner.ts'
import { type OnnxRunnerOptions, openOnnxRunner } from './onnx-runner.ts'
import { failureOf, type RunnerCall, type RunnerReply } from './runner-messages.ts'

export interface RunnerThreadData {
  readonly model: StoredModel
  readonly options: OnnxRunnerOptions
  /** [1 while this thread computes] */
  readonly busy: Int32Array<SharedArrayBuffer>
}

assert(parentPort !== null, 'this file is a thread of its own')
const port = parentPort
const data = workerData as RunnerThreadData

async function serve({ model, options }: RunnerThreadData): Promise<void> {
  const runner = await openOnnxRunner(model, options)
  const { slots, contextTokensMax, vocabularySize, runtime } = runner
  const bytes = slots * vocabularySize * Float32Array.BYTES_PER_ELEMENT
  const logits = new Float32Array(new SharedArrayBuffer(bytes))
  port.on('message', (call: RunnerCall) => {
    if (call.type === 'close') void runner.close().finally(end)
    else void answer(runner, call, logits).then(reply, (error) => reply(failureOf(error)))
  })
  reply({ type: 'ready', slots, contextTokensMax, vocabularySize, runtime, logits })
}

async function answer(
  runner: ModelRunner,
  call: Exclude<RunnerCall, { type: 'close' }>,
  logits: Float32Array<SharedArrayBuffer>,
): Promise<RunnerReply> {
  logits.set(
    call.type === 'prefill'
      ? await runner.prefill(call.slot, call.tokenIds, call.position)
      : await runner.decode(call.steps),
  )
  return { type: 'done' }
}

function reply(message: RunnerReply): void {
  rest()
  port.postMessage(message)
}

function end(): void {
  rest()
  port.close()
}

function rest(): void {
  Atomics.store(data.busy, 0, 0)
  Atomics.notify(data.busy, 0)
}

await serve(data).catch((error: unknown) => reply(failureOf(error)))
