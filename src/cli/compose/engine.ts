/**
 * The composition root of an engine: our own over models of the store, or one that fronts another
 * server.
 */
import { type Log, systemClock } from '../../base/index.ts'
import { createUpstreamEngine, type Engine } from '../../engine/index.ts'
import { usageError } from '../options/usage-error.ts'
import type { OnnxChoice } from './onnx-engine.ts'

export interface EngineChoice extends OnnxChoice {
  readonly engine: 'onnx' | 'upstream'
  readonly 'upstream-url': string | undefined
  readonly 'upstream-key': string | undefined
}

export async function composeEngine(
  choice: EngineChoice,
  modules: { readonly store: string; readonly log: Log },
): Promise<Engine> {
  if (choice.engine === 'upstream') return composeUpstream(choice, modules.log)
  // Loaded only here: what runs models, and the store of models, is memory of no use to the other.
  const { composeOnnx } = await import('./onnx-engine.ts')
  return composeOnnx(choice, modules)
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
