/**
 * The composition root of an engine: our own over models of the store, or one that fronts another
 * server.
 */
import { availableParallelism } from 'node:os'
import { type Log, systemClock } from '../../base/index.ts'
import {
  availableBackends,
  createOnnxEngine,
  createOnnxRunner,
  createUpstreamEngine,
  type Engine,
  type LoadedModel,
  loadTokenizer,
  type OnnxBackend,
} from '../../engine/index.ts'
import { listModels, openModel, type StoredModel } from '../../models/index.ts'
import { IsochroneError } from '../../protocol/index.ts'
import { usageError } from '../options/usage-error.ts'

export interface EngineChoice {
  readonly engine: 'onnx' | 'upstream'
  readonly model: readonly string[]
  readonly backend: 'auto' | OnnxBackend
  readonly slots: number
  readonly threads: number
  readonly 'context-max': number
  readonly 'upstream-url': string | undefined
  readonly 'upstream-key': string | undefined
}

export async function composeEngine(
  choice: EngineChoice,
  modules: { readonly store: string; readonly log: Log },
): Promise<Engine> {
  return choice.engine === 'upstream'
    ? composeUpstream(choice, modules.log)
    : composeOnnx(choice, modules)
}

async function composeOnnx(
  choice: EngineChoice,
  modules: { readonly store: string; readonly log: Log },
): Promise<Engine> {
  const stored = await chosenModels(choice.model, modules.store)
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
  about: { readonly choice: EngineChoice; readonly backend: OnnxBackend; readonly log: Log },
): Promise<LoadedModel> {
  const { choice, backend, log } = about
  const contextTokensMax = choice['context-max']
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

async function composeUpstream(choice: EngineChoice, log: Log): Promise<Engine> {
  const url = choice['upstream-url']
  if (url === undefined) {
    throw usageError(
      '--engine upstream needs --upstream-url URL, for example http://127.0.0.1:8000/v1',
    )
  }
  return createUpstreamEngine(upstreamOptions(url, { choice, log }))
}

function upstreamOptions(
  url: string,
  about: { readonly choice: EngineChoice; readonly log: Log },
): Parameters<typeof createUpstreamEngine>[0] {
  const { choice, log } = about
  const apiKey = choice['upstream-key']
  return {
    url,
    clock: systemClock,
    log,
    slots: choice.slots,
    ...(apiKey === undefined ? {} : { apiKey }),
    ...(choice.model.length === 0 ? {} : { models: choice.model }),
  }
}
