/** The schemas of `GET /v1/latency-map`. */
import { json } from '../../base/index.ts'

const number = json.number()
const text = json.string()
const count = json.integer({ minimum: 0 })

const place = json.object({
  cell: text,
  resolution: count,
  latitude: number,
  longitude: number,
})

const estimateFields = {
  round_trip_ms: number,
  p95_ms: number,
  jitter_ms: number,
  loss: number,
  source: json.enum(['measured', 'region', 'model']),
  resolution: json.nullable(count),
  links: number,
}

const contradiction = json.object({
  witness: text,
  witness_cell: text,
  round_trip_ms: number,
  least_ms: number,
  distance_km: number,
})

export const locationAnswer = json.object(
  {
    cell: text,
    status: json.enum(['consistent', 'disputed', 'refuted']),
    witnesses: count,
    contradictions: json.array(contradiction),
  },
  {
    description:
      'The cell that a node declares, and who measured a round trip that light in fibre forbids.',
  },
)

export const latencyMapAnswer = json.object(
  {
    object: json.literal('latency_map'),
    cell: json.nullable(text),
    model: json.nullable(json.object({ stretch: number, last_mile_ms: number })),
    pairs: json.array(json.object({ from: place, to: place, ...estimateFields })),
    estimate: json.nullable(json.object(estimateFields)),
    impossible: count,
    locations: json.array(json.object({ id: text, location: locationAnswer })),
  },
  {
    description:
      'Round trips between cells of the earth (H3), learned from measured links. `source` says ' +
      'whether these cells were measured, cells around them, or distance alone says it.',
  },
)
