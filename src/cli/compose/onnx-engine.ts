/** The composition root of our own engine, over models of the store. */
import { availableParallelism } from 'node:os'
import { type Log, systemClock } from '../../base/index.ts'
import {
  type Engine,
  type LoadedModel,
  loadLocalEngine,
  type OnnxBackend,
} from '../../engine/index.ts'
import { listModels, openModel, type StoredModel } from '../../models/index.ts'
import { IsochroneError } from '../../protocol/index.ts'

export interface OnnxChoice {
  readonly model: readonly string[]
  readonly backend: 'auto' | OnnxBackend
  readonly slots: number
  readonly threads: number
  readonly 'context-max': number
}

export async function composeOnnx(
  choice: OnnxChoice,
  modules: { readonly store: string; readonly log: Log },
): Promise<Engine> {
  const stored = await chosenModels(choice.model, modules.store)
  const { createOnnxEngine } = await loadLocalEngine()
  const backend = choice.backend === 'auto' ? await bestBackend() : choice.backend
  const models: LoadedModel[] = []
  for (const model of stored) models.push(await load(model, { choice, backend, log: modules.log }))
  return createOnnxEngine({ models, clock: systemClock, log: modules.log })
}

async function chosenModels(
  names: readonly string[],
  store: string,
): Promise<readonly StoredModel[]> {
  if (names.length > 0) return Promise.all(names.map((name) => openModel(store, name)))
  const all = await listModels(store)
  if (all.length > 0) return all
  throw new IsochroneError(
    'model_not_found',
    `The store ${store} holds no model; import a folder with one, or pull one.`,
    { detail: { command: 'models import DIR' } },
  )
}

async function load(
  stored: StoredModel,
  about: { readonly choice: OnnxChoice; readonly backend: OnnxBackend; readonly log: Log },
): Promise<LoadedModel> {
  const { choice, backend, log } = about
  const contextTokensMax = choice['context-max']
  const { createOnnxRunner, loadTokenizer } = await loadLocalEngine()
  const [runner, tokenizer] = await Promise.all([
    createOnnxRunner(stored, {
      backend,
      log,
      slots: choice.slots,
      threads: choice.threads === 0 ? availableParallelism() : choice.threads,
      ...(contextTokensMax === 0 ? {} : { contextTokensMax }),
    }),
    loadTokenizer(stored.folder),
  ])
  return { stored, runner, tokenizer }
}

/** The fastest that is there; WebAssembly only when asked for, since the CPU is never slower. */
async function bestBackend(): Promise<OnnxBackend> {
  const { availableBackends } = await loadLocalEngine()
  const found = await availableBackends()
  const order: readonly OnnxBackend[] = ['cuda', 'webgpu', 'cpu', 'wasm']
  const best = order.find((name) => found.some((one) => one.backend === name && one.available))
  if (best !== undefined) return best
  const reasons = found.map(({ backend, detail }) => `${backend}: ${detail}`).join('; ')
  throw new IsochroneError(
    'engine_unavailable',
    `no back end of the onnx engine works here (${reasons}); reinstall the packages with: npm ci`,
  )
}
