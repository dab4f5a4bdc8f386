/** The latency map of this gateway, and whether nodes can be where they say. */
import { json } from '../../base/index.ts'
import type { LocationVerdict, MapPair, Place } from '../../mesh/index.ts'
import { fieldError } from '../openai/validation.ts'
import type { LatencyWatch } from '../workers/latency-watch.ts'
import { jsonType } from './client.ts'
import { latencyMapAnswer } from './latency-map-schemas.ts'
import { Query } from './query.ts'
import type { Route } from './route-table.ts'
import { snakeCased } from './snake-case.ts'

/** A page of pairs: 200 KB at most. */
const pairsMax = 500
const pairsDefault = 100
/** Nodes whose locations are contradicted come first. */
const locationsMax = 500

const digits = json.string({ pattern: '^[0-9]{1,4}$' })
const cellText = json.string({ pattern: '^[0-9a-f]{15}$' })

export function latencyMapRoute(watch: LatencyWatch): Route {
  return {
    method: 'GET',
    path: '/v1/latency-map',
    counts: true,
    document: {
      tag: 'information',
      summary: 'Round trips between regions of the earth, and whether nodes can be where they say.',
      answer: latencyMapAnswer,
      errorStatuses: [400, 401, 429],
      query: [
        { name: 'limit', schema: digits, description: 'How many pairs at most.' },
        { name: 'from', schema: cellText, description: 'With `to`: what to expect between them.' },
        { name: 'to', schema: cellText },
      ],
    },
    handle(client) {
      const query = new Query(client.url)
      const limit = Math.min(query.number('limit') ?? pairsDefault, pairsMax)
      const estimate = estimateOf(watch, query.text('from', 15), query.text('to', 15))
      client.send(200, jsonType, JSON.stringify({ ...latencyMapView(watch, limit), estimate }))
    },
  }
}

function estimateOf(
  watch: LatencyWatch,
  from: string | undefined,
  to: string | undefined,
): object | null {
  if (from === undefined && to === undefined) return null
  if (from === undefined || to === undefined) {
    throw fieldError(from === undefined ? 'from' : 'to', 'is missing: an estimate has two ends')
  }
  if (watch.map === undefined) return null
  const estimate = watch.estimate(from, to)
  if (estimate === undefined) {
    throw fieldError('from', 'and to must be H3 cells of resolution 4 or coarser')
  }
  return estimateView(estimate)
}

function latencyMapView(watch: LatencyWatch, limit: number): object {
  const { map } = watch
  const model = map?.model
  return {
    object: 'latency_map',
    cell: watch.cell === '' ? null : watch.cell,
    model: model === undefined ? null : { stretch: model.stretch, last_mile_ms: model.lastMileMs },
    pairs: watch.pairs(limit).map((pair) => {
      return { from: placeView(pair.from), to: placeView(pair.to), ...estimateView(pair) }
    }),
    impossible: map?.impossible ?? 0,
    locations: watch
      .verdicts(locationsMax)
      .map(({ id, verdict }) => ({ id, location: locationView(verdict) })),
  }
}

export function locationView(verdict: LocationVerdict | undefined): object | null {
  return verdict === undefined ? null : snakeCased(verdict)
}

function estimateView(pair: Omit<MapPair, 'from' | 'to'>): object {
  const { medianMs, p95Ms, jitterMs, loss, source, resolution, links } = pair
  return {
    round_trip_ms: medianMs,
    p95_ms: p95Ms,
    jitter_ms: jitterMs,
    loss,
    source,
    resolution,
    links,
  }
}

function placeView({ cell, resolution, centre }: Place): object {
  return { cell, resolution, ...centre }
}
