/**
 * An OpenAI-compatible server without a node of ours in front: its engine runs inside this process.
 */
import { IsochroneError, isUpstreamId, type OfferedModel } from '../../protocol/index.ts'
import type { UpstreamModel, UpstreamOptions } from './upstream-engine.ts'
import type { Worker, WorkerView } from './worker.ts'

export function createUpstreamWorker(options: UpstreamOptions): Worker {
  const id = `upstream-${options.name}`
  if (!isUpstreamId(id)) {
    const message = `'${options.name}' cannot name an upstream: use up to 63 of a-z, 0-9 and '-'`
    throw new IsochroneError('invalid_configuration', message)
  }
  const { engine } = options
  const offers = new OfferCache(options)
  return {
    id,
    describe: (): WorkerView => ({
      region: options.region ?? '',
      models: offers.of(engine.models()),
      load: { ...engine.load(), draining: false },
      // The engine's own times contain the way to its server.
      roundTripMs: 0,
      connected: true,
      overdue: false,
      integerExact: false,
      record: null,
    }),
    generate: (request, limits) =>
      engine.generate(request, limits.isLeftByReturn === true ? undefined : limits.signal),
    embed: (request, { signal }) => engine.embed(request, signal),
  }
}

/** Offers are made anew only when the engine's list is another one. */
class OfferCache {
  readonly #options: UpstreamOptions
  #models: readonly UpstreamModel[] = []
  #offers: readonly OfferedModel[] = []

  constructor(options: UpstreamOptions) {
    this.#options = options
  }

  of(models: readonly UpstreamModel[]): readonly OfferedModel[] {
    if (models !== this.#models) {
      this.#models = models
      this.#offers = models.map((model) => this.#offer(model))
    }
    return this.#offers
  }

  #offer(model: UpstreamModel): OfferedModel {
    return {
      ...model,
      decodeTokensPerSecond: 0,
      prefillTokensPerSecond: 0,
      promptPrice: this.#options.promptPrice ?? 0,
      completionPrice: this.#options.completionPrice ?? 0,
    }
  }
}
