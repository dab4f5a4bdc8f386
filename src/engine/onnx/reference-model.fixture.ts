/**
 * For tests: the embedded reference model, imported into a temporary store, and its golden
 * transcripts.
 */
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { temporaryFolder } from '../../models/checkpoint.fixture.ts'
import { importModel, openModel, type StoredModel } from '../../models/index.ts'
import type { ModelRunner } from '../model-runner.ts'

const root = path.join(import.meta.dirname, '../../..')

export interface Transcript {
  readonly prompt_ids: readonly number[]
  readonly completion_ids: readonly number[]
  readonly top_logit: readonly number[]
  readonly min_margin: number
}

export async function referenceModel(test: {
  after(action: () => Promise<void>): void
}): Promise<StoredModel> {
  const storeDir = await temporaryFolder(test)
  const { name } = await importModel(path.join(root, 'models/isochrone-tiny'), { storeDir })
  return openModel(storeDir, name)
}

export async function goldenTranscripts(): Promise<readonly Transcript[]> {
  const text = await readFile(path.join(root, 'tools/reference-model/golden.json'), 'utf8')
  return (JSON.parse(text) as { transcripts: readonly Transcript[] }).transcripts
}

/** The greatest logit and the lowest token id that has it. */
export function greatest(logits: Float32Array): { readonly token: number; readonly logit: number } {
  let token = 0
  for (let i = 1; i < logits.length; i += 1) {
    if ((logits[i] ?? 0) > (logits[token] ?? 0)) token = i
  }
  return { token, logit: logits[token] ?? Number.NaN }
}

export interface Step {
  readonly token: number
  readonly logit: number
}

/** Greedy text after a prompt, in one slot. */
export async function generateGreedily(
  runner: ModelRunner,
  slot: number,
  transcript: Transcript,
): Promise<readonly Step[]> {
  const { prompt_ids: prompt, completion_ids: completion } = transcript
  const steps = [greatest(await runner.prefill(slot, prompt, 0))]
  while (steps.length < completion.length) {
    const tokenId = steps.at(-1)?.token ?? 0
    const position = prompt.length + steps.length - 1
    steps.push(greatest(await runner.decode([{ slot, tokenId, position }])))
  }
  return steps
}
