/** What the gateway tells of its models and workers, as JSON. */
import type { EvidenceBook } from '../../evidence/index.ts'
import type { JsonObject, OfferedModel } from '../../protocol/index.ts'
import type { LatencyWatch } from '../workers/latency-watch.ts'
import type { KnownWorker, WorkerRegistry } from '../workers/registry.ts'
import { snakeCased } from './snake-case.ts'

export function modelView(
  name: string,
  offers: readonly OfferedModel[],
  createdAtMs: number,
): JsonObject {
  return {
    id: name,
    object: 'model',
    created: Math.floor(createdAtMs / 1000),
    owned_by: 'isochrone',
    isochrone: {
      workers: offers.length,
      context_tokens_max: Math.max(...offers.map((offer) => offer.contextTokensMax)),
      digests: distinct(offers.map((offer) => offer.digest ?? '')),
      runtimes: distinct(offers.map((offer) => offer.runtime)),
      quantisations: distinct(offers.map((offer) => offer.quantisation)),
      features: distinct(offers.flatMap((offer) => offer.features)),
    },
  }
}

export interface NodeViewModules {
  readonly evidence: EvidenceBook
  readonly latencies: LatencyWatch
  readonly registry: Pick<WorkerRegistry, 'standing'>
}

export function nodeView(
  { worker, view, inFlight }: KnownWorker,
  { evidence, latencies, registry }: NodeViewModules,
): object {
  return snakeCased({
    id: worker.id,
    kind: view.record === null ? 'upstream' : 'node',
    region: view.region,
    location: latencies.verdict(worker.id) ?? null,
    connected: view.connected,
    roundTripMs: view.roundTripMs ?? null,
    inFlight,
    load: view.load,
    models: view.models,
    standing: registry.standing(worker.id) ?? null,
    evidence: view.models.map(({ name }) => {
      const { clean, completion, hazard, latency, tpot, ttft } = evidence.evidence(worker.id, name)
      const times = latency?.record.summary(latency.now) ?? []
      const heard = evidence.heard(worker.id, name)
      return { model: name, completion, clean, heard, hazard, latency: times, ttft, tpot }
    }),
    record: view.record,
  })
}

function distinct(texts: readonly string[]): readonly string[] {
  return [...new Set(texts.filter((text) => text !== ''))]
}
